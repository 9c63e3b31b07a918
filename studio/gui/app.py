"""Opening the window."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from types import TracebackType

from PySide6.QtCore import QEvent, QObject, QSettings, Qt, QTimer, Signal
from PySide6.QtWidgets import QApplication, QWidget

from studio.gui.engine_thread import notice_of
from studio.gui.main_window import MainWindow
from studio.gui.studio import Studio
from studio.gui.theme import Theme

SWITCH_SECONDS = 0.0005
"""How long the window's thread waits at most for a worker to hand over the interpreter, each time it needs it."""


_UNPAINTED_MILLISECONDS = 1000
"""A window that opens minimised is not painted; what waits for that then begins all the same."""


class FirstPaint(QObject):
    """Calls ``then`` once ``window`` has been painted for the first time."""

    def __init__(self, window: QWidget, then: Callable[[], None]) -> None:
        super().__init__(window)
        self._window = window
        self._then: Callable[[], None] | None = then
        window.installEventFilter(self)
        QTimer.singleShot(_UNPAINTED_MILLISECONDS, self, self._begin)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Wait for the end of the first painting."""
        if event.type() == QEvent.Type.Paint:
            QTimer.singleShot(0, self, self._begin)
        return False

    def _begin(self) -> None:
        then, self._then = self._then, None
        if then is not None:
            self._window.removeEventFilter(self)
            then()


class UncaughtErrors(QObject):
    """Turns exceptions nobody caught, in any thread, into notices, and reports them; the window goes on."""

    notice = Signal(object)

    def __init__(self, report: Callable[..., object] = sys.__excepthook__) -> None:
        super().__init__()
        self._report = report
        self._previous: tuple[Callable[..., object], Callable[..., object]] | None = None

    def install(self) -> None:
        """Listen from now on."""
        self._previous = (sys.excepthook, threading.excepthook)
        sys.excepthook = self._caught
        threading.excepthook = lambda args: self._caught(args.exc_type, args.exc_value, args.exc_traceback)

    def remove(self) -> None:
        """Put the hooks back that were there before."""
        if self._previous is not None:
            sys.excepthook, threading.excepthook = self._previous
            self._previous = None

    def _caught(self, kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QApplication.quit()
            return
        self._report(kind, error or kind(), trace)
        self.notice.emit(notice_of(error or kind()))


def run(argv: Sequence[str] | None = None) -> int:
    """Open the window and run until it is closed; returns the exit code."""
    sys.setswitchinterval(SWITCH_SECONDS)
    app = QApplication([sys.argv[0] if argv is None else "esn-studio", *(argv or ())])
    app.setOrganizationName("ESN Studio")
    app.setApplicationName("ESN Studio")
    app.setAttribute(Qt.ApplicationAttribute.AA_DontShowIconsInMenus)
    settings = QSettings()
    theme = Theme(app, str(settings.value("theme", "system")))
    studio = Studio()
    window = MainWindow(studio, theme, settings)
    errors = UncaughtErrors()
    errors.notice.connect(studio.notice, Qt.ConnectionType.QueuedConnection)
    errors.install()
    window.show()
    window.offer_to_go_on()
    window.tour.offer()
    FirstPaint(window, studio.start)
    try:
        return app.exec()
    finally:
        errors.remove()


def main() -> int:
    """Open the window with the process's own arguments."""
    return run()
