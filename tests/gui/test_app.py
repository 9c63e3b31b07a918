"""Opening: what is imported, what happens to errors nobody caught, a model that cannot be loaded."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from studio.engine import JobContext
from studio.errors import StudioError
from studio.gui.app import UncaughtErrors
from studio.gui.loading import Loaded, Loader
from studio.gui.main_window import MainWindow
from tests.gui.driving import PATIENCE


def test_the_window_waits_for_no_model_library() -> None:
    code = (
        "import sys, studio.gui.app; "
        "print([name for name in ('torch', 'transformers', 'scipy', 'sounddevice', 'jiwer') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_errors_nobody_caught_become_notices(qtbot: QtBot, window: MainWindow) -> None:
    errors = UncaughtErrors(report=lambda *_args: None)
    errors.notice.connect(window.studio.notice, Qt.ConnectionType.QueuedConnection)
    errors.install()
    try:
        try:
            raise ValueError("in the window")
        except ValueError as error:
            sys.excepthook(type(error), error, error.__traceback__)
        thread = threading.Thread(target=lambda: 1 / 0)
        thread.start()
        thread.join()
        qtbot.waitUntil(lambda: len(window.notices.waiting) == 2, timeout=PATIENCE)
    finally:
        errors.remove()
    first, second = window.notices.waiting
    assert "ValueError: in the window" in first.text
    assert "Traceback" in first.details
    assert "ZeroDivisionError" in second.text
    assert window.isVisible()
    assert sys.excepthook is not errors._caught


def test_without_a_model_the_window_says_so_and_stays(
    qtbot: QtBot, open_window: Callable[[Loader], MainWindow]
) -> None:
    def broken(_context: JobContext) -> Loaded:
        raise StudioError("The model 'embedded' cannot be loaded. Its weights are missing.")

    window = open_window(broken)
    qtbot.waitUntil(lambda: window.notices.isVisible() and window.studio.state.source is not None, timeout=PATIENCE)
    assert window.notices.text.text() == "The model 'embedded' cannot be loaded. Its weights are missing."
    assert window.steering.render_button.toolTip() == "No model is loaded"
    assert window.top.model.text() == "No model"
    assert not window.top.mask_box.isEnabled()


def test_a_missing_judge_is_said_once_and_takes_go_unjudged(
    qtbot: QtBot, open_window: Callable[[Loader], MainWindow]
) -> None:
    from tests.gui.standin import StandIn

    def lacking(_context: JobContext) -> Loaded:
        return Loaded(StandIn(), lacking=["Takes are not judged. The judge's file is missing."])

    window = open_window(lacking)
    qtbot.waitUntil(window.notices.isVisible, timeout=PATIENCE)
    assert window.notices.waiting[0].kind == "info"
    assert window.studio.state.model is not None
