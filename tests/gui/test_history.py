"""Undo and redo by key and menu, whatever was changed and wherever."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.gui import historysteps
from studio.gui.historysteps import panel_values, with_values
from studio.gui.main_window import MainWindow
from studio.gui.shown import ShownTake, Steer
from tests.gui.driving import PATIENCE, choose_target, drag_slider, key, press, wait_for_takes

CONTROL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier


def undo(window: MainWindow) -> None:
    key(window, Qt.Key.Key_Z, CONTROL)


def redo(window: MainWindow) -> None:
    key(window, Qt.Key.Key_Z, CONTROL | SHIFT)


def texts(window: MainWindow) -> list[str]:
    stack = window.studio.history.stack
    return [stack.text(place) for place in range(stack.count())]


def in_lane(window: MainWindow, lane: str) -> ShownTake | None:
    content = window.studio.state.lanes[lane]
    return content.shown if content is not None else None


@pytest.fixture
def two_takes(qtbot: QtBot, window: MainWindow) -> list[ShownTake]:
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    drag_slider(window, "angry", 0.5)
    wait_for_takes(qtbot, window, 2)
    return list(window.studio.state.takes)


def test_opening_the_window_is_nothing_to_undo(window: MainWindow) -> None:
    assert texts(window) == []
    assert not window.actions_.named["Undo"].isEnabled()


def test_steering_is_undone_and_redone_step_by_step(window: MainWindow) -> None:
    state = window.studio.state
    press(window.steering.auto_render, window.steering.auto_render.rect().center())
    state.set_options(auto_render=False)
    choose_target(window, "angry")
    press(window.steering.modes.button("add"))
    row = window.steering.rows["sad"]
    row.value.setFocus()
    row.value.selectAll()
    QTest.keyClicks(row.value, "0.25")
    QTest.keyClick(row.value, Qt.Key.Key_Return)
    press(window.steering.content.button("lock"))
    press(window.steering.scope.button("generated"))
    assert texts(window) == ["target angry", "mode add", "sad 0.25", "content", "tokens"]
    assert window.actions_.named["Undo"].text() == "Undo tokens"
    changed = state.steer
    for _ in range(5):
        undo(window)
    assert state.steer == Steer(content="free")
    assert window.steering.targets.value is None
    assert row.value.value() == 0.0
    for _ in range(5):
        redo(window)
    assert state.steer == changed
    assert window.steering.content.value == "lock"


def test_a_dragged_slider_is_one_step(window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(historysteps, "MERGE_SECONDS", 60.0)
    drag_slider(window, "angry", 0.4)
    drag_slider(window, "angry", 0.8)
    assert len(texts(window)) == 1
    drag_slider(window, "happy", 0.3)
    assert len(texts(window)) == 2
    undo(window)
    undo(window)
    assert window.studio.state.steer.is_baseline


def test_later_moves_of_a_slider_are_steps_of_their_own(window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(historysteps, "MERGE_SECONDS", -1.0)
    slider = window.steering.rows["angry"].slider
    for value in (0.4, 0.8, 0.4):
        window.steering.rows["angry"].value.setValue(value)
    assert len(texts(window)) == 3
    undo(window)
    assert slider.strength == pytest.approx(0.8)


def test_undo_in_a_number_field_undoes_the_number(window: MainWindow) -> None:
    row = window.steering.rows["sad"]
    row.value.setFocus()
    row.value.selectAll()
    QTest.keyClicks(row.value, "0.75")
    QTest.keyClick(row.value, Qt.Key.Key_Return)
    QTest.keyClick(row.value, Qt.Key.Key_Z, CONTROL)
    assert window.studio.state.steer.strengths.get("sad", 0.0) == 0.0
    assert row.value.value() == 0.0


def test_another_mask_is_undone_with_what_it_took_away(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    state = window.studio.state
    first = state.mask
    assert first is not None
    window.studio.keeper.open_mask(window.studio.keeper.masks[1])
    qtbot.waitUntil(lambda: state.mask is not first, timeout=PATIENCE)
    assert texts(window) == ["mask Random-5"]
    undo(window)
    assert state.mask is first
    assert window.top.mask_box.currentText() == "CAS-5"
    redo(window)
    assert state.mask is not first


def test_undoing_a_change_shows_the_take_from_before(
    qtbot: QtBot, window: MainWindow, two_takes: list[ShownTake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(historysteps, "MERGE_SECONDS", 60.0)
    window.studio.history.clear()
    drag_slider(window, "angry", 1.0)
    wait_for_takes(qtbot, window, 3)
    undo(window)
    qtbot.waitUntil(lambda: in_lane(window, "B") is two_takes[1], timeout=PATIENCE)
    assert len(window.studio.state.takes) == 3, "what was rendered stays"


def test_a_transcript_is_undone(window: MainWindow) -> None:
    edit = window.library.reference
    before = edit.toPlainText()
    edit.setFocus()
    edit.selectAll()
    QTest.keyClicks(edit, "other words")
    QTest.keyClick(edit, Qt.Key.Key_Return)
    assert texts(window) == ["transcript"]
    undo(window)
    assert edit.toPlainText() == before
    redo(window)
    assert edit.toPlainText() == "other words"


def test_a_deleted_take_comes_back_with_everything(
    qtbot: QtBot, window: MainWindow, two_takes: list[ShownTake]
) -> None:
    state, takes = window.studio.state, window.library.takes
    state.mark_take(two_takes[0], name="calm", note="keep", stars=5)
    take = two_takes[0].take
    takes.select(1)
    takes.setFocus()
    QTest.keyClick(takes, Qt.Key.Key_Delete)
    assert state.takes == [two_takes[1]]
    assert in_lane(window, "A") is None
    assert window.actions_.named["Undo"].text() == "Undo deleting take 1"
    undo(window)
    assert state.takes == two_takes
    assert state.takes[0].take is take
    assert in_lane(window, "A") is two_takes[0]
    redo(window)
    assert state.takes == [two_takes[1]]
    undo(window)
    drag_slider(window, "angry", 1.2)
    wait_for_takes(qtbot, window, 3)
    assert [shown.number for shown in state.takes] == [1, 2, 3], "numbers are never given twice"


def test_names_notes_and_stars_are_undone(window: MainWindow, two_takes: list[ShownTake]) -> None:
    state = window.studio.state
    count = len(texts(window))
    state.mark_take(two_takes[0], stars=3)
    state.mark_take(two_takes[1], note="louder")
    state.mark_take(two_takes[1], note="louder")
    assert texts(window)[count:] == ["stars of take 1", "note of take 2"]
    undo(window)
    undo(window)
    assert (two_takes[0].take.stars, two_takes[1].take.note) == (0, "")
    redo(window)
    assert two_takes[0].take.stars == 3


def test_taking_a_take_to_a_lane_is_undone(window: MainWindow, two_takes: list[ShownTake]) -> None:
    key(window, Qt.Key.Key_B)
    key(window, Qt.Key.Key_1)
    assert in_lane(window, "B") is two_takes[0]
    undo(window)
    assert in_lane(window, "B") is two_takes[1]


@pytest.fixture
def trimmed(qtbot: QtBot, window: MainWindow, two_takes: list[ShownTake]) -> MainWindow:
    """A demo line with two takes and a curve, then trimmed to its first second."""
    state = window.studio.state
    state.set_options(auto_render=False)
    state.set_steer(replace(state.steer, automation=((0.2, 0.5), (0.9, 1.0))))
    window.studio.axis.set_loop((0.0, 1.0))
    key(window, Qt.Key.Key_T, CONTROL)
    qtbot.waitUntil(lambda: _region(window) == pytest.approx((0.0, 1.0)), timeout=PATIENCE)
    return window


def _curve(window: MainWindow) -> list[tuple[float, float]]:
    """What the panel holds, which is what the lane shows."""
    points = list(window.studio.state.steer.automation or ())
    assert points == list(window.lanes.curve.points)
    return points


def _region(window: MainWindow) -> tuple[float, float] | None:
    source = window.studio.state.source
    return source.region if source is not None else None


def test_a_curve_is_undone_and_redone(window: MainWindow) -> None:
    lane = window.lanes.curve
    for point in ((0.5, 1.0), (1.0, 0.2)):
        QTest.mouseClick(lane, Qt.MouseButton.LeftButton, pos=lane.x_y(point).toPoint())
    drawn = _curve(window)
    assert len(drawn) == 2
    assert set(texts(window)) == {"curve"}
    for _ in texts(window):
        undo(window)
    assert _curve(window) == []
    while window.actions_.named["Redo"].isEnabled():
        redo(window)
    assert _curve(window) == drawn


def test_a_region_is_undone_with_its_curve_and_lanes(trimmed: MainWindow, two_takes: list[ShownTake]) -> None:
    window = trimmed
    region = _region(window)
    assert texts(window)[-1] == "region"
    assert in_lane(window, "A") is None
    assert _curve(window) == []
    undo(window)
    assert _region(window) is None
    assert [in_lane(window, lane) for lane in "AB"] == two_takes
    assert _curve(window) == [(0.2, 0.5), (0.9, 1.0)]
    assert window.studio.axis.length == pytest.approx(two_takes[0].source.seconds, abs=0.5)
    redo(window)
    assert _region(window) == region
    assert _curve(window) == []
    undo(window)
    undo(window)
    assert _curve(window) == [], "the step before is the curve's"


def test_what_was_said_of_a_region_comes_back_with_it(trimmed: MainWindow) -> None:
    window, state = trimmed, trimmed.studio.state
    state.set_reference("the old", read=True)
    undo(window)
    assert window.library.reference.toPlainText() == "the old house is ready and you know it"
    redo(window)
    assert window.library.reference.toPlainText() == "the old"
    assert state.source is not None
    assert state.source.read


def test_a_region_is_undone_in_the_list_while_another_recording_is_open(qtbot: QtBot, trimmed: MainWindow) -> None:
    window, studio = trimmed, trimmed.studio
    line = studio.sources.demo_lines[5]
    studio.sources.open_line(line)
    qtbot.waitUntil(lambda: _open(window).startswith(line.id), timeout=PATIENCE)
    undo(window)
    assert _open(window).startswith(line.id)
    assert [source.region for source in studio.state.sources] == [None, None]
    assert window.library.sources.count() == 2


def test_opening_a_recording_is_no_step_and_old_steps_keep_to_what_they_changed(
    qtbot: QtBot, window: MainWindow
) -> None:
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    count = len(texts(window))
    line = window.studio.sources.demo_lines[5]
    window.studio.sources.open_line(line)
    qtbot.waitUntil(lambda: _open(window).startswith(line.id), timeout=PATIENCE)
    assert len(texts(window)) == count
    undo(window)
    assert window.studio.state.steer.target is None
    assert _open(window).startswith(line.id)


def test_steps_keep_to_the_recording_they_were_made_on(
    qtbot: QtBot, window: MainWindow, two_takes: list[ShownTake]
) -> None:
    state, lane, typed = window.studio.state, window.lanes.curve, "other words"
    state.set_options(auto_render=False)
    window.studio.renders.assign(1, "B")
    QTest.mouseClick(lane, Qt.MouseButton.LeftButton, pos=lane.x_y((0.5, 0.3)).toPoint())
    state.set_reference(typed)
    count, first = len(texts(window)), _open(window)
    line = window.studio.sources.demo_lines[5]
    window.studio.sources.open_line(line)
    qtbot.waitUntil(lambda: _open(window).startswith(line.id), timeout=PATIENCE)
    press(window.steering.render_button)
    wait_for_takes(qtbot, window, 4)
    held = [in_lane(window, each) for each in "AB"]
    assert held == list(state.takes[:1:-1])
    for _ in range(3):
        undo(window)
    assert (in_lane(window, "A"), in_lane(window, "B")) == tuple(held), "lanes of another recording are left alone"
    assert _curve(window) == []
    assert [source.reference == typed for source in state.sources] == [False, False], "it changed in the list"
    redo(window)
    redo(window)
    assert _curve(window) == [], "this curve is not of this recording"
    redo(window)
    assert len(texts(window)) == count
    window.studio.renders.assign(2, "A")
    assert (_open(window), window.library.reference.toPlainText()) == (first, typed), "as it was corrected since"


def test_a_take_of_another_recording_is_undone_with_the_recording_it_opened(
    qtbot: QtBot, window: MainWindow, two_takes: list[ShownTake]
) -> None:
    state, first = window.studio.state, _open(window)
    line = window.studio.sources.demo_lines[5]
    window.studio.sources.open_line(line)
    qtbot.waitUntil(lambda: _open(window).startswith(line.id), timeout=PATIENCE)
    state.set_options(auto_render=False)
    press(window.steering.render_button)
    wait_for_takes(qtbot, window, 4)
    second, held = _open(window), [in_lane(window, each) for each in "AB"]
    assert None not in held
    count = len(texts(window))
    takes, model = window.library.takes, window.library.takes.takes_model
    takes.setCurrentIndex(model.index(model.row_of(two_takes[1])))
    press(window.library.takes_panel.to_a)
    assert (_open(window), in_lane(window, "A"), in_lane(window, "B")) == (first, two_takes[1], None)
    assert texts(window)[count:] == ["take 2 to A"]
    undo(window)
    assert (_open(window), [in_lane(window, each) for each in "AB"]) == (second, held)
    redo(window)
    assert (_open(window), in_lane(window, "A"), in_lane(window, "B")) == (first, two_takes[1], None)
    assert state.takes == [*two_takes, *state.takes[2:]]


def _open(window: MainWindow) -> str:
    source = window.studio.state.source
    return source.name if source is not None else ""


def test_panel_values_go_back_and_forth() -> None:
    steer = Steer(target="sad", strengths={"sad": 0.5, "happy": 0.0}, layers=(1, 2))
    values = panel_values(steer, None)
    assert values["strengths/sad"] == 0.5
    assert "strengths/happy" not in values
    assert with_values(Steer(strengths={"sad": 0.1}), {"strengths/sad": None, "layers": (0, 1)}) == Steer(layers=(0, 1))
