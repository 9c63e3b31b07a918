"""The takes list by mouse and key: find, sort, rate, name, note, compare, use, delete."""

from __future__ import annotations

import gc
from dataclasses import replace
from weakref import ref

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QFontMetrics
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit
from pytestqt.qtbot import QtBot

from studio.gui import theme
from studio.gui.audition.arrange import ORDERS, Arrangement, arrange
from studio.gui.audition.takedetails import differences_text
from studio.gui.audition.takerow import TakeDelegate
from studio.gui.main_window import MainWindow
from studio.gui.shown import ShownTake
from studio.gui.words import take_flags, take_measures, take_wer
from studio.session.measures import LEAST_SIMILARITY, Measures, with_measures
from studio.session.take import Flag
from tests.gui.driving import PATIENCE, choose_target, drag_slider, key, press, wait_for_takes

ALT = Qt.KeyboardModifier.AltModifier
NONE = Qt.KeyboardModifier.NoModifier
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def takes(qtbot: QtBot, window: MainWindow) -> list[ShownTake]:
    """A baseline and two strengths of angry, and a sad baseline."""
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    drag_slider(window, "angry", 0.5)
    wait_for_takes(qtbot, window, 2)
    drag_slider(window, "angry", 1.0)
    wait_for_takes(qtbot, window, 3)
    press(window.steering.reset_button)
    choose_target(window, "sad")
    wait_for_takes(qtbot, window, 4)
    return list(window.studio.state.takes)


def numbers(window: MainWindow) -> list[int | str]:
    """What the list shows, from top to bottom: numbers of takes, and titles."""
    return [row.shown.number if row.shown else row.text for row in window.library.takes.takes_model.rows]


def click_row(window: MainWindow, shown: ShownTake, modifier: Qt.KeyboardModifier = NONE) -> None:
    view = window.library.takes
    rect = view.visualRect(view.takes_model.index(view.takes_model.row_of(shown)))
    QTest.mouseClick(view.viewport(), LEFT, modifier, QPoint(rect.left() + 30, rect.center().y()))


def test_a_line_says_what_differs_from_the_one_above(window: MainWindow, takes: list[ShownTake]) -> None:
    texts = [row.text for row in window.library.takes.takes_model.rows]
    assert texts[0] == "baseline"
    assert texts[1].startswith("gain 0.")
    assert texts[2].startswith("angry ")
    assert texts[3] == "baseline"


def test_stars_by_click_and_key(window: MainWindow, takes: list[ShownTake]) -> None:
    view = window.library.takes
    rect = view.visualRect(view.takes_model.index(1))
    third = view.delegate.star_box(rect, 3).center()
    press(view.viewport(), third)
    assert takes[1].take.stars == 3
    press(view.viewport(), third)
    assert takes[1].take.stars == 0, "the same star again takes them away"
    QTest.mouseDClick(view.viewport(), LEFT, NONE, third)
    assert all(held is None or held.shown is not takes[1] for held in window.studio.state.lanes.values())
    click_row(window, takes[0])
    key(window, Qt.Key.Key_4, ALT)
    assert takes[0].take.stars == 4
    assert "4 stars" in view.takes_model.index(0).data()
    key(window, Qt.Key.Key_0, ALT)
    assert takes[0].take.stars == 0


