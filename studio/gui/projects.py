"""The open project: written after every take, taken up again after a crash, saved, opened, begun anew."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from studio.audio.clip import Clip
from studio.engine import JobContext
from studio.errors import StudioError
from studio.gui.engine_thread import EngineThread
from studio.gui.loading import ModelKeeper
from studio.gui.projectmemory import SUFFIX, ProjectMemory
from studio.gui.renders import content_of
from studio.gui.reopening import Reopened, reopen
from studio.gui.shown import TAKE_LANES, Source
from studio.gui.state import StudioState
from studio.gui.steers import panel_document
from studio.gui.widgets.notices import Notice

if TYPE_CHECKING:
    # The session's modules reach torch; the window opens without waiting for it.
    from studio.session.project import Project
    from studio.session.projectfolder import ProjectFolder

REST_MILLISECONDS = 1000
"""How long after the first of them changes other than new takes are written together."""

_OPENING = "line"
"""Slot of opening: shared with demo lines, so that of a project and a line asked for the newer is shown."""

_log = logging.getLogger(__name__)


class Projects(QObject):
    """Writes ``state`` to the open project; without one, to a recovery project that the next start offers.

    Everything is written by the chores worker, and of sound only what is new. ``adopted`` tells that all of the state
    was replaced.
    """

    notice = Signal(object)
    changed = Signal()
    adopted = Signal()
    progress = Signal(float)
    opening_changed = Signal()

    def __init__(self, state: StudioState, chores: EngineThread, keeper: ModelKeeper) -> None:
        super().__init__()
        self._state = state
        self._chores = chores
        self._keeper = keeper
        self.memory = ProjectMemory(chores, self.open)
        self.memory.notice.connect(self.notice)
        self.memory.changed.connect(self.changed)
        self._folder: ProjectFolder | None = None
        self._sources: dict[Clip, Source] = {}
        self._unwritten = False
        self._adopting = False
        self._waiting: Path | None = None
        self._jobs = 0
        self.path: Path | None = None
        self.opening = False
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MILLISECONDS)
        self._rest.timeout.connect(self._write)
        state.takes_changed.connect(self._take_in)
        state.source_changed.connect(self._see_source)
        state.sources_changed.connect(self._see_sources)
        for changed in (state.take_changed, state.lane_changed, state.steer_changed, state.mask_changed):
            changed.connect(self._touch)
        state.locks_changed.connect(self._touch)
        keeper.loaded_changed.connect(self._open_waiting)

    @property
    def name(self) -> str:
        """The project's name; empty while it has none."""
        return self.path.name.removesuffix(SUFFIX) if self.path is not None else ""

    @property
    def kept_in(self) -> Path | None:
        """The folder that everything is written to; None while nothing was."""
        return self._folder.path if self._folder is not None else None

    def open(self, path: Path) -> None:
        """Open a project, or take up unsaved work; a project that cannot be opened leaves everything as it was."""
        path = path.parent if path.name == "project.json" else path
        if self._keeper.loading:
            self._waiting = path
            self._set_opening(True)
            return
        if self._folder is not None and self._folder.path == path and self.path is not None:
            self.notice.emit(Notice(f"{self.name} is open already.", kind="info"))
            return
        info = self._keeper.loaded.model.info if self._keeper.loaded is not None else None
        self._set_opening(True)
        work = partial(reopen, path, info)
        self._chores.submit(_OPENING, work, self._adopt, failed=self._stay, progress=self.progress.emit)

    def save(self) -> bool:
        """Write the project now; False when it has no place yet."""
        if self.path is None:
            return False
        self._unwritten = True
        self._write(done=lambda _none: self.notice.emit(Notice(f"Saved {self.name}.", kind="info")))
        return True

    def save_as(self, path: Path) -> None:
        """Write everything to a new place, which is where it is kept from then on."""
        from studio.session.projectfolder import ProjectFolder

        path = path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)
        if path == self.path:
            self.save()
            return
        folder, project = ProjectFolder(path), self._snapshot()

        def work(_context: JobContext) -> ProjectFolder:
            folder.create()
            try:
                folder.save(project)
            except BaseException:
                folder.close()
                shutil.rmtree(path, ignore_errors=True)
                raise
            return folder

        self._submit("save as", work, self._move)

    def new(self) -> None:
        """Begin without takes; the recording stays open, and unsaved takes stay to be had under recent projects."""
        left = len(self._state.takes) if self.path is None else 0
        self._leave()
        self._folder, self.path = None, None
        self.memory.note_open(None)
        self._adopting = True
        self._state.replace_takes([])
        self._adopting = False
        self._unwritten = False
        self.changed.emit()
        self.adopted.emit()
        if left:
            text = f"The {left} unsaved takes are kept: File, Recent projects." if left > 1 else ""
            self.notice.emit(Notice(text or "The unsaved take is kept: File, Recent projects.", kind="info"))

    def close(self) -> None:
        """Write what is not written yet and let the folder go; after the workers have ended."""
        self.memory.note_open(None)
        if self._folder is None:
            return
        try:
            _finish(self._folder, self._snapshot(), unsaved=self.path is None)
        except StudioError:
            # There is no window any more to say it in; the last autosave stands.
            _log.exception("the project could not be written at the end")
        self._folder = None

    def _take_in(self) -> None:
        self._touch()
        self._write()

    def _touch(self, *_what: object) -> None:
        if not self._adopting:
            self._unwritten = True
            # Not begun anew by every change: what changes on and on, as while takes are measured, is written too.
            if (self._state.takes or self._folder is not None) and not self._rest.isActive():
                self._rest.start()

    def _see_source(self) -> None:
        source = self._state.source
        if source is not None:
            self._sources[source.drawing.clip] = source
        self._touch()

    def _see_sources(self) -> None:
        # Recordings that were closed, and of which there is no take, leave memory.
        wanted = {shown.source for shown in self._state.takes}
        kept = {clip: each for clip, each in self._sources.items() if clip in wanted}
        self._sources = kept | {each.drawing.clip: each for each in self._state.sources}
        self._touch()

    def _write(self, done: Callable[[Any], None] | None = None) -> None:
        self._rest.stop()
        if self._adopting or not self._unwritten or not (self._state.takes or self._folder is not None):
            return
        folder = self._own_folder()
        unsaved = self.path is None
        project = self._snapshot()
        self._unwritten = False

        def work(_context: JobContext) -> None:
            folder.save(project)
            if unsaved:
                _prune()

        self._submit("autosave", work, done or (lambda _none: None))

    def _submit(self, what: str, work: Callable[[JobContext], Any], done: Callable[[Any], None]) -> None:
        # Every job has a slot of its own: what is being written is never cancelled half-way.
        self._jobs += 1
        self._chores.submit(f"{what} {self._jobs}", work, done, failed=self._fail)

    def _fail(self, error: BaseException) -> None:
        self._unwritten = True
        self._chores.tell(error)

    def _own_folder(self) -> ProjectFolder:
        from studio.session.projectfolder import ProjectFolder
        from studio.session.recovery import new_session

        if self._folder is None:
            self._folder = ProjectFolder(new_session())
        return self._folder

    def _snapshot(self) -> Project:
        from studio.session.project import MaskReference, NumberedTake, Project, ProjectSource

        state = self._state
        takes = tuple(NumberedTake(shown.number, shown.take) for shown in state.takes)
        clips = {each.take.source: each.take for each in takes}
        # A take that was deleted and came back may be of a recording that was closed meanwhile.
        origins = {shown.source: shown.origin for shown in state.takes}
        listed = [each.drawing.clip for each in [*state.sources, *([state.source] if state.source is not None else [])]]
        sources = {
            clip: ProjectSource(clip, clip.name, take.reference, listed=clip in listed) for clip, take in clips.items()
        }
        for clip in [*sources, *listed]:
            known = self._sources.get(clip) or origins.get(clip)
            if known is not None:
                sources[clip] = ProjectSource(clip, known.name, known.reference, known.demo, listed=clip in listed)
        opened = list(sources).index(state.source.drawing.clip) if state.source is not None else None
        mask = state.mask
        lanes = {lane: state.lanes[lane] for lane in TAKE_LANES}
        return Project(
            takes=takes,
            sources=tuple(sources.values()),
            source=opened,
            panel=panel_document(state.steer),
            mask=MaskReference(str(mask.path), mask.fingerprint) if mask is not None else None,
            lanes={lane: held.shown.number for lane, held in lanes.items() if held is not None and held.shown},
            locks=tuple(sorted(state.locks)),
        )

    def _move(self, folder: ProjectFolder) -> None:
        old, unsaved = self._folder, self.path is None
        self._folder, self.path = folder, folder.path
        if old is not None:
            self._submit("let go", lambda _context: _let_go(old, discarded=unsaved), lambda _none: None)
        self.memory.add(folder.path)
        self.memory.note_open(folder.path)
        self.changed.emit()
        text = f"Saved as {folder.path}; from now on every take is written there at once."
        self.notice.emit(Notice(text, kind="info"))
        # What changed while it was being written went to the old place.
        self._unwritten = True
        self._write()

    def _leave(self) -> None:
        """Write the last of the open project and let it go."""
        self._rest.stop()
        folder = self._folder
        if folder is not None:
            project, unsaved = self._snapshot(), self.path is None
            self._submit("leave", lambda _context: _finish(folder, project, unsaved=unsaved), lambda _none: None)
            self.memory.look()

    def _adopt(self, reopened: Reopened) -> None:
        from studio.session.recovery import is_unsaved

        self._leave()
        state = self._state
        self._adopting = True
        try:
            self._sources = dict(reopened.sources)
            state.replace_sources(reopened.listed)
            self._keeper.adopt_masks(reopened.masks, reopened.mask)
            state.replace_takes(reopened.takes)
            if reopened.source is not None:
                state.set_source(reopened.source)
            state.set_steer(reopened.steer)
            for lane in TAKE_LANES:
                state.set_locked(lane, lane in reopened.locks)
                shown = state.take_numbered(reopened.lanes.get(lane, 0))
                if shown is not None and state.source is not None and shown.source is state.source.drawing.clip:
                    state.set_lane(lane, content_of(shown))
        finally:
            self._adopting = False
        self._folder = reopened.folder
        unsaved = is_unsaved(reopened.folder.path)
        self.path = None if unsaved else reopened.folder.path
        self._unwritten = False
        self.memory.note_open(self.path)
        if not unsaved:
            self.memory.add(reopened.folder.path)
        self._set_opening(False)
        self.changed.emit()
        self.adopted.emit()
        for sentence in reopened.problems:
            self.notice.emit(Notice(sentence))

    def _stay(self, error: BaseException) -> None:
        self._set_opening(False)
        self._chores.tell(error)

    def _open_waiting(self) -> None:
        path, self._waiting = self._waiting, None
        if path is not None:
            self.open(path)

    def _set_opening(self, opening: bool) -> None:
        self.opening = opening
        self.opening_changed.emit()


def _prune() -> None:
    from studio.session.recovery import prune

    prune()


def _finish(folder: ProjectFolder, project: Project, *, unsaved: bool) -> None:
    """Write the last state and let the folder go; unsaved work without takes is nothing to keep."""
    discarded = unsaved and not project.takes
    try:
        # Always: what was queued to be written when the workers ended never was.
        if not discarded:
            folder.save(project)
            folder.sweep(project)
    finally:
        _let_go(folder, discarded=discarded)


def _let_go(folder: ProjectFolder, *, discarded: bool) -> None:
    from studio.session.recovery import discard

    with suppress(OSError):
        folder.close()
        if discarded:
            discard(folder.path)
