"""The story of the first minute, by mouse and key: choose, hear, steer, compare, keep, export."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.gui.audition.takerow import TakeDelegate
from studio.gui.main_window import MainWindow
from tests.gui.driving import PATIENCE, choose_target, drag_slider, key, press, wait_for_takes
from tests.gui.standin import StandIn


def held(window: MainWindow, lane: str) -> int | None:
    """The number of the take in a lane."""
    content = window.studio.state.lanes[lane]
    return content.shown.number if content is not None and content.shown is not None else None


def source_name(window: MainWindow) -> str:
    source = window.studio.state.source
    return source.name if source is not None else ""


def test_a_demo_line_is_open_and_the_lanes_say_what_to_do(window: MainWindow) -> None:
    source = window.studio.state.source
    assert source is not None
    assert source.demo
    assert source.reference == "the old house is ready and you know it"
    assert source.drawing.pitch is not None
    assert window.steering.content.value == "free"
    assert not window.steering.render_button.isEnabled()
    assert "target emotion" in window.steering.render_button.toolTip()
    assert window.studio.state.takes == []


def test_choosing_a_target_renders_its_baseline_into_a(qtbot: QtBot, window: MainWindow, standin: StandIn) -> None:
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    assert (held(window, "A"), held(window, "B")) == (1, None)
    assert standin.requests[0].steering is None
    take = window.studio.state.takes[0].take
    assert take.settings.is_baseline
    assert take.judge == "stand-in judge"
    assert take.wer == 0.0


def test_a_slider_renders_once_it_rests_and_lands_in_b(qtbot: QtBot, window: MainWindow, standin: StandIn) -> None:
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    drag_slider(window, "angry", 1.0)
    wait_for_takes(qtbot, window, 2)
    assert (held(window, "A"), held(window, "B")) == (1, 2)
    assert len(standin.requests) == 2, "the positions passed on the way are not rendered"
    steering = standin.requests[1].steering
    assert steering is not None
    assert steering.strengths["angry"] == pytest.approx(1.0, abs=0.02)
    lane = window.lanes.lanes["B"]
    assert "really" in lane.words.text()
    assert lane.words.toolTip() == "“really” instead of “ready”"
    assert lane.wer.text() == "WER 11\u00a0%"


def test_a_take_made_before_is_shown_again_not_made_again(qtbot: QtBot, window: MainWindow, standin: StandIn) -> None:
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    drag_slider(window, "angry", 0.4)
    wait_for_takes(qtbot, window, 2)
    slider = window.steering.rows["angry"].slider
    first = slider.strength
    drag_slider(window, "angry", 0.8)
    wait_for_takes(qtbot, window, 3)
    slider.show_strength(first)
    qtbot.waitUntil(lambda: held(window, "B") == 2, timeout=PATIENCE)
    assert len(standin.requests) == 3


def test_typing_and_double_clicking_set_strengths(window: MainWindow) -> None:
    row = window.steering.rows["sad"]
    row.value.setFocus()
    row.value.selectAll()
    QTest.keyClicks(row.value, "0.75")
    QTest.keyClick(row.value, Qt.Key.Key_Return)
    assert window.studio.state.steer.strengths["sad"] == 0.75
    assert row.slider.strength == 0.75
    QTest.mouseDClick(row.slider, Qt.MouseButton.LeftButton)
    assert window.studio.state.steer.strengths["sad"] == 0.0
    assert row.value.value() == 0.0


def test_modes_bring_their_ranges(window: MainWindow) -> None:
    drag_slider(window, "angry", 1.0)
    row = window.steering.rows["angry"]
    for mode, maximum, expected in (("add", 1.0, 0.3), ("clamp", 0.5, 0.1)):
        press(window.steering.modes.button(mode))
        assert row.value.maximum() == maximum
        assert row.value.value() == pytest.approx(expected, abs=0.02)
    press(window.steering.modes.button("deactivate"))
    assert row.switch.isChecked()
    assert not row.slider.isVisible()
    press(row.switch)
    assert window.studio.state.steer.is_baseline


def test_locked_lanes_keep_their_take(qtbot: QtBot, window: MainWindow) -> None:
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    drag_slider(window, "angry", 0.5)
    wait_for_takes(qtbot, window, 2)
    press(window.lanes.lanes["B"].lock)
    drag_slider(window, "angry", 1.2)
    wait_for_takes(qtbot, window, 3)
    assert (held(window, "A"), held(window, "B")) == (3, 2)
    press(window.lanes.lanes["A"].lock)
    drag_slider(window, "angry", 0.2)
    key(window, Qt.Key.Key_R)
    qtbot.waitUntil(window.notices.isVisible, timeout=PATIENCE)
    assert "Both lanes are kept" in window.notices.text.text()
    assert (held(window, "A"), held(window, "B")) == (3, 2)


def test_takes_go_to_lanes_by_key_button_and_click(qtbot: QtBot, window: MainWindow) -> None:
    choose_target(window, "happy")
    wait_for_takes(qtbot, window, 1)
    choose_target(window, "sad")
    wait_for_takes(qtbot, window, 2)
    assert held(window, "A") == 2
    press(window.lanes.lanes["source"].listen)
    key(window, Qt.Key.Key_1)
    assert (held(window, "B"), window.studio.playback.heard) == (1, "B"), "from the source, B is filled"
    key(window, Qt.Key.Key_A)
    key(window, Qt.Key.Key_1)
    assert held(window, "A") == 1, "else the lane that is heard"
    takes = window.library.takes
    takes.select(2)
    press(window.library.takes_panel.to_a)
    assert held(window, "A") == 2
    row = takes.visualRect(takes.model().index(1, 0))
    delegate = takes.itemDelegate()
    assert isinstance(delegate, TakeDelegate)
    box = delegate.lane_box(row, "B")
    press(takes.viewport(), box.center())
    assert held(window, "B") == 2
    key(window, Qt.Key.Key_9)
    assert held(window, "B") == 2, "a number no take has does nothing"


def test_listening_and_swapping_by_key(qtbot: QtBot, window: MainWindow) -> None:
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    drag_slider(window, "angry", 0.5)
    wait_for_takes(qtbot, window, 2)
    playback = window.studio.playback
    press(window.lanes.lanes["source"].listen)
    assert (playback.heard, playback.player.source) == ("source", "source")
    playback.seek(0.7)
    for pressed, heard in ((Qt.Key.Key_X, "B"), (Qt.Key.Key_X, "A"), (Qt.Key.Key_S, "source"), (Qt.Key.Key_B, "B")):
        key(window, pressed)
        assert (playback.heard, playback.player.source) == (heard, heard)
        assert window.lanes.lanes[heard].listen.isChecked()
        assert window.transport.heard.value == heard
    assert playback.player.position == pytest.approx(0.7, abs=1e-3), "the position stays"


def test_clicks_seek_and_drags_loop(window: MainWindow) -> None:
    canvas = window.lanes.lanes["source"].canvas
    axis = window.studio.axis
    press(canvas, QPoint(canvas.width() // 2, 20))
    assert axis.playhead == pytest.approx(axis.length / 2, abs=0.01)
    assert window.studio.playback.heard == "source", "the lane that is clicked is heard"
    none, left = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton
    QTest.mousePress(canvas, left, none, QPoint(canvas.width() // 4, 20))
    QTest.mouseMove(canvas, QPoint(canvas.width() // 3, 20))
    QTest.mouseMove(canvas, QPoint(canvas.width() // 2, 20))
    QTest.mouseRelease(canvas, left, none, QPoint(canvas.width() // 2, 20))
    assert axis.loop == pytest.approx((axis.length / 4, axis.length / 2), abs=0.02)
    assert window.studio.playback.looping
    assert window.transport.loop.isChecked()
    QTest.mouseDClick(canvas, left)
    assert axis.loop is None
    assert not window.transport.loop.isChecked()


def test_the_baseline_follows_the_steered_take_that_is_waited_for(
    qtbot: QtBot, window: MainWindow, standin: StandIn
) -> None:
    drag_slider(window, "sad", 0.5)
    choose_target(window, "sad")
    wait_for_takes(qtbot, window, 2)
    assert (held(window, "A"), held(window, "B")) == (2, 1)
    assert [request.steering is None for request in standin.requests] == [False, True]


def test_without_auto_render_only_r_renders(qtbot: QtBot, window: MainWindow, standin: StandIn) -> None:
    press(window.steering.auto_render, QPoint(8, window.steering.auto_render.height() // 2))
    choose_target(window, "surprise")
    drag_slider(window, "surprise", 0.3)
    assert not window.studio.renders.pending
    assert standin.requests == []
    key(window, Qt.Key.Key_R)
    wait_for_takes(qtbot, window, 2)


def test_level_matching_shows_the_gains(qtbot: QtBot, window: MainWindow) -> None:
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    qtbot.waitUntil(lambda: "A" in window.studio.state.gains, timeout=PATIENCE)
    gains = window.studio.state.gains
    assert gains["A"] - gains["source"] == pytest.approx(4.4, abs=0.5), "the stand-in renders at 0.6 of the level"
    label = window.lanes.lanes["A"].gain
    assert label.text().endswith("dB")
    key(window, Qt.Key.Key_M)
    assert label.text() == ""


def test_a_typed_transcript_is_what_words_are_counted_against(qtbot: QtBot, window: MainWindow) -> None:
    edit = window.library.reference
    edit.setFocus()
    edit.selectAll()
    QTest.keyClicks(edit, "the new house is ready and you know it")
    QTest.keyClick(edit, Qt.Key.Key_Return)
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    assert window.studio.state.takes[0].take.wer == pytest.approx(1 / 9)
    assert "old" in window.lanes.lanes["A"].words.toolTip()


def test_another_demo_line_clears_the_lanes_and_keeps_the_takes(qtbot: QtBot, window: MainWindow) -> None:
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    speakers = window.library.speakers
    assert [menu.title() for menu in speakers] == [f"Speaker 00{number}" for number in range(11, 21)]
    speakers[3].aboutToShow.emit()
    speakers[3].actions()[4].trigger()
    qtbot.waitUntil(lambda: source_name(window).startswith("0014_000005"), timeout=PATIENCE)
    wait_for_takes(qtbot, window, 2)
    assert held(window, "A") == 2
    assert window.studio.state.takes[1].take.source_name == "0014_000005"