def test_a_take_is_renamed_in_its_line(qtbot: QtBot, window: MainWindow, takes: list[ShownTake]) -> None:
    view = window.library.takes
    click_row(window, takes[1])
    QTest.keyClick(view, Qt.Key.Key_F2)
    editor = view.findChild(QLineEdit, "rename")
    assert editor is not None
    QTest.keyClicks(editor, "the  good one")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: takes[1].take.name == "the good one", timeout=PATIENCE)
    assert "the good one" in view.takes_model.index(1).data()
    key(window, Qt.Key.Key_2)
    lane = window.studio.playback.heard
    assert window.lanes.lanes[lane].title.whole_text() == "Take 2  ·  the good one"
    key(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    key(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert takes[1].take.name == ""
    qtbot.waitUntil(lambda: view.findChild(QLineEdit, "rename") is None, timeout=PATIENCE)


def test_a_note_is_typed_kept_and_left(window: MainWindow, takes: list[ShownTake]) -> None:
    note = window.library.takes_panel.details.note
    click_row(window, takes[2])
    key(window, Qt.Key.Key_N)
    assert note.hasFocus()
    QTest.keyClicks(note, "too much, n 1 2")
    QTest.keyClick(note, Qt.Key.Key_Return)
    assert takes[2].take.note == "too much, n 1 2"
    assert window.library.takes.hasFocus()
    key(window, Qt.Key.Key_N)
    QApplication.clipboard().setText("pasted\nin two\tlines")
    QTest.keyClick(note, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(note, Qt.Key.Key_Return)
    assert takes[2].take.note == "pasted in two lines"
    key(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    key(window, Qt.Key.Key_N)
    QTest.keyClicks(note, "scrap")
    QTest.keyClick(note, Qt.Key.Key_Escape)
    assert takes[2].take.note == "too much, n 1 2"
    key(window, Qt.Key.Key_N)
    QTest.keyClicks(note, "kept on leaving")
    click_row(window, takes[0])
    assert takes[2].take.note == "kept on leaving"
    assert note.text() == ""


def test_every_note_is_seen_in_its_line(qtbot: QtBot, window: MainWindow, takes: list[ShownTake]) -> None:
    view, model = window.library.takes, window.library.takes.takes_model

    def rect(row: int) -> QRect:
        return view.visualRect(model.index(row))

    def inked(row: int) -> int:
        """How many pixels of the row's fourth line are not its ground."""
        image = view.viewport().grab(view.delegate.note_box(rect(row))).toImage()
        ground = image.pixelColor(0, 0)
        places = ((x, y) for x in range(image.width()) for y in range(image.height()))
        return sum(image.pixelColor(x, y) != ground for x, y in places)

    plain = rect(0).height()
    click_row(window, takes[3])
    for number, note in ((0, "too flat"), (2, "the one " * 20)):
        window.studio.state.mark_take(takes[number], note=note)
    qtbot.waitUntil(lambda: rect(2).height() > plain, timeout=PATIENCE)
    assert [rect(row).height() for row in range(4)] == [plain + 16, plain, plain + 16, plain]
    assert view.selected_takes == [takes[3]], "it is seen though another take is selected"
    short, long = inked(0), inked(2)
    assert short > 40
    assert long > 3 * short
    assert view.horizontalScrollBar().maximum() == 0, "a long one is elided"
    assert str(model.index(0).data(Qt.ItemDataRole.AccessibleTextRole)).endswith("note: too flat")
    assert "note" not in str(model.index(1).data(Qt.ItemDataRole.AccessibleTextRole))
    help_ = str(model.index(2).data(Qt.ItemDataRole.ToolTipRole))
    assert " ".join(help_.split()).endswith("the one " * 19 + "the one")
    assert max(map(len, help_.splitlines()[-3:])) <= 72
    key(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: rect(2).height() == plain, timeout=PATIENCE)


def test_finding_filtering_sorting_and_grouping(window: MainWindow, takes: list[ShownTake]) -> None:
    bar, state = window.library.takes_panel.bar, window.studio.state
    state.mark_take(takes[2], stars=4, name="Wild")
    QTest.keyClicks(bar.search, "wild")
    assert numbers(window) == [3]
    bar.search.clear()
    assert numbers(window) == [1, 2, 3, 4]
    bar.choices["target=sad"].trigger()
    assert numbers(window) == [4]
    bar.choices["stars=5"].trigger()
    assert numbers(window) == []
    assert "Clear it" in window.library.takes.takes_model.empty_text()
    bar.menu.actions()[-1].trigger()
    assert numbers(window) == [1, 2, 3, 4]
    bar.choices["order=stars"].trigger()
    assert numbers(window) == [3, 1, 2, 4]
    bar.choices["order=length"].trigger()
    seconds = [row.shown.take.audio.seconds for row in window.library.takes.takes_model.rows if row.shown]
    assert seconds == sorted(seconds)
    bar.choices["order=number"].trigger()
    bar.choices["grouped"].trigger()
    assert numbers(window) == ["0011_000001", 1, 2, 3, 4]
    window.library.takes.select(1)
    assert window.library.takes.current_take is takes[0]
    QTest.keyClick(window.library.takes, Qt.Key.Key_Down)
    assert window.library.takes.current_take is takes[1]


def test_every_order_takes_every_take(takes: list[ShownTake]) -> None:
    takes[0].take = with_measures(takes[0].take, Measures(4.0, 0.9))
    takes[3].take = replace(takes[3].take, judged={}, wer=None)
    for order in ORDERS:
        assert {row.shown for row in arrange(takes, Arrangement(order=order))} == set(takes)
    assert arrange(takes, Arrangement(order="naturalness"))[0].shown is takes[0]
    assert arrange(takes, Arrangement(order="judge"))[-1].shown is takes[3]
    flagged = {row.shown for row in arrange(takes, Arrangement(flagged=True))}
    assert flagged == {shown for shown in takes if shown.take.flags}
    assert flagged | {row.shown for row in arrange(takes, Arrangement(flagged=False))} == set(takes)


def test_the_selection_stays_when_the_list_is_sorted_and_goes_to_a_new_take(
    qtbot: QtBot, window: MainWindow, takes: list[ShownTake]
) -> None:
    view = window.library.takes
    click_row(window, takes[1])
    window.library.takes_panel.bar.choices["order=length"].trigger()
    assert view.selected_takes == [takes[1]]
    choose_target(window, "happy")
    wait_for_takes(qtbot, window, 5)
    assert view.current_take is window.studio.state.takes[4]


def test_two_selected_takes_are_told_apart(window: MainWindow, takes: list[ShownTake]) -> None:
    details = window.library.takes_panel.details
    click_row(window, takes[1])
    assert details.note.isVisible()
    assert "WER" in details.facts.text()
    click_row(window, takes[2], Qt.KeyboardModifier.ControlModifier)
    assert details.differences.text().splitlines()[0] == "Take 2 \N{RIGHTWARDS ARROW} take 3"
    assert details.differences.text().splitlines()[1].startswith("angry: ")
    assert not details.note.isVisible()
    assert not details.use.isEnabled()
    click_row(window, takes[3], Qt.KeyboardModifier.ControlModifier)
    assert details.differences.text() == "3 takes are selected."
    assert differences_text(takes[0], takes[0])[0].endswith("the same settings")


def test_settings_are_put_back_with_their_mask(qtbot: QtBot, window: MainWindow, takes: list[ShownTake]) -> None:
    state = window.studio.state
    mask = state.mask
    window.studio.keeper.open_mask(window.studio.keeper.masks[1])
    qtbot.waitUntil(lambda: state.mask is not mask, timeout=PATIENCE)
    click_row(window, takes[1])
    key(window, Qt.Key.Key_U)
    assert state.steer == takes[1].steer
    assert state.mask is mask
    assert window.top.mask_box.currentText() == "CAS-5"
    assert window.steering.rows["angry"].slider.strength == takes[1].steer.strengths["angry"]
    wait_for_takes(qtbot, window, 4)
    key(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert state.mask is not mask, "one step for both"
    assert state.steer.target == "sad"


def test_several_takes_are_deleted_together(window: MainWindow, takes: list[ShownTake]) -> None:
    click_row(window, takes[0])
    click_row(window, takes[2], Qt.KeyboardModifier.ShiftModifier)
    press(window.library.takes_panel.details.delete)
    assert window.studio.state.takes == [takes[3]]
    key(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert window.studio.state.takes == takes


def test_what_is_measured_later_is_shown_and_flagged(window: MainWindow, takes: list[ShownTake]) -> None:
    details = window.library.takes_panel.details
    click_row(window, takes[0])
    assert details.measures.text() == f"naturalness –   voice – (limit {LEAST_SIMILARITY:.2f})"
    assert "Takes of this model are not measured" in details.measures.toolTip()
    other = with_measures(takes[0].take, Measures(3.44, 0.41))
    window.studio.state.complete_take(takes[0], other)
    assert details.measures.text() == f"naturalness 3.4   voice 0.41 (limit {LEAST_SIMILARITY:.2f})"
    assert details.measures.property("role") == "warning"
    assert Flag.VOICE.sentence in details.flags.text()
    window.studio.renders.assign(1, "B")
    window.studio.state.complete_take(takes[0], with_measures(takes[0].take, Measures(3.44, 0.9)))
    assert "other voice" not in window.lanes.lanes["B"].flags.text()
    window.studio.state.complete_take(takes[0], other)
    assert "other voice" in window.lanes.lanes["B"].flags.text(), "in the lane too, though it came later"


def test_rendering_again_gives_the_same_samples(qtbot: QtBot, window: MainWindow, takes: list[ShownTake]) -> None:
    for shown in takes[1:3]:
        click_row(window, shown)
        key(window, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
        expected = f"Take {shown.number} rendered again is the same in all {len(shown.take.audio.samples)} samples."
        qtbot.waitUntil(lambda: not window.studio.rerender.active, timeout=PATIENCE)
        assert expected in [notice.text for notice in window.notices.waiting]
    assert window.studio.state.takes == takes


def test_the_list_is_usable_at_1280_by_800(window: MainWindow, takes: list[ShownTake]) -> None:
    window.resize(1280, 800)
    view = window.library.takes
    click_row(window, takes[1])
    assert view.viewport().height() >= 4 * view.visualRect(view.takes_model.index(0)).height()
    assert view.horizontalScrollBar().maximum() == 0
    delegate, row = view.itemDelegate(), view.visualRect(view.takes_model.index(0))
    assert isinstance(delegate, TakeDelegate)
    measured = with_measures(replace(takes[0].take, heard_wer=1.0, flags=(Flag.DISAGREES,)), Measures(4.44, 0.88))
    written = QFontMetrics(theme.font(theme.SMALL_PX)).horizontalAdvance
    assert written(take_wer(measured)[0].replace("WER 0", "WER 100")) <= delegate.words_box(row).width()
    flagged = f"{take_flags(measured)}  {take_measures(measured)}"
    assert written(flagged) <= delegate.numbers_box(row).width(), "no number is cut off"


def test_takes_that_were_deleted_for_good_leave_memory(qtbot: QtBot, window: MainWindow) -> None:
    studio = window.studio
    studio.state.set_options(auto_render=False)
    choose_target(window, "angry")
    held = []
    for strength in (0.5, 0.6, 0.7):
        drag_slider(window, "angry", strength)
        press(window.steering.render_button)
        wait_for_takes(qtbot, window, 2)
        held.append([ref(shown.take.audio) for shown in studio.state.takes])
        studio.state.remove_takes(list(studio.state.takes))
        qtbot.waitUntil(lambda: not any(worker.busy for worker in studio.workers), timeout=PATIENCE)
        gc.collect()
        assert all(each() is not None for each in held[-1]), "they can still be brought back"
        studio.history.clear()
    gc.collect()
    # What was shown or selected last may be held until something else is.
    assert [sum(each() is not None for each in round_) for round_ in held[:2]] == [0, 0]
