"""The window opened as the program opens it, in a process of its own, and waiting for what it does."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QEventLoop, QSettings, QTimer
from PySide6.QtWidgets import QApplication

from studio.gui.app import SWITCH_SECONDS, FirstPaint
from studio.gui.loading import Loader, load_default
from studio.gui.main_window import MainWindow
from studio.gui.studio import Studio
from studio.gui.theme import Theme

PATIENCE = 180_000


class Stage:
    """An open window and waiting for what it does."""

    def __init__(self, folder: Path, load: Loader = load_default) -> None:
        sys.setswitchinterval(SWITCH_SECONDS)
        os.environ["XDG_DATA_HOME"] = str(folder)
        self.app = QApplication([])
        self.studio = Studio(load)
        settings = QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat)
        self.window = MainWindow(self.studio, Theme(self.app, "dark"), settings)
        self.window.show()
        self.began()
        FirstPaint(self.window, self.studio.start)
        state = self.studio.state
        self.wait(lambda: state.source is not None and state.mask is not None, "a source and a mask")
        self.wait(lambda: self.studio.playback.reason != "Sound is starting", "the sound output")

    def began(self) -> None:
        """The window is shown and nothing has been started yet."""

    def rest(self, seconds: float) -> None:
        """Let the window run."""
        loop = QEventLoop()
        QTimer.singleShot(round(seconds * 1000), loop.quit)
        loop.exec()

    def wait(self, met: Callable[[], object], what: str) -> None:
        """Run the event loop until a condition is met."""
        loop, late = QEventLoop(), QTimer()
        look = QTimer()
        look.timeout.connect(lambda: loop.quit() if met() or self.errors() else None)
        late.setSingleShot(True)
        late.timeout.connect(loop.quit)
        look.start(5)
        late.start(PATIENCE)
        loop.exec()
        assert met(), f"waited in vain for {what}; errors: {self.errors()}"

    def errors(self) -> list[str]:
        """What the window complains about."""
        return [notice.text for notice in self.window.notices.waiting if notice.kind == "error"]

    def wait_for_takes(self, count: int) -> None:
        """Until there are that many takes and nothing else is coming."""
        renders, takes = self.studio.renders, self.studio.state.takes
        self.wait(lambda: len(takes) == count and not renders.active and not renders.pending, f"{count} takes")

    def close(self) -> None:
        self.window.close()
