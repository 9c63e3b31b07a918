"""Source clips: opening several, switching between them, recent files, the model's reading, and trimming."""

from __future__ import annotations

import gc
from functools import partial
from pathlib import Path
from weakref import ref

import numpy as np
import pytest
import soundfile
from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QMenu
from pytestqt.qtbot import QtBot

from studio.audio.peaks import PeakPyramid
from studio.gui import sources
from studio.gui.main_window import MainWindow
from studio.gui.recent import MOST, RecentFiles
from studio.gui.shown import Source
from tests.audio.test_transcode import m4a
from tests.gui.driving import PATIENCE, choose_target, drag, drag_slider, drop, key, press, wait_for_takes
from tests.gui.standin import StandIn

RATE = 8_000
TEXT = "the old house is ready and you know it"
CTRL = Qt.KeyboardModifier.ControlModifier


def recording(path: Path, seconds: float = 1.0, hertz: float = 220.0) -> Path:
    samples = 0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    soundfile.write(path, samples.astype(np.float32), RATE)
    return path


def names(window: MainWindow) -> list[str]:
    rows = window.library.sources
    return [rows.item(row).text() for row in range(rows.count())]


def current(window: MainWindow) -> Source:
    source = window.studio.state.source
    assert source is not None
    return source


def region_is(window: MainWindow, region: tuple[float, float]) -> bool:
    return current(window).region == pytest.approx(region)


def open_and_wait(qtbot: QtBot, window: MainWindow, *paths: Path) -> None:
    count = len(window.studio.state.sources) + len(paths)
    drop(window, *paths)
    qtbot.waitUntil(lambda: len(window.studio.state.sources) == count, timeout=PATIENCE)


