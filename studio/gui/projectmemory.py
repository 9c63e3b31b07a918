"""What of projects outlives the window: those opened lately, the one that is open, and work that was never saved."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSettings, Signal

from studio.engine import JobContext
from studio.gui.engine_thread import EngineThread
from studio.gui.widgets.notices import Notice, Offer

if TYPE_CHECKING:
    # The session's modules reach torch; the window opens without waiting for it.
    from studio.session.recovery import Recoverable

SUFFIX = ".esnstudio"
"""As in ``studio.session.project``, which reaches torch."""

MOST_RECENT = 8
_OPEN = "projects/open"
_RECENT = "projects/recent"
_OFFERED = "projects/offered"


class ProjectMemory(QObject):
    """Remembers projects from one start to the next and offers, once, what a crash left; ``open_`` opens a project."""

    notice = Signal(object)
    changed = Signal()

    def __init__(self, chores: EngineThread, open_: Callable[[Path], None]) -> None:
        super().__init__()
        self._chores = chores
        self._open = open_
        self._settings: QSettings | None = None
        self.unsaved: list[Recoverable] = []

    def remember_in(self, settings: QSettings) -> None:
        """Keep what is remembered there."""
        self._settings = settings

    def recent(self) -> list[Path]:
        """Projects opened or saved lately, the latest first; those that are gone are left out."""
        kept = self._settings.value(_RECENT) if self._settings is not None else None
        names = [kept] if isinstance(kept, str) else list(kept or [])
        return [path for path in map(Path, map(str, names)) if path.is_dir()]

    def add(self, path: Path) -> None:
        """A project was opened or saved."""
        if self._settings is not None:
            names = [str(path), *(str(each) for each in self.recent() if each != path)]
            self._settings.setValue(_RECENT, names[:MOST_RECENT])

    def note_open(self, path: Path | None) -> None:
        """Which project is open, for the next start, should this one end without closing it."""
        if self._settings is not None:
            self._settings.setValue(_OPEN, str(path) if path is not None else "")

    def offer(self) -> None:
        """Offer work that was never saved, and the project a crash left open, once, in the background."""
        left = str(self._settings.value(_OPEN, "")) if self._settings is not None else ""
        if left:
            self.note_open(None)
            self._chores.submit("abandoned", partial(_abandoned, Path(left)), self._offer_abandoned)
        self._chores.submit("unsaved", _recoverable, self._offer_unsaved)

    def look(self) -> None:
        """Look for unsaved work anew, without offering it."""
        self._chores.submit("unsaved", _recoverable, self._know_unsaved)

    def _offer_abandoned(self, path: Path | None) -> None:
        if path is not None:
            name = path.name.removesuffix(SUFFIX)
            text = f"The studio ended while “{name}” was open; every take of it is kept. Open it again?"
            self.notice.emit(Notice(text, kind="offer", offers=(Offer("Open it", partial(self._open, path)),)))

    def _know_unsaved(self, found: list[Recoverable]) -> None:
        self.unsaved = found
        self.changed.emit()

    def _offer_unsaved(self, found: list[Recoverable]) -> None:
        self._know_unsaved(found)
        if not found:
            return
        newest = found[0]
        offered = str(self._settings.value(_OFFERED, "")) if self._settings is not None else ""
        if newest.path.name > offered:
            if self._settings is not None:
                self._settings.setValue(_OFFERED, newest.path.name)
            text = f"The last session was never saved. Recover the {newest.question}?"
            act = partial(self._open, newest.path)
            self.notice.emit(Notice(text, kind="offer", offers=(Offer("Recover", act),)))


def _recoverable(_context: JobContext) -> list[Recoverable]:
    from studio.session.recovery import recoverable

    return recoverable()


def _abandoned(path: Path, _context: JobContext) -> Path | None:
    """The project, if it is still there and no other window has it open."""
    from studio.session.recovery import is_held

    return path if path.is_dir() and not is_held(path) else None
