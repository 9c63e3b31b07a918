"""Renders that are stopped, replaced or fail; the model's memory and the lanes survive."""

from __future__ import annotations

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from studio.errors import StudioError
from studio.gui.main_window import MainWindow
from tests.gui.driving import PATIENCE, choose_target, drag_slider, key, press, wait_for_takes
from tests.gui.standin import StandIn


def test_a_render_cancelled_midway_leaves_the_lane_and_the_next_one_runs(
    qtbot: QtBot, window: MainWindow, standin: StandIn
) -> None:
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    drag_slider(window, "angry", 0.4)
    wait_for_takes(qtbot, window, 2)
    state, renders = window.studio.state, window.studio.renders
    before = state.lanes["B"]
    standin.go.clear()
    drag_slider(window, "angry", 0.9)
    qtbot.waitUntil(lambda: state.lanes["B"] is not before, timeout=PATIENCE)
    content = state.lanes["B"]
    assert content is not None
    assert content.shown is None, "the first samples are drawn while the rest is being made"
    assert content.drawing is not None
    assert window.top.job.progress.isVisible()
    press(window.top.job.cancel)
    qtbot.waitUntil(lambda: not renders.active, timeout=PATIENCE)
    assert state.lanes["B"] is before
    assert standin.cancellations == 1
    assert not window.notices.isVisible(), "stopping is not an error"
    standin.go.set()
    key(window, Qt.Key.Key_R)
    wait_for_takes(qtbot, window, 3)
    assert state.lanes["B"] is not before


def test_a_newer_setting_cancels_the_render_it_replaces(qtbot: QtBot, window: MainWindow, standin: StandIn) -> None:
    choose_target(window, "sad")
    wait_for_takes(qtbot, window, 1)
    standin.go.clear()
    drag_slider(window, "sad", 0.3)
    qtbot.waitUntil(lambda: len(standin.requests) == 2, timeout=PATIENCE)
    drag_slider(window, "sad", 0.8)
    qtbot.waitUntil(lambda: standin.cancellations == 1, timeout=PATIENCE)
    standin.go.set()
    wait_for_takes(qtbot, window, 2)
    strengths = window.studio.state.takes[1].take.settings.strengths
    assert abs(strengths["sad"] - 0.8) < 0.03


def test_going_back_to_zero_stops_the_steered_render(qtbot: QtBot, window: MainWindow, standin: StandIn) -> None:
    choose_target(window, "sad")
    wait_for_takes(qtbot, window, 1)
    standin.go.clear()
    drag_slider(window, "sad", 0.3)
    qtbot.waitUntil(lambda: len(standin.requests) == 2, timeout=PATIENCE)
    press(window.steering.reset_button)
    qtbot.waitUntil(lambda: standin.cancellations == 1, timeout=PATIENCE)
    wait_for_takes(qtbot, window, 1)
    assert window.studio.state.lanes["B"] is None


def test_closing_the_window_stops_a_running_render(qtbot: QtBot, window: MainWindow, standin: StandIn) -> None:
    standin.go.clear()
    choose_target(window, "happy")
    qtbot.waitUntil(standin.started.is_set, timeout=PATIENCE)
    window.close()
    assert standin.cancellations == 1
    assert standin.closed


def test_a_failing_render_is_one_notice_and_the_next_one_runs(
    qtbot: QtBot, window: MainWindow, standin: StandIn
) -> None:
    standin.fails_with = StudioError("The graphics card is out of memory; close other programs.")
    choose_target(window, "angry")
    qtbot.waitUntil(window.notices.isVisible, timeout=PATIENCE)
    assert window.notices.text.text() == "The graphics card is out of memory; close other programs."
    assert not window.notices.details_button.isVisible()
    assert window.studio.state.lanes["A"] is None
    standin.fails_with = RuntimeError("boom")
    key(window, Qt.Key.Key_R)
    qtbot.waitUntil(lambda: len(window.notices.waiting) == 2, timeout=PATIENCE)
    press(window.notices.close_button)
    assert window.notices.text.text() == "Something went wrong that should not have (RuntimeError: boom)."
    press(window.notices.details_button)
    assert "Traceback" in window.notices.details.toPlainText()
    assert window.notices.details.isVisible()
    standin.fails_with = None
    key(window, Qt.Key.Key_R)
    wait_for_takes(qtbot, window, 1)
