"""Opening recordings: files and the lines of the demo corpus, read and drawn in a worker."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from studio.audio.clip import ArrivingDigest, Clip
from studio.audio.files import load_clip
from studio.engine import JobContext
from studio.errors import Cancelled
from studio.gui.analysis import Drawing, draw, outline
from studio.gui.engine_thread import EngineThread
from studio.gui.shown import Arriving, Source
from studio.gui.state import StudioState
from studio.paths import resources_dir

LONGEST_SECONDS = 3600.0
"""Longer files are refused before anything is decoded: nobody auditions an hour of speech here."""

SHOW_SECONDS = 0.1
"""How long a file is read before what was read of it is shown, and between two such looks."""

SHORTEST_REGION = 0.2
"""Seconds; a region is at least this long."""

FIRST_LINE = "0011_000001"


@dataclass(frozen=True)
class DemoLine:
    """One line of the demo corpus."""

    id: str
    speaker: str
    text: str
    path: Path


class Sources(QObject):
    """Opens recordings into ``state``; a file that cannot be opened leaves everything as it was."""

    demo_lines_changed = Signal()
    opening_changed = Signal()
    opened = Signal(object)
    refused = Signal(object)

    def __init__(self, state: StudioState, worker: EngineThread) -> None:
        super().__init__()
        self._state = state
        self._worker = worker
        self._batches = 0
        self.demo_lines: Sequence[DemoLine] = ()
        self.opening: list[Path] = []
        """Files that are still being read."""

    def start(self) -> None:
        """List the demo lines and open the first."""
        self._worker.submit("demo", lambda _context: read_demo_lines(), self._list_demo_lines)

    def open_line(self, line: DemoLine) -> None:
        """Open a demo line."""
        known = next((each for each in self._state.sources if each.demo and each.name == line_name(line)), None)
        if known is not None:
            self.show(known)
        else:
            self._worker.submit("line", lambda _context: read_line(line), lambda source: self.show(self._known(source)))

    def open_files(self, paths: Sequence[Path]) -> None:
        """Open sound files; the first is shown, all are in the list. Each that cannot be opened is one notice."""
        self._batches += 1
        for number, path in enumerate(paths):
            self.begin_opening(path)
            # Every file has a slot of its own: none ever replaces another.
            self._worker.submit(
                f"file {self._batches} {number}",
                partial(read_file, path),
                partial(self._take_file, path, first=number == 0),
                failed=partial(self._refuse_file, path),
                event=self._state.set_arriving if number == 0 else None,
            )

    def open_file(self, path: Path) -> None:
        """Open a sound file."""
        self.open_files([path])

    def show(self, source: Source) -> None:
        """Make a source the open one, in the way it was last seen."""
        before = self._state.source
        known = next((each for each in self._state.sources if each.is_of(source)), None)
        source = known if known is not None else source
        if source is before:
            return
        self._state.set_source(source)
        if before is None or before.demo != source.demo:
            self._choose_content(source)

    def close(self, source: Source) -> None:
        """Take a source off the list; takes made from it stay."""
        before = self._state.source
        self._state.remove_source(source)
        now = self._state.source
        if before is not None and now is not None and before.demo != now.demo:
            self._choose_content(now)

    def close_open(self) -> None:
        """Take the open source off the list."""
        if self._state.source is not None:
            self.close(self._state.source)

    def trim(self, region: tuple[float, float] | None) -> None:
        """Convert only this stretch of the open recording, in its own seconds; None for all of it."""
        source = self._state.source
        if source is not None:
            self._worker.submit("trim", lambda _context: trimmed(source, region), self._take_trimmed)

    def begin_opening(self, path: Path) -> None:
        """A file is being read."""
        self.opening.append(path)
        self.opening_changed.emit()

    def end_opening(self, path: Path) -> None:
        """It is read, or cannot be."""
        self.opening.remove(path)
        self._state.set_arriving(None)
        self.opening_changed.emit()

    def fitting_content(self, wanted: str) -> str:
        """Where the words come from: ``wanted`` where the model can do that, else what it does first."""
        model = self._state.model
        return wanted if model is None or wanted in model.content_modes else str(model.content_modes[0])

    def _known(self, source: Source) -> Source:
        """The source of the same recording that is listed; one that was closed is again that of its takes."""
        listed = next((each for each in self._state.sources if each.same_as(source)), None)
        if listed is not None:
            return listed
        origins = (shown.origin for shown in self._state.takes)
        made_of = next((each for each in origins if each is not None and each.same_as(source)), None)
        return source if made_of is None else replace(source, drawing=made_of.recording)

    def _take_file(self, path: Path, source: Source, *, first: bool) -> None:
        self.end_opening(path)
        source = self._known(source)
        self.show(source) if first else self._state.keep_source(source)
        self.opened.emit(path)

    def _refuse_file(self, path: Path, error: BaseException) -> None:
        self.end_opening(path)
        self._worker.tell(error)
        self.refused.emit(path)

    def _list_demo_lines(self, lines: Sequence[DemoLine]) -> None:
        self.demo_lines = lines
        self.demo_lines_changed.emit()
        if self._state.source is None and lines:
            self.open_line(next((line for line in lines if line.id == FIRST_LINE), lines[0]))

    def _take_trimmed(self, source: Source) -> None:
        if source.is_of(self._state.source):
            self._state.set_source(source)
        else:
            self._state.keep_source(source)

    def _choose_content(self, source: Source) -> None:
        # Demo lines may be spoken freely; other words and voices only come out right with content lock.
        content = self.fitting_content("free" if source.demo else "lock")
        self._state.set_steer(replace(self._state.steer, content=content))


class ReadingProgress:
    """Hands on what was read of a file, now and then; gives up when nobody waits for it any more.

    ``digest``, where there is one, takes in what was read.
    """

    def __init__(self, name: str, context: JobContext, digest: ArrivingDigest | None = None) -> None:
        self.drawing: Drawing | None = None
        self._digest = digest
        self._name = name
        self._context = context
        self._shown = time.monotonic()

    def __call__(self, clip: Clip, seconds: float) -> None:
        """So much was read of so many seconds; raises Cancelled when that is enough."""
        if self._context.cancelled():
            raise Cancelled
        if self._digest is not None:
            self._digest.take(clip)
        if time.monotonic() - self._shown >= SHOW_SECONDS:
            self.drawing = outline(clip, self.drawing)
            self._context.event(Arriving(self._name, self.drawing, seconds))
            self._shown = time.monotonic()


def line_name(line: DemoLine) -> str:
    """A demo line's name in the window."""
    return f"{line.id}  speaker {line.speaker}"


