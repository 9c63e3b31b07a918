"""Recordings that were closed: what is kept of them so that they can come back, and how they do.

Of a recording that nothing else needs only the facts are kept, so that closing an hour of sound frees its memory; the
sound is read again from the file it came from or, where that is gone, from the project's own copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any
from weakref import ref

from PySide6.QtCore import QObject, Signal

from studio.audio.files import load_clip
from studio.engine import JobContext
from studio.errors import Cancelled, StudioError
from studio.esn.automation import Point
from studio.gui.analysis import Drawing, draw
from studio.gui.engine_thread import EngineThread, notice_of
from studio.gui.shown import TAKE_LANES, LaneContent, Source
from studio.gui.sources import LONGEST_SECONDS, ReadingProgress, Sources, trimmed
from studio.gui.state import StudioState
from studio.gui.widgets.notices import Notice, Offer

_DRAWINGS = ("drawing", "whole")
PutBack = Callable[[Source], None]


@dataclass(frozen=True, eq=False)
class ClosedSource:
    """What is kept of a recording that was closed: its ``facts`` (a source's fields but the drawings) and its place.

    ``drawing`` and ``whole`` give the drawings, or None once nothing else holds them. If it was the ``opened`` one,
    ``lanes``, ``locks``, ``curve`` and ``content`` are what went with it; ``settled``: no render was under way then.
    """

    facts: Mapping[str, Any]
    clip_name: str
    drawing: Callable[[], Drawing | None]
    whole: Callable[[], Drawing | None]
    place: int
    opened: bool
    lanes: Mapping[str, LaneContent | None]
    locks: frozenset[str]
    curve: tuple[Point, ...] | None
    content: str
    settled: bool

    @property
    def name(self) -> str:
        """What the recording is called."""
        return str(self.facts["name"])

    def source(self) -> Source | None:
        """The source as it was, while something else still holds its drawings."""
        drawing, whole = self.drawing(), self.whole()
        if drawing is None or (whole is None and self.facts["region"] is not None):
            return None
        return Source(drawing, whole=whole, **self.facts)


class Closings(QObject):
    """Notes what closes, and brings it back; ``kept_in`` says where the session's own copies of sound are, if any."""

    notice = Signal(object)

    def __init__(
        self, state: StudioState, sources: Sources, worker: EngineThread, kept_in: Callable[[], Path | None]
    ) -> None:
        super().__init__()
        self._state = state
        self._sources = sources
        self._worker = worker
        self._kept_in = kept_in
        self._slots: dict[ClosedSource, str] = {}
        self._count = 0

    def note(self, source: Source, *, settled: bool) -> ClosedSource:
        """What to keep of a source that is about to be closed."""
        state, recording = self._state, source.recording
        # What came from no file cannot be read again.
        keep: Callable[[Drawing], Callable[[], Drawing | None]] = ref if source.path is not None else _always
        return ClosedSource(
            facts={each.name: getattr(source, each.name) for each in fields(source) if each.name not in _DRAWINGS},
            clip_name=recording.clip.name,
            drawing=keep(source.drawing),
            whole=keep(source.whole) if source.whole is not None else _never,
            place=next(index for index, each in enumerate(state.sources) if each.is_of(source)),
            opened=source.is_of(state.source),
            lanes={lane: state.lanes[lane] for lane in TAKE_LANES},
            locks=frozenset(state.locks),
            curve=state.steer.automation,
            content=state.steer.content,
            settled=settled,
        )

    def bring_back(self, closed: ClosedSource, put_back: PutBack) -> None:
        """Hand the source to ``put_back``: at once while its sound is still held, else once it was read again."""
        source = closed.source()
        if source is not None:
            put_back(source)
            return
        path = closed.facts["path"]
        self._count += 1
        # A slot of its own: none ever replaces another.
        self._slots[closed] = slot = f"closed {self._count}"
        self._sources.begin_opening(path)
        self._worker.submit(
            slot,
            partial(read_again, closed, self._kept_in()),
            partial(self._arrived, closed, slot, put_back),
            failed=partial(self._failed, closed, slot, put_back),
            event=self._state.set_arriving if closed.opened else None,
        )

    def put_back(self, closed: ClosedSource, source: Source, *, opened: bool) -> None:
        """List the source where it was; ``opened`` opens it with its curve and locks. Lanes are not filled."""
        state = self._state
        listed = next((each for each in state.sources if each.same_as(source)), None)
        if listed is None:
            state.keep_source(source, closed.place)
        source = source if listed is None else listed
        if opened and not source.is_of(state.source):
            state.set_source(source)
            content = self._sources.fitting_content(closed.content)
            state.set_steer(replace(state.steer, automation=closed.curve, content=content))
            for lane in closed.locks:
                state.set_locked(lane, True)

    def close_again(self, closed: ClosedSource, *, settled: bool) -> ClosedSource:
        """Close a source that came back, or is about to; what to keep of it now."""
        self.give_up(closed)
        before = closed.source()
        listed = next((each for each in self._state.sources if _is(closed, before, each)), None)
        if listed is None:
            return closed
        now = self.note(listed, settled=settled)
        self._sources.close(listed)
        return now

    def give_up(self, closed: ClosedSource) -> None:
        """Read a recording no further."""
        slot = self._slots.pop(closed, None)
        if slot is not None:
            self._worker.cancel(slot)

    def give_up_all(self) -> None:
        """Read none any further, as where they would come back to is gone."""
        for closed in list(self._slots):
            self.give_up(closed)

    def _arrived(self, closed: ClosedSource, slot: str, put_back: PutBack, source: Source) -> None:
        if self._ended(closed, slot):
            put_back(source)

    def _failed(self, closed: ClosedSource, slot: str, put_back: PutBack, error: BaseException) -> None:
        if self._ended(closed, slot) and not isinstance(error, Cancelled):
            again = Offer("Try again", partial(self.bring_back, closed, put_back), f"Read {closed.name} again")
            plain = notice_of(error)
            self.notice.emit(Notice(plain.text, plain.details, offers=(again,)))

    def _ended(self, closed: ClosedSource, slot: str) -> bool:
        """A recording was read, or not; whether that is still wanted."""
        self._sources.end_opening(closed.facts["path"])
        wanted = self._slots.get(closed) == slot
        if wanted:
            del self._slots[closed]
        return wanted


def read_again(closed: ClosedSource, kept_in: Path | None, context: JobContext) -> Source:
    """The source as it was, read from its file or the copy in ``kept_in``, a project's folder; runs in a worker.

    Raises StudioError when neither holds the same sound any more.
    """
    reason = ""
    for path in _places(closed, kept_in):
        progress = ReadingProgress(closed.name, context)
        try:
            clip = load_clip(path, LONGEST_SECONDS, "the studio", progress)
        except StudioError as error:
            reason = reason or str(error)
            continue
        if clip.fingerprint() != closed.facts["fingerprint"]:
            reason = reason or f"'{path}' holds another sound now; put the old one back."
            continue
        whole = Source(draw(replace(clip, name=closed.clip_name), progress.drawing), **{**closed.facts, "region": None})
        said = {name: closed.facts[name] for name in ("reference", "read")}
        return replace(trimmed(whole, closed.facts["region"]), **said)
    raise StudioError(f"{closed.name} was closed and cannot come back: {reason}")


def _places(closed: ClosedSource, kept_in: Path | None) -> Iterator[Path]:
    yield closed.facts["path"]
    if kept_in is not None:
        # As ``ProjectFolder`` names what it writes.
        yield from sorted((kept_in / "sources").glob(f"{closed.facts['fingerprint'][:16]}.*"))


def _is(closed: ClosedSource, before: Source | None, listed: Source) -> bool:
    same = bool(listed.fingerprint) and listed.fingerprint == closed.facts["fingerprint"]
    return (before is not None and listed.is_of(before)) or (same and listed.name == closed.name)


def _always(drawing: Drawing) -> Callable[[], Drawing | None]:
    return lambda: drawing


def _never() -> None:
    return None
