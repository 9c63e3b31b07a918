"""The intensity curve in the window: drawn by mouse and key, heard in the take, shown with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.gui.audition.curve import CurveLane
from studio.gui.loading import Loader
from studio.gui.main_window import MainWindow
from studio.lalm.base import LANGUAGE, SYNTHESIS, CurveUnit
from tests.gui.driving import PATIENCE, choose_target, drag_slider, key, press, wait_for_takes
from tests.gui.standin import INFO, StandIn, loader

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


def lane_of(window: MainWindow) -> CurveLane:
    return window.lanes.curve


def curve_of(window: MainWindow) -> tuple[tuple[float, float], ...] | None:
    return window.studio.state.steer.automation


def set_point(lane: CurveLane, seconds: float, share: float) -> None:
    QTest.mouseClick(lane, LEFT, NONE, lane.x_y((seconds, share)).toPoint())


def test_points_are_set_dragged_and_removed_by_mouse(window: MainWindow) -> None:
    lane, state = lane_of(window), window.studio.state
    set_point(lane, 0.5, 1.0)
    set_point(lane, 1.0, 0.0)
    assert state.steer.automation is not None
    first, second = state.steer.automation
    assert first == pytest.approx((0.5, 1.0), abs=0.02)
    assert second == pytest.approx((1.0, 0.0), abs=0.02)
    start, stop = lane.x_y(second).toPoint(), lane.x_y((0.2, 0.5)).toPoint()
    QTest.mousePress(lane, LEFT, NONE, start)
    QTest.mouseMove(lane, stop)
    QTest.mouseRelease(lane, LEFT, NONE, stop)
    moved = state.steer.automation[1]
    assert first[0] < moved[0] < first[0] + 0.05, "a point stays behind the one before it"
    assert moved[1] == pytest.approx(0.5, abs=0.05)
    QTest.mouseClick(lane, Qt.MouseButton.RightButton, NONE, lane.x_y(moved).toPoint())
    assert curve_of(window) == (first,)
    QTest.mouseDClick(lane, LEFT, NONE, lane.x_y(first).toPoint())
    assert state.steer.automation is None


def test_everything_can_be_done_by_key(window: MainWindow) -> None:
    lane, axis = lane_of(window), window.studio.axis
    lane.setFocus()
    axis.set_playhead(0.4)
    QTest.keyClick(lane, Qt.Key.Key_Insert)
    axis.set_playhead(0.8)
    QTest.keyClick(lane, Qt.Key.Key_Insert)
    assert curve_of(window) == ((0.4, 1.0), (0.8, 1.0))
    for _ in range(4):
        QTest.keyClick(lane, Qt.Key.Key_Down)
    QTest.keyClick(lane, Qt.Key.Key_Right)
    assert curve_of(window) == ((0.4, 1.0), (0.82, 0.8))
    assert "0:00.82" in lane.accessibleDescription()
    QTest.keyClick(lane, Qt.Key.Key_PageUp)
    QTest.keyClick(lane, Qt.Key.Key_Delete)
    assert curve_of(window) == ((0.82, 0.8),)
    QTest.keyClick(lane, Qt.Key.Key_Right)
    assert axis.playhead == pytest.approx(0.8), "without a chosen point arrows move the playhead, which waits for sound"


@pytest.mark.parametrize("way", ["button", "menu", "menu by key", "key"])
def test_the_whole_curve_is_cleared_and_undone_in_one_step(window: MainWindow, way: str) -> None:
    lane, stack = lane_of(window), window.studio.history.stack
    for point in ((0.4, 1.0), (0.8, 0.2), (1.2, 0.6)):
        set_point(lane, *point)
    drawn, steps = curve_of(window), stack.count()
    assert drawn is not None
    assert (len(drawn), steps) == (3, 3), "every point is a step of its own, however fast"
    clear(window, way)
    assert (curve_of(window), lane.points) == (None, ())
    assert "full strength throughout" in lane.accessibleDescription()
    assert stack.undoText() == "clearing the curve"
    key(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert curve_of(window) == drawn == lane.points
    key(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    assert (curve_of(window), lane.points) == (None, ())


def clear(window: MainWindow, way: str) -> None:
    """Clear the curve by one of the ways there are."""
    lane = lane_of(window)
    if way == "button":
        press(lane.clear_button)
    elif way == "key":
        lane.setFocus()
        QTest.keyClick(lane, Qt.Key.Key_Delete, Qt.KeyboardModifier.ShiftModifier)
    else:
        if way == "menu":
            right_click(window, lane, lane.x_y((0.6, 0.9)).toPoint())
        else:
            at = lane.rect().center()
            event = QContextMenuEvent(QContextMenuEvent.Reason.Keyboard, at, lane.mapToGlobal(at))
            QApplication.sendEvent(lane, event)
        assert lane.menu.isVisible()
        press(lane.menu, lane.menu.actionGeometry(lane.clear_action).center())
        assert not lane.menu.isVisible()


def right_click(window: MainWindow, lane: CurveLane, at: QPoint) -> None:
    """As from the screen, so that a context menu may follow."""
    QTest.mouseClick(window.windowHandle(), Qt.MouseButton.RightButton, NONE, lane.mapTo(window, at))


def test_the_key_that_clears_belongs_to_the_lane(window: MainWindow) -> None:
    set_point(lane_of(window), 0.4, 0.5)
    window.library.takes.setFocus()
    QTest.keyClick(window.library.takes, Qt.Key.Key_Delete, Qt.KeyboardModifier.ShiftModifier)
    assert curve_of(window) is not None


def test_the_right_button_on_a_point_removes_it_and_shows_no_menu(window: MainWindow) -> None:
    lane = lane_of(window)
    set_point(lane, 0.4, 1.0)
    set_point(lane, 0.8, 0.2)
    first, second = lane.points
    right_click(window, lane, lane.x_y(second).toPoint())
    assert curve_of(window) == (first,)
    assert not lane.menu.isVisible()


def test_without_a_curve_there_is_nothing_to_clear_and_that_is_said(window: MainWindow) -> None:
    lane = lane_of(window)
    assert (lane.clear_button.text(), lane.clear_button.accessibleName()) == (
        "clear curve",
        "Clear the intensity curve",
    )
    assert lane.clear_button.isVisible()
    assert not lane.clear_button.isEnabled()
    assert not lane.clear_action.isEnabled()
    assert lane.clear_button.toolTip() == lane.clear_action.toolTip() == "No curve is drawn"
    set_point(lane, 0.5, 0.3)
    assert lane.clear_button.toolTip() == "Clear the whole curve (Shift+Del)"
    button, strip = (each.rect().translated(each.mapTo(window, QPoint())) for each in (lane.clear_button, lane))
    assert not button.intersects(strip), "it covers nothing of the lane"
    assert 0 <= strip.top() - button.bottom() < 12
    assert strip.right() - button.right() < 12


def test_a_take_follows_the_curve_and_shows_it(qtbot: QtBot, window: MainWindow, standin: StandIn) -> None:
    lane, state = lane_of(window), window.studio.state
    choose_target(window, "angry")
    drag_slider(window, "angry", 1.0)
    wait_for_takes(qtbot, window, 2)
    set_point(lane, 0.5, 0.0)
    wait_for_takes(qtbot, window, 2)
    assert state.lanes["B"] == state.lanes["A"] or state.steer.is_baseline, "a curve of zeros is the baseline"
    set_point(lane, 1.0, 1.0)
    wait_for_takes(qtbot, window, 3)
    steering = standin.requests[-1].steering
    assert steering is not None
    assert steering.automation is not None
    assert steering.automation.points == state.steer.automation
    take = state.takes[-1]
    assert take.take.settings.automation == steering.automation
    lane_b = window.lanes.lanes["B"]
    assert "curve" in lane_b.title.whole_text()
    state.show_tracks(frozenset())
    with_curve = lane_b.canvas.grab().toImage()
    lane_b.canvas.show_curve(None, 0)
    assert lane_b.canvas.grab().toImage() != with_curve, "the curve it was made with is drawn over the take"
    window.studio.renders.assign(1, "B")
    window.studio.renders.assign(3, "B")
    assert lane_b.canvas.grab().toImage() == with_curve, "and again whenever the take is shown"


def test_a_level_curve_at_full_strength_is_no_curve(window: MainWindow) -> None:
    steer = replace(window.studio.state.steer, target="sad", strengths={"sad": 1.0}, automation=((0.3, 1.0),))
    assert steer.canonical().automation is None
    assert replace(steer, automation=((0.3, 0.0), (0.5, 0.0))).canonical() == steer.baseline()


def test_another_recording_starts_without_the_curve_which_comes_back_with_its_own(
    qtbot: QtBot, window: MainWindow
) -> None:
    lane, state = lane_of(window), window.studio.state
    set_point(lane, 0.5, 0.3)
    drawn = curve_of(window)
    assert drawn is not None
    with_curve = lane.grab().toImage()
    window.studio.sources.open_line(window.studio.sources.demo_lines[5])
    qtbot.waitUntil(lambda: len(state.sources) == 2, timeout=PATIENCE)
    assert curve_of(window) is None
    assert lane.points == ()
    assert lane.grab().toImage() != with_curve
    set_point(lane, 0.7, 0.9)
    other = curve_of(window)
    rows = window.library.sources
    for key_, curve in ((Qt.Key.Key_Up, drawn), (Qt.Key.Key_Down, other), (Qt.Key.Key_Up, drawn)):
        QTest.keyClick(rows, key_)
        assert curve_of(window) == curve == lane.points


def test_points_snap_to_words_where_the_model_keeps_step_with_words(
    open_window: Callable[[Loader], MainWindow], qtbot: QtBot, tmp_path: Path
) -> None:
    window = open_window(loader(StandIn(info=replace(INFO, curves={LANGUAGE: CurveUnit.WORDS})), tmp_path / "masks"))
    state = window.studio.state
    qtbot.waitUntil(lambda: state.source is not None and state.mask is not None, timeout=PATIENCE)
    source = state.source
    assert source is not None
    assert source.reference is not None
    lane, word = lane_of(window), source.drawing.seconds / len(source.reference.split())
    set_point(lane, 2.3 * word, 1.0)
    set_point(lane, 3.6 * word, 0.5)
    assert times_of(window) == pytest.approx([2 * word, 4 * word], abs=0.001)
    QTest.keyClick(lane, Qt.Key.Key_Left)
    assert times_of(window) == pytest.approx([2 * word, 3 * word], abs=0.001)
    QTest.keyClick(lane, Qt.Key.Key_Left)
    assert times_of(window) == pytest.approx([2 * word, 3 * word], abs=0.001), "the word before it has a point"
    state.set_reference(None)
    set_point(lane, 4.5 * word, 0.5)
    assert times_of(window)[-1] == pytest.approx(4.5 * word, abs=0.02), "nothing to snap to"


@pytest.mark.parametrize(
    ("curves", "says"),
    [
        ({}, "Stand-in follows no intensity curve"),
        (
            {SYNTHESIS: CurveUnit.TIME},
            "Stand-in follows no intensity curve in its language module; steer its synthesis",
        ),
    ],
)
def test_where_a_model_follows_no_curve_the_lane_says_so(
    open_window: Callable[[Loader], MainWindow],
    qtbot: QtBot,
    tmp_path: Path,
    curves: dict[str, CurveUnit],
    says: str,
) -> None:
    window = open_window(loader(StandIn(info=replace(INFO, curves=curves)), tmp_path / "masks"))
    state, lane = window.studio.state, lane_of(window)
    qtbot.waitUntil(lambda: state.source is not None and state.mask is not None, timeout=PATIENCE)
    assert not lane.isEnabled()
    assert lane.toolTip() == says
    set_point(lane, 0.5, 1.0)
    assert curve_of(window) is None


def test_with_nothing_open_the_lane_says_so(window: MainWindow) -> None:
    lane, state = lane_of(window), window.studio.state
    assert state.source is not None
    window.studio.sources.close(state.source)
    assert not lane.isEnabled()
    assert lane.toolTip() == "Open a recording first"
    key(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert lane.isEnabled()
    assert lane.toolTip().startswith("Click to set a point")


def times_of(window: MainWindow) -> list[float]:
    return [seconds for seconds, _ in curve_of(window) or ()]
