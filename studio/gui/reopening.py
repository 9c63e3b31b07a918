"""A project as the window shows it, read in a worker; pitch is tracked when a take is first looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from studio.audio.clip import Clip
from studio.engine import JobContext
from studio.errors import Cancelled, StudioError
from studio.gui.analysis import LONGEST_PITCH_SECONDS, Drawing, draw, outline
from studio.gui.engine_thread import EngineThread
from studio.gui.loading import read_mask
from studio.gui.shown import LaneContent, ShownMask, ShownTake, Source, Steer
from studio.gui.state import StudioState
from studio.gui.steers import read_panel, steer_of
from studio.gui.words import words_of

if TYPE_CHECKING:
    from studio.lalm.base import ModelInfo
    from studio.session.projectfolder import ProjectFolder


@dataclass(frozen=True, eq=False)
class Reopened:
    """A project ready to be shown; ``sources`` are all its recordings, by their clips, ``listed`` those not closed."""

    folder: ProjectFolder
    takes: tuple[ShownTake, ...]
    sources: Mapping[Clip, Source]
    listed: tuple[Source, ...]
    source: Source | None
    steer: Steer
    mask: ShownMask | None
    masks: tuple[ShownMask, ...]
    lanes: Mapping[str, int]
    locks: tuple[str, ...]
    problems: tuple[str, ...]


def reopen(path: Path, info: ModelInfo | None, context: JobContext) -> Reopened:
    """Read the project at ``path`` and draw its takes; masks are read where a model is there to use them.

    Runs in a worker. Raises StudioError when the project cannot be read or another window holds it.
    """
    from studio.session.projectfolder import ProjectFolder

    folder, opened = ProjectFolder.open(path)
    try:
        project = opened.project
        masks, problems = _masks(opened.masks, info)
        sources = {
            each.clip: Source(
                draw(each.clip),
                each.title,
                each.reference,
                each.demo,
                path=_file(folder, opened.files.get(each.clip)),
                fingerprint=each.clip.fingerprint(),
            )
            for each in project.sources
        }
        takes = []
        for number, each in enumerate(project.takes):
            if context.cancelled():
                raise Cancelled
            take = each.take
            steer = steer_of(take.settings).canonical()
            mask = masks.get(take.settings.mask_sha or "")
            drawing = outline(take.audio)
            origin = sources[take.source]
            takes.append(ShownTake(each.number, take, steer, drawing, words_of(take), take.source, mask, origin))
            context.progress((number + 1) / len(project.takes))
        source = sources[project.sources[project.source].clip] if project.source is not None else None
        in_use = masks.get(project.mask.fingerprint) if project.mask is not None else None
        return Reopened(
            folder=folder,
            takes=tuple(takes),
            sources=sources,
            listed=tuple(sources[each.clip] for each in project.sources if each.listed),
            source=source,
            steer=read_panel(project.panel),
            mask=in_use,
            masks=tuple(masks.values()),
            lanes=project.lanes,
            locks=project.locks,
            problems=(*opened.problems, *problems),
        )
    except BaseException:
        folder.close()
        raise


def _file(folder: ProjectFolder, name: str | None) -> Path | None:
    return folder.path / name if name else None


def _masks(places: Mapping[str, Path], info: ModelInfo | None) -> tuple[dict[str, ShownMask], list[str]]:
    masks: dict[str, ShownMask] = {}
    problems = []
    for fingerprint, path in places.items():
        if info is None:
            continue
        try:
            masks[fingerprint] = read_mask(path, info)
        except StudioError as error:
            problems.append(str(error))
    return masks, problems


class LatePitch(QObject):
    """Tracks the pitch of a take that was reopened without it, once a lane shows it."""

    def __init__(self, state: StudioState, worker: EngineThread) -> None:
        super().__init__()
        self._state = state
        self._worker = worker
        state.lane_changed.connect(self._look)

    def _look(self, lane: str) -> None:
        content = self._state.lanes[lane]
        shown = content.shown if content is not None else None
        if shown is not None and shown.drawing.pitch is None and 0 < shown.drawing.seconds <= LONGEST_PITCH_SECONDS:
            self._worker.submit(f"pitch {lane}", partial(_draw, shown.take.audio), partial(self._show, shown))

    def _show(self, shown: ShownTake, drawing: Drawing) -> None:
        if drawing.pitch is None:
            return
        shown.drawing = drawing
        for lane, content in self._state.lanes.items():
            if content is not None and content.shown is shown:
                self._state.set_lane(lane, LaneContent(content.title, drawing, shown))


def _draw(clip: Clip, _context: JobContext) -> Drawing:
    return draw(clip)
