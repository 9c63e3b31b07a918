"""Which searches were begun and are neither saved nor cancelled, from one start of the window to the next."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSettings

_KEY = "wizard/unfinished"
_MOST = 8
"""Older ones are offered no more; their folders can still be opened."""


class Unfinished:
    """Job folders, the newest first, in the window's settings; without settings nothing is remembered."""

    def __init__(self) -> None:
        self._settings: QSettings | None = None

    def remember_in(self, settings: QSettings) -> None:
        """Where they are written down."""
        self._settings = settings

    def folders(self) -> list[Path]:
        """Those that are still there, the newest first."""
        return [folder for folder in map(Path, self._held()) if folder.is_dir()]

    def remember(self, folder: Path) -> None:
        """Put a search first."""
        self._write([str(folder), *(each for each in self._held() if each != str(folder))][:_MOST])

    def forget(self, folder: Path) -> None:
        """Offer a search no more; its folder stays."""
        self._write([each for each in self._held() if each != str(folder)])

    def _held(self) -> list[str]:
        value = self._settings.value(_KEY) if self._settings is not None else None
        # A list of one comes back from the file as its only entry, an empty one as nothing.
        return [value] if isinstance(value, str) and value else list(value) if isinstance(value, list) else []

    def _write(self, folders: list[str]) -> None:
        if self._settings is not None:
            self._settings.setValue(_KEY, folders)