def long_recording(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    """A minute, of which the stand-in takes 20 s."""
    open_and_wait(qtbot, window, recording(tmp_path / "long.wav", 60.0))


# The list


def test_several_files_open_at_once_and_what_is_none_is_said(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    good = [recording(tmp_path / f"{name}.{kind}") for name, kind in (("a", "wav"), ("b", "flac"), ("c", "ogg"))]
    bad = tmp_path / "notes.wav"
    bad.write_text("no sound")
    demo = names(window)[0]
    drop(window, good[0], bad, *good[1:])
    assert window.library.about.text() == "Opening 4 files…"
    qtbot.waitUntil(lambda: not window.studio.sources.opening, timeout=PATIENCE)
    assert names(window) == [demo, "a.wav", "b.flac", "c.ogg"]
    assert current(window).name == "a.wav"
    assert window.library.sources.currentRow() == 1
    assert window.library.about.text() == "recording, 1.00 s, 8 kHz"
    assert window.library.minimumSizeHint().width() <= 248, "nothing is cut off at the panel's width"
    assert [("notes.wav" in notice.text) for notice in window.notices.waiting] == [True]


def test_m4a_is_dropped_among_others(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    m4a(tmp_path / "memo.m4a")
    open_and_wait(qtbot, window, recording(tmp_path / "a.wav"), tmp_path / "memo.m4a")
    assert names(window)[1:] == ["a.wav", "memo.m4a"]
    assert not window.notices.isVisible()


def test_open_asks_for_several_and_one_that_is_open_is_not_listed_twice(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [str(recording(tmp_path / f"{name}.wav", hertz=hertz)) for name, hertz in (("a", 200.0), ("b", 300.0))]
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_args: (paths, ""))
    for _ in range(2):
        key(window, Qt.Key.Key_O, CTRL)
        qtbot.waitUntil(lambda: len(names(window)) == 3 and not window.studio.sources.opening, timeout=PATIENCE)
    assert names(window)[1:] == ["a.wav", "b.wav"]
    assert current(window).name == "a.wav"


def test_only_the_same_sound_under_the_same_name_is_the_same_recording(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    for folder, name, hertz in (("one", "a.wav", 200.0), ("two", "a.wav", 200.0), ("three", "a.wav", 201.0)):
        (tmp_path / folder).mkdir()
        recording(tmp_path / folder / name, hertz=hertz)
    recording(tmp_path / "b.wav", hertz=200.0)
    drop(window, *(tmp_path / folder / "a.wav" for folder in ("one", "two", "three")), tmp_path / "b.wav")
    qtbot.waitUntil(lambda: not window.studio.sources.opening, timeout=PATIENCE)
    assert names(window)[1:] == ["a.wav", "a.wav", "b.wav"]
    opened = window.studio.state.sources[1:]
    assert [source.path for source in opened] == [tmp_path / each for each in ("one/a.wav", "three/a.wav", "b.wav")]
    assert [source.fingerprint for source in opened] == [source.drawing.clip.fingerprint() for source in opened]


def test_the_list_switches_by_mouse_and_key_and_brings_what_was_said_of_each(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    open_and_wait(qtbot, window, recording(tmp_path / "a.wav"))
    assert window.steering.content.value == "lock"
    window.studio.state.set_reference("my own words")
    rows = window.library.sources
    press(rows.viewport(), rows.visualItemRect(rows.item(0)).center())
    assert current(window).demo
    assert window.steering.content.value == "free"
    assert window.library.reference.toPlainText() == TEXT
    QTest.keyClick(rows, Qt.Key.Key_Down)
    assert current(window).name == "a.wav"
    assert window.library.reference.toPlainText() == "my own words"
    QTest.keyClick(rows, Qt.Key.Key_Delete)
    assert len(names(window)) == 1
    assert current(window).demo
    QTest.keyClick(rows, Qt.Key.Key_Delete)
    assert window.studio.state.source is None
    assert names(window) == ["Nothing is open"]
    assert not rows.isEnabled()
    assert rows.toolTip()


def test_takes_remember_their_source(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    open_and_wait(qtbot, window, recording(tmp_path / "a.wav"))
    wait_for_takes(qtbot, window, 2)
    window.library.takes.select(1)
    press(window.library.takes_panel.to_b)
    assert current(window).demo
    lane = window.studio.state.lanes["B"]
    assert lane is not None
    assert lane.shown is window.studio.state.takes[0]
    assert window.studio.state.takes[1].take.source_name == "a"


# Long recordings


def test_a_recording_is_shown_while_it_is_read(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "SHOW_SECONDS", 0.0)
    lane, state, seen = window.lanes.lanes["source"], window.studio.state, []

    def look() -> None:
        if state.arriving is not None:
            shown = (lane.title.toolTip() or lane.title.text(), lane.length.text(), lane.listen.toolTip())
            seen.append((*shown, window.studio.axis.length, state.arriving.drawing.seconds))

    state.arriving_changed.connect(look)
    open_and_wait(qtbot, window, recording(tmp_path / "long.wav", 60.0))
    first, last = seen[0], seen[-1]
    assert first[0] == "long.wav"
    assert first[1] == "0:08.19 of 1:00.00 read"
    assert first[2] == "long.wav is still being read"
    assert {length for *_, length, _ in seen} == {60.0}
    assert last[-1] == 60.0
    assert state.arriving is None
    assert lane.listen.isEnabled()
    assert lane.length.text() == "1:00.00"
    whole = current(window).drawing
    low, high = PeakPyramid(whole.clip.samples).slice(0, len(whole.clip.samples), 100)
    assert all(map(np.array_equal, whole.peaks.slice(0, len(whole.clip.samples), 100), (low, high)))


def test_what_was_read_of_a_damaged_recording_goes_again(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "SHOW_SECONDS", 0.0)
    samples = np.zeros(30 * RATE, np.float32)
    samples[-1] = np.nan
    soundfile.write(tmp_path / "bad.wav", samples, RATE, subtype="FLOAT")
    before, arrived = current(window), []
    window.studio.state.arriving_changed.connect(lambda: arrived.append(window.studio.state.arriving))
    drop(window, tmp_path / "bad.wav")
    qtbot.waitUntil(window.notices.isVisible, timeout=PATIENCE)
    assert len(arrived) > 1
    assert arrived[-1] is None
    assert current(window) is before
    assert window.lanes.lanes["source"].title.text() == before.name
    assert window.studio.axis.length == pytest.approx(before.drawing.seconds)


def test_a_recording_that_was_closed_leaves_memory(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    open_and_wait(qtbot, window, recording(tmp_path / "long.wav", 60.0))
    held = ref(current(window).drawing.clip)
    window.studio.sources.close(current(window))

    def gone() -> bool:
        gc.collect()
        return held() is None

    qtbot.waitUntil(gone, timeout=PATIENCE)


# Recent files


def test_recent_files_are_remembered_and_forgotten_when_they_are_gone(
    qtbot: QtBot, window: MainWindow, settings: QSettings, tmp_path: Path
) -> None:
    first, second = recording(tmp_path / "a & b.wav"), recording(tmp_path / "c.wav", 1.5)
    open_and_wait(qtbot, window, first, second)
    menu = window.recent.menu
    assert [action.text() for action in menu.actions()[:2]] == ["c.wav", "a && b.wav"]
    assert menu.actions()[0].toolTip() == str(second)
    menu.actions()[1].trigger()
    qtbot.waitUntil(lambda: not window.studio.sources.opening, timeout=PATIENCE)
    assert window.recent.paths == [first, second]
    again = RecentFiles(QMenu(window), settings, window.studio.sources.open_file)
    assert again.paths == [first, second]
    first.unlink()
    menu.actions()[0].trigger()
    qtbot.waitUntil(window.notices.isVisible, timeout=PATIENCE)
    assert "does not exist" in window.notices.text.text()
    assert window.recent.paths == [second]
    menu.actions()[-1].trigger()
    assert window.recent.paths == []
    assert not menu.actions()[0].isEnabled()


def test_only_the_newest_files_are_kept(window: MainWindow, settings: QSettings) -> None:
    recent = RecentFiles(QMenu(window), settings, window.studio.sources.open_file)
    for number in range(MOST + 3):
        recent.add(Path(f"/somewhere/{number}.wav"))
    assert len(recent.paths) == MOST
    assert recent.paths[0].name == f"{MOST + 2}.wav"


# The model's reading


def test_an_empty_transcript_is_filled_by_the_first_baseline_and_marked(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    open_and_wait(qtbot, window, recording(tmp_path / "a.wav"))
    press(window.steering.content.button("free"))
    assert not window.library.read.isVisible()
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    assert (current(window).reference, current(window).read) == (TEXT, True)
    assert window.library.reference.toPlainText() == TEXT
    assert window.library.read.isVisible()
    assert window.studio.state.takes[0].take.wer is None, "what it read is no proof of itself"
    drag_slider(window, "angry", 1.0)
    wait_for_takes(qtbot, window, 2)
    assert window.studio.state.takes[1].take.wer == pytest.approx(1 / 9)
    edit = window.library.reference
    edit.setFocus()
    edit.selectAll()
    QTest.keyClicks(edit, "what I said")
    QTest.keyClick(edit, Qt.Key.Key_Return)
    assert (current(window).reference, current(window).read) == ("what I said", False)
    assert not window.library.read.isVisible()


def test_a_corrected_transcript_is_what_takes_are_counted_against_and_is_undone(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    open_and_wait(qtbot, window, recording(tmp_path / "a.wav"))
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    lane, edit, state = window.lanes.lanes["A"], window.library.reference, window.studio.state
    assert window.steering.content.value == "lock"
    assert TEXT in lane.words.text(), "under content lock a take says what was read in its recording"
    press(window.steering.content.button("free"))
    wait_for_takes(qtbot, window, 2)
    assert state.takes[1].take.wer == 0.0
    edit.setFocus()
    edit.selectAll()
    QTest.keyClicks(edit, "the old mouse is ready and you know it")
    QTest.keyClick(edit, Qt.Key.Key_Return)
    wait_for_takes(qtbot, window, 3)
    assert state.takes[2].take.wer == pytest.approx(1 / 9)
    assert lane.wer.text().replace("\N{NO-BREAK SPACE}", " ") == "WER 11 %"
    assert not window.library.read.isVisible()
    key(window, Qt.Key.Key_Z, CTRL)
    wait_for_takes(qtbot, window, 3)
    assert (current(window).reference, current(window).read) == (TEXT, True)
    assert window.library.read.isVisible(), "it is again what the model read"
    content = state.lanes["A"]
    assert content is not None
    assert content.shown is state.takes[1]


def test_a_steered_take_asked_for_at_once_is_counted_against_the_reading(
    qtbot: QtBot, window: MainWindow, standin: StandIn, tmp_path: Path
) -> None:
    open_and_wait(qtbot, window, recording(tmp_path / "a.wav"))
    press(window.steering.content.button("free"))
    drag_slider(window, "angry", 1.0)
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 2)
    assert [request.steering is None for request in standin.requests] == [True, False]
    assert [shown.take.wer for shown in window.studio.state.takes] == [None, pytest.approx(1 / 9)]


# Trimming


def test_a_press_in_the_strip_chooses_a_region_and_only_that_is_rendered(
    qtbot: QtBot, window: MainWindow, standin: StandIn, tmp_path: Path
) -> None:
    assert not window.lanes.trim.isVisible()
    long_recording(qtbot, window, tmp_path)
    trim = window.lanes.trim
    assert trim.isVisible(), "there is reason to trim"
    assert trim.text.text() == "0:00.00 – 1:00.00, 60.00 s of at most 20 s"
    assert trim.text.property("role") == "warning"
    choose_target(window, "angry")
    assert "trim it to a region" in window.steering.render_button.toolTip()
    press(trim.strip, QPoint(round(trim.strip.x_of(15.0)), 16))
    wait_for_takes(qtbot, window, 1)
    source = current(window)
    assert source.region == pytest.approx((15.0, 35.0), abs=0.2)
    assert source.drawing.seconds == pytest.approx(20.0, abs=0.01)
    assert window.studio.axis.length == pytest.approx(20.0, abs=0.01)
    assert [request.source.seconds for request in standin.requests] == [pytest.approx(20.0, abs=0.01)]
    assert window.studio.state.takes[0].take.source_name.startswith("long 1")
    assert "of 1:00.00" in window.lanes.lanes["source"].length.text()
    assert trim.text.text().endswith("20.00 s of at most 20 s")
    assert trim.text.property("role") == "small"
    start = round(source.region[0] * RATE) if source.region is not None else 0
    np.testing.assert_array_equal(
        source.drawing.clip.samples, source.recording.clip.samples[start : start + len(source.drawing.clip.samples)]
    )
    press(trim.whole)
    qtbot.waitUntil(lambda: current(window).region is None, timeout=PATIENCE)
    assert window.studio.axis.length == pytest.approx(60.0)


def test_handles_drag_and_move_by_key(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    long_recording(qtbot, window, tmp_path)
    strip = window.lanes.trim.strip
    left, right = strip.x_of(30.0), strip.x_of(45.0)
    for handle, x in ((strip.first, left), (strip.last, right)):
        middle = handle.rect().center()
        drag(handle, middle, handle.mapFromParent(QPoint(round(x), middle.y())))
    qtbot.waitUntil(lambda: current(window).region == pytest.approx((30.0, 45.0), abs=0.2), timeout=PATIENCE)
    before = current(window).region
    assert before is not None
    strip.first.setFocus(Qt.FocusReason.TabFocusReason)
    for modifier in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier, CTRL):
        QTest.keyClick(strip.first, Qt.Key.Key_Right, modifier)
    wanted = pytest.approx((before[0] + 1.11, before[1]))
    assert strip.region == wanted
    assert strip.first.accessibleDescription().startswith("0:31.")
    qtbot.waitUntil(lambda: current(window).region == wanted, timeout=PATIENCE)
    strip.last.setFocus(Qt.FocusReason.TabFocusReason)
    QTest.keyClick(strip.last, Qt.Key.Key_Home)
    assert strip.region == pytest.approx((before[0] + 1.11, before[0] + 1.31)), "never shorter than can be heard"
    QTest.keyClick(strip.last, Qt.Key.Key_End)
    strip.first.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.waitUntil(lambda: current(window).region == pytest.approx((before[0] + 1.11, 60.0)), timeout=PATIENCE)
    drag(strip, QPoint(round(strip.x_of(40.0)), 16), QPoint(round(strip.x_of(10.0)), 16))
    qtbot.waitUntil(lambda: (current(window).region or (0, 60))[1] < 40, timeout=PATIENCE)


def test_the_loop_can_be_taken_as_region_and_the_list_keeps_it(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    long_recording(qtbot, window, tmp_path)
    trim = window.lanes.trim
    assert not trim.marked.isEnabled()
    for loop, region in (((10.0, 30.0), (10.0, 30.0)), ((5.0, 12.5), (15.0, 22.5))):
        window.studio.axis.set_loop(loop)
        assert trim.marked.isEnabled()
        key(window, Qt.Key.Key_T, CTRL)
        qtbot.waitUntil(partial(region_is, window, region), timeout=PATIENCE)
    assert window.studio.axis.loop is None
    rows = window.library.sources
    QTest.keyClick(rows, Qt.Key.Key_Up)
    assert current(window).demo
    assert not trim.isVisible()
    key(window, Qt.Key.Key_T)
    assert trim.isVisible(), "a short recording can be trimmed too"
    key(window, Qt.Key.Key_T)
    QTest.keyClick(rows, Qt.Key.Key_Down)
    assert current(window).region == pytest.approx((15.0, 22.5))
    assert trim.isVisible()
    assert window.library.about.text() == "recording, 7.50 s of 1:00.00, 8 kHz"
