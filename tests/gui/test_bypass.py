"""Bypass: the baseline at once, from the takes, at the same position; then back to what was heard."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from studio.gui.main_window import MainWindow
from tests.gui.driving import PATIENCE, choose_target, drag_slider, key, press, wait_for_takes
from tests.gui.standin import StandIn


@pytest.fixture
def steered(qtbot: QtBot, window: MainWindow) -> MainWindow:
    """A window with a baseline in A and a steered take, which is heard, in B."""
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    drag_slider(window, "angry", 0.6)
    wait_for_takes(qtbot, window, 2)
    window.studio.playback.listen("B")
    return window


def test_the_baseline_is_heard_at_once_without_a_render(steered: MainWindow, standin: StandIn) -> None:
    playback, asked = steered.studio.playback, len(standin.requests)
    playback.seek(1.0)
    press(steered.steering.bypass)
    assert (playback.heard, playback.player.position) == ("A", 1.0)
    key(steered, Qt.Key.Key_Y)
    assert (playback.heard, playback.player.position) == ("B", 1.0)
    assert not steered.steering.bypass.isChecked()
    assert len(standin.requests) == asked
    assert len(steered.studio.state.takes) == 2


def test_steering_waits_until_it_is_let_in_again(qtbot: QtBot, steered: MainWindow, standin: StandIn) -> None:
    key(steered, Qt.Key.Key_Y)
    asked = len(standin.requests)
    drag_slider(steered, "angry", 0.9)
    qtbot.waitUntil(lambda: not steered.studio.renders.pending, timeout=PATIENCE)
    assert not steered.studio.renders.active
    assert len(standin.requests) == asked
    key(steered, Qt.Key.Key_Y)
    wait_for_takes(qtbot, steered, 3)
    assert steered.studio.state.takes[-1].take.settings.strengths["angry"] == pytest.approx(0.9, abs=0.03)


def test_lanes_come_back_as_they_were(qtbot: QtBot, steered: MainWindow) -> None:
    studio, state = steered.studio, steered.studio.state
    studio.renders.assign(2, "A")
    state.set_locked("A", True)
    studio.renders.assign(2, "B")
    key(steered, Qt.Key.Key_Y)
    held = state.lanes["B"]
    assert held is not None
    assert held.shown is state.takes[0]
    assert studio.playback.heard == "B"
    key(steered, Qt.Key.Key_Y)
    held = state.lanes["B"]
    assert held is not None
    assert held.shown is state.takes[1]


def test_a_baseline_that_was_never_rendered_is_rendered(qtbot: QtBot, steered: MainWindow, standin: StandIn) -> None:
    steered.studio.state.remove_takes(steered.studio.state.takes[:1])
    key(steered, Qt.Key.Key_Y)
    wait_for_takes(qtbot, steered, 2)
    assert standin.requests[-1].steering is None
    assert steered.studio.state.takes[-1].take.settings.is_baseline


def test_without_a_target_there_is_nothing_to_bypass(window: MainWindow) -> None:
    press(window.steering.bypass)
    assert not window.steering.bypass.isChecked()
    assert window.notices.waiting[0].text == "Choose a target emotion first."
