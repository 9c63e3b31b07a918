"""The leak fixture itself: each kind of leak fails its test, and tidy tests pass."""

from __future__ import annotations

import pytest

LEAKY = """
import threading
import torch
from PySide6.QtWidgets import QWidget

kept = []
before = torch.nn.Bilinear(1, 1, 1)
stop = threading.Event()

def test_thread():
    threading.Thread(target=stop.wait, name="stray", daemon=True).start()

def test_widget(qapp):
    kept.append(QWidget())

def test_hook():
    layer = torch.nn.Linear(1, 1)
    layer.register_forward_hook(lambda *_: None)
    kept.append(layer)

def test_hook_on_what_was_there():
    before.register_forward_hook(lambda *_: None)

def test_end():
    stop.set()
"""

TIDY = """
import threading
import torch
import pytest
from PySide6.QtWidgets import QWidget

@pytest.fixture(scope="module")
def worker():
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    yield thread
    stop.set()
    thread.join()

def test_wider_fixture_may_outlive_the_test(worker):
    assert worker.is_alive()

def test_thread_joined():
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()

def test_widget_of_qtbot(qtbot):
    widget = QWidget()
    qtbot.addWidget(widget)
    widget.show()

def test_hook_removed():
    layer = torch.nn.Linear(1, 1)
    layer.register_forward_hook(lambda *_: None).remove()
"""


@pytest.fixture
def inner(pytester: pytest.Pytester) -> pytest.Pytester:
    """A test session of its own that loads the plugin under test."""
    pytester.makeconftest('pytest_plugins = ["tests.leaks"]')
    return pytester


def test_each_leak_fails_its_test(inner: pytest.Pytester) -> None:
    inner.makepyfile(LEAKY)
    result = inner.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=5, errors=4)
    result.stdout.fnmatch_lines(
        ["*leaked thread 'stray'", "*leaked widget QWidget*", "*leaked hook *on Linear*", "*on Bilinear*"],
        consecutive=False,
    )


def test_tidy_tests_pass(inner: pytest.Pytester) -> None:
    inner.makepyfile(TIDY)
    inner.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=4)
