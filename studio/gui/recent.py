"""The files that were opened last, in the File menu and in the settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QSettings
from PySide6.QtWidgets import QMenu

MOST = 10
_KEY = "recent/recordings"


class RecentFiles(QObject):
    """Fills ``menu`` with the newest files first; one that turned out not to open leaves the list."""

    def __init__(self, menu: QMenu, settings: QSettings, open_file: Callable[[Path], None]) -> None:
        super().__init__(menu)
        self.menu = menu
        self._settings = settings
        self._open = open_file
        kept = settings.value(_KEY, [])
        self.paths = [Path(str(each)) for each in (kept if isinstance(kept, list) else [kept])]
        self._fill()

    def add(self, path: Path) -> None:
        """Put a file at the top."""
        path = path.absolute()
        self._keep([path, *(each for each in self.paths if each != path)][:MOST])

    def remove(self, path: Path) -> None:
        """Forget a file."""
        self._keep([each for each in self.paths if each != path.absolute()])

    def clear(self) -> None:
        """Forget all files."""
        self._keep([])

    def _keep(self, paths: list[Path]) -> None:
        self.paths = paths
        self._settings.setValue(_KEY, [str(path) for path in paths])
        self._fill()

    def _fill(self) -> None:
        self.menu.clear()
        for path in self.paths:
            # An ampersand would underline the next letter.
            action = self.menu.addAction(path.name.replace("&", "&&"), lambda path=path: self._open(path))
            action.setToolTip(str(path))
        if self.paths:
            self.menu.addSeparator()
            self.menu.addAction("Clear this list", self.clear)
        else:
            self.menu.addAction("No recording was opened yet").setEnabled(False)
        self.menu.setToolTipsVisible(True)