def read_demo_lines() -> list[DemoLine]:
    """Every line of the demo corpus."""
    from studio.corpora import esd

    return [
        DemoLine(line.path.stem, line.speaker, line.text or "", line.path)
        for line in esd.read(resources_dir() / "demo")
    ]


def read_line(line: DemoLine) -> Source:
    """A demo line, drawn."""
    clip = replace(load_clip(line.path), name=line.id)
    return Source(draw(clip), line_name(line), line.text, demo=True, path=line.path, fingerprint=clip.fingerprint())


def read_file(path: Path, context: JobContext) -> Source:
    """A sound file, drawn; while it is read, ``context`` gets an ``Arriving`` every ``SHOW_SECONDS``."""
    with ThreadPoolExecutor(1) as helper:
        digest = ArrivingDigest(helper)
        progress = ReadingProgress(path.name, context, digest)
        clip = load_clip(path, LONGEST_SECONDS, "the studio", progress)
        drawing = draw(clip, progress.drawing)
        return Source(drawing, path.name, None, path=path.absolute(), fingerprint=digest.fingerprint(clip))


def trimmed(source: Source, region: tuple[float, float] | None) -> Source:
    """A source of the same recording that is only ``region`` (seconds) of it, or all of it, drawn.

    A typed transcript stays; one that the model read was of another region.
    """
    recording = source.recording
    reference = None if source.read else source.reference
    plain = replace(source, drawing=recording, whole=None, region=None, reference=reference, read=False)
    start, stop = fitting_region(region, recording.seconds) if region is not None else (0.0, recording.seconds)
    if stop - start >= recording.seconds:
        return plain
    clip = recording.clip
    # A copy: a take of a short region must not keep an hour in memory.
    samples = clip.samples[round(start * clip.rate) : round(stop * clip.rate)].copy()
    cut = replace(clip, samples=samples, name=f"{clip.name} {start:.2f}-{stop:.2f}s")
    return replace(plain, drawing=draw(cut), whole=recording, region=(start, stop))


def fitting_region(region: tuple[float, float], length: float) -> tuple[float, float]:
    """A region in order, within 0..``length`` seconds, and not shorter than ``SHORTEST_REGION`` where there is room."""
    start, stop = (min(max(edge, 0.0), length) for edge in sorted(region))
    stop = min(max(stop, start + SHORTEST_REGION), length)
    return max(0.0, min(start, stop - SHORTEST_REGION)), stop
