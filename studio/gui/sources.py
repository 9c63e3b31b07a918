"""Opening recordings: files and the lines of the demo corpus, read and drawn in a worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from studio.audio.files import load_clip
from studio.engine import JobContext
from studio.gui.analysis import draw
from studio.gui.engine_thread import EngineThread
from studio.gui.state import Source, StudioState
from studio.paths import resources_dir

LONGEST_SECONDS = 3600.0
"""Longer files are refused before anything is decoded: nobody auditions an hour of speech here."""

FIRST_LINE = "0011_000001"


@dataclass(frozen=True)
class DemoLine:
    """One line of the demo corpus."""

    id: str
    speaker: str
    text: str
    path: Path


class Sources(QObject):
    """Opens recordings into ``state.source``; a file that cannot be opened leaves everything as it was."""

    demo_lines_changed = Signal()

    def __init__(self, state: StudioState, worker: EngineThread) -> None:
        super().__init__()
        self._state = state
        self._worker = worker
        self.demo_lines: Sequence[DemoLine] = ()

    def start(self) -> None:
        """List the demo lines and open the first."""
        self._worker.submit("demo", lambda _context: read_demo_lines(), self._list_demo_lines)

    def open_line(self, line: DemoLine) -> None:
        """Open a demo line."""
        self._open(lambda _context: read_line(line))

    def open_file(self, path: Path) -> None:
        """Open a sound file."""
        self._open(lambda _context: read_file(path))

    def _open(self, work: Callable[[JobContext], Source]) -> None:
        self._worker.submit("source", work, self._show)

    def _list_demo_lines(self, lines: Sequence[DemoLine]) -> None:
        self.demo_lines = lines
        self.demo_lines_changed.emit()
        if self._state.source is None and lines:
            self.open_line(next((line for line in lines if line.id == FIRST_LINE), lines[0]))

    def _show(self, source: Source) -> None:
        # Demo lines may be spoken freely; other words and voices only come out right with content lock.
        content = "free" if source.demo else "lock"
        model = self._state.model
        if model is not None and content not in model.content_modes:
            content = str(model.content_modes[0])
        self._state.set_source(source)
        self._state.set_steer(replace(self._state.steer, content=content))


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
    return Source(draw(clip), f"{line.id}  speaker {line.speaker}", line.text, demo=True)


def read_file(path: Path) -> Source:
    """A sound file, drawn."""
    clip = load_clip(path, LONGEST_SECONDS)
    return Source(draw(clip), path.name, None)
