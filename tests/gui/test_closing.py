"""Closing a recording, undone and redone by key: an opened file, a recording, a demo line; in a project and without."""

from __future__ import annotations

import gc
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
import pytest
import soundfile
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.audio.clip import Clip
from studio.gui.audition.record import RecordDialog
from studio.gui.loading import Loader
from studio.gui.main_window import MainWindow
from studio.gui.sources import read_line
from studio.session.recordings import save_recording
from tests.gui.driving import PATIENCE, choose_target, drag_slider, drop, key, press, wait_for_takes
from tests.gui.standin import StandIn
from tests.gui.test_projects import fresh, save_to, settled

RATE = 8_000
CONTROL, SHIFT, ALT = (
    Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.AltModifier,
)  # fmt: skip
KINDS = ["file", "microphone", "demo line"]


def tone(seconds: float, hertz: float = 220.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def open_one(qtbot: QtBot, window: MainWindow, kind: str, folder: Path) -> None:
    """Open a second recording, as each kind is opened."""
    if kind == "file":
        soundfile.write(folder / "a.wav", tone(2.0), RATE)
        drop(window, folder / "a.wav")
    elif kind == "microphone":
        press(window.library.record)
        dialog = window.findChildren(RecordDialog)[-1]
        dialog.recorded.emit(save_recording(Clip(tone(2.0, 180.0), RATE)))
        dialog.reject()
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow, timeout=PATIENCE)
    else:
        window.studio.sources.open_line(window.studio.sources.demo_lines[5])
    qtbot.waitUntil(lambda: len(window.studio.state.sources) == 2, timeout=PATIENCE)
    settled(qtbot, window)


def trim(qtbot: QtBot, window: MainWindow) -> None:
    window.studio.axis.set_loop((0.25, 1.5))
    key(window, Qt.Key.Key_T, CONTROL)
    qtbot.waitUntil(lambda: (facts(window)["region"] or (0,))[0] == pytest.approx(0.25), timeout=PATIENCE)


def close(window: MainWindow) -> None:
    """Delete in the list of sources."""
    window.library.sources.setFocus()
    QTest.keyClick(window.library.sources, Qt.Key.Key_Delete)


def undo(window: MainWindow) -> None:
    key(window, Qt.Key.Key_Z, CONTROL)


def redo(window: MainWindow) -> None:
    key(window, Qt.Key.Key_Z, CONTROL | SHIFT)


def names(window: MainWindow) -> list[str]:
    return [source.name for source in window.studio.state.sources]


def in_lanes(window: MainWindow) -> list[int | None]:
    contents = map(window.studio.state.lanes.get, "AB")
    return [content.shown.number if content is not None and content.shown is not None else None for content in contents]


def facts(window: MainWindow) -> dict[str, Any]:
    """All there is to say of what is open and what was made of it."""
    state = window.studio.state
    source = state.source
    assert source is not None
    return {
        "listed": names(window),
        "row": window.library.sources.currentRow(),
        "region": source.region,
        "transcript": (source.reference, source.read, window.library.reference.toPlainText()),
        "samples": (source.drawing.clip.fingerprint(), source.recording.clip.fingerprint()),
        "called": (source.name, source.drawing.clip.name, source.demo, source.path),
        "lanes": in_lanes(window),
        "locks": set(state.locks),
        "takes": [(shown.number, shown.take.stars, shown.take.note) for shown in state.takes],
        "steer": state.steer,
    }


@pytest.mark.parametrize("kind", KINDS)
def test_closing_is_undone_with_region_transcript_takes_and_lanes(
    qtbot: QtBot, window: MainWindow, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_one(qtbot, window, kind, tmp_path)
    if kind != "demo line":
        trim(qtbot, window)
        window.library.reference.setFocus()
        QTest.keyClicks(window.library.reference, "my own words")
        QTest.keyClick(window.library.reference, Qt.Key.Key_Return)
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    drag_slider(window, "angry", 0.5)
    wait_for_takes(qtbot, window, 2)
    window.library.takes.select(1)
    key(window, Qt.Key.Key_4, ALT)
    # Crosswise, as no render would put them.
    for lane, take in ((Qt.Key.Key_A, Qt.Key.Key_2), (Qt.Key.Key_B, Qt.Key.Key_1)):
        key(window, lane)
        key(window, take)
    press(window.lanes.lanes["B"].lock)
    before, made_of = facts(window), window.studio.state.source
    assert (before["lanes"], before["locks"], before["takes"][0][1]) == ([2, 1], {"B"}, 4)

    key(window, Qt.Key.Key_W, CONTROL)
    assert len(names(window)) == 1
    assert window.actions_.named["Undo"].text() == f"Undo closing {before['called'][0]}"
    assert [shown.take.stars for shown in window.studio.state.takes] == [4, 0], "takes stay"
    for _ in range(2):
        undo(window)
        assert facts(window) == before
        wait_for_takes(qtbot, window, 2)
        assert facts(window) == before, "no render comes by itself to take the lanes"
        redo(window)
        assert len(names(window)) == 1
        assert in_lanes(window) == [None, None]
    undo(window)

    path = save_to(qtbot, window, tmp_path / "mine.esnstudio", monkeypatch)
    close(window)
    window.studio.projects.save()
    settled(qtbot, window)
    assert json.loads((path / "project.json").read_text())["lanes"] == {}
    undo(window)
    assert facts(window) == before
    window.studio.projects.save()
    settled(qtbot, window)
    document = json.loads((path / "project.json").read_text())
    assert document["lanes"] == {"A": 2, "B": 1}
    assert document["source"] == before["samples"][0]
    assert [take["stars"] for take in document["takes"]] == [4, 0]
    now = window.studio.state.source
    assert now is not None
    assert now.is_of(made_of), "it is the recording the takes were made of"


def test_closed_in_the_middle_of_a_render_it_comes_back_and_is_rendered(
    qtbot: QtBot, window: MainWindow, standin: StandIn
) -> None:
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    drag_slider(window, "angry", 0.5)
    wait_for_takes(qtbot, window, 2)
    standin.started.clear()
    standin.go.clear()
    drag_slider(window, "angry", 1.0)
    qtbot.waitUntil(standin.started.is_set, timeout=PATIENCE)
    close(window)
    assert window.studio.state.source is None
    standin.go.set()
    qtbot.waitUntil(lambda: not window.studio.renders.active, timeout=PATIENCE)
    assert len(window.studio.state.takes) == 2, "what was under way is not wanted any more"
    undo(window)
    wait_for_takes(qtbot, window, 3)
    assert in_lanes(window) == [1, 3]


def test_what_was_closed_stays_closed_in_a_project_that_is_opened_again(
    qtbot: QtBot,
    window: MainWindow,
    open_window: Callable[[Loader], MainWindow],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_one(qtbot, window, "file", tmp_path)
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    trim(qtbot, window)
    wait_for_takes(qtbot, window, 2)
    close(window)
    wait_for_takes(qtbot, window, 3)
    path = save_to(qtbot, window, tmp_path / "mine.esnstudio", monkeypatch)
    left = names(window)
    assert len(left) == 1
    window.close()
    again = fresh(qtbot, open_window, tmp_path)
    again.studio.projects.open(path)
    qtbot.waitUntil(lambda: len(again.studio.state.takes) == 3, timeout=PATIENCE)
    settled(qtbot, again)
    assert names(again) == left
    again.studio.renders.assign(2, "B")
    assert names(again) == [*left, "a.wav"], "with a take of it, it opens again"
    assert facts(again)["samples"][0] == again.studio.state.takes[1].source.fingerprint()


def forget(qtbot: QtBot, window: MainWindow) -> None:
    """Close what is open; nothing is left of its sound."""
    source = window.studio.state.source
    assert source is not None
    held = ref(source.recording.clip)
    del source
    close(window)

    def gone() -> bool:
        gc.collect()
        return held() is None

    qtbot.waitUntil(gone, timeout=PATIENCE)


@pytest.mark.parametrize("kind", KINDS)
def test_a_recording_that_left_memory_is_read_again(
    qtbot: QtBot, window: MainWindow, kind: str, tmp_path: Path
) -> None:
    open_one(qtbot, window, kind, tmp_path)
    trim(qtbot, window)
    window.studio.state.set_reference("as it was read", read=True)
    lane = window.lanes.curve
    QTest.mouseClick(lane, Qt.MouseButton.LeftButton, pos=lane.x_y((0.5, 0.4)).toPoint())
    # As in a project that was opened: older steps hold on to what they changed.
    window.studio.history.clear()
    before = facts(window)
    forget(qtbot, window)
    undo(window)
    assert len(names(window)) == 1, "nothing is read on the window's thread"
    assert window.library.about.text().startswith("Opening ")
    qtbot.waitUntil(lambda: len(names(window)) == 2, timeout=PATIENCE)
    assert facts(window) == before
    redo(window)
    assert len(names(window)) == 1
    undo(window)
    qtbot.waitUntil(lambda: len(names(window)) == 2, timeout=PATIENCE)
    assert facts(window) == before
    assert window.studio.sources.opening == []


def test_where_the_file_is_gone_one_sentence_says_so_and_it_can_be_tried_again(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    open_one(qtbot, window, "file", tmp_path)
    before = facts(window)
    file, aside = tmp_path / "a.wav", tmp_path / "aside.wav"
    forget(qtbot, window)
    file.rename(aside)
    for says in (f"'{file}' does not exist; check the name and the folder.", f"'{file}' holds another sound now;"):
        undo(window)
        qtbot.waitUntil(window.notices.isVisible, timeout=PATIENCE)
        assert window.notices.text.text().startswith(f"a.wav was closed and cannot come back: {says}")
        assert (len(names(window)), window.studio.sources.opening) == (1, [])
        redo(window)
        if not file.exists():
            press(window.notices.close_button)
            soundfile.write(file, tone(2.0, 330.0), RATE)
    undo(window)
    shutil.copy(aside, file)
    qtbot.waitUntil(lambda: not window.studio.chores.busy, timeout=PATIENCE)
    press(window.notices.offer_buttons[0])
    qtbot.waitUntil(lambda: len(names(window)) == 2, timeout=PATIENCE)
    assert facts(window) == before


def test_in_a_project_its_own_copy_brings_a_recording_back(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_one(qtbot, window, "file", tmp_path)
    path = save_to(qtbot, window, tmp_path / "mine.esnstudio", monkeypatch)
    before = facts(window)
    (tmp_path / "a.wav").unlink()
    forget(qtbot, window)
    window.studio.projects.save()
    settled(qtbot, window)
    assert len(json.loads((path / "project.json").read_text())["sources"]) == 1
    undo(window)
    qtbot.waitUntil(lambda: len(names(window)) == 2, timeout=PATIENCE)
    assert facts(window) == before
    window.studio.projects.save()
    settled(qtbot, window)
    assert len(json.loads((path / "project.json").read_text())["sources"]) == 2
    assert not any("cannot come back" in notice.text for notice in window.notices.waiting)


@pytest.fixture
def reading(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> threading.Event:
    """A closed file whose reading again waits for the event."""
    open_one(qtbot, window, "file", tmp_path)
    forget(qtbot, window)
    go = threading.Event()
    window.studio.chores.submit("wait", lambda _context: go.wait(60), lambda _done: None)
    undo(window)
    assert window.studio.sources.opening == [tmp_path / "a.wav"]
    return go


def test_redo_while_it_is_read_again_stops_that(qtbot: QtBot, window: MainWindow, reading: threading.Event) -> None:
    redo(window)
    reading.set()
    settled(qtbot, window)
    assert (len(names(window)), window.studio.sources.opening) == (1, [])
    undo(window)
    qtbot.waitUntil(lambda: len(names(window)) == 2, timeout=PATIENCE)


def test_what_was_opened_meanwhile_stays_open(qtbot: QtBot, window: MainWindow, reading: threading.Event) -> None:
    other = read_line(window.studio.sources.demo_lines[7])
    window.studio.sources.show(other)
    reading.set()
    qtbot.waitUntil(lambda: len(names(window)) == 3, timeout=PATIENCE)
    assert window.studio.state.source is other
    assert names(window)[1] == "a.wav", "where it was in the list"


def test_a_closed_recording_that_is_opened_by_hand_is_again_that_of_its_takes(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    open_one(qtbot, window, "file", tmp_path)
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    close(window)
    wait_for_takes(qtbot, window, 2)
    drop(window, tmp_path / "a.wav")
    qtbot.waitUntil(lambda: len(names(window)) == 2, timeout=PATIENCE)
    wait_for_takes(qtbot, window, 2)
    assert in_lanes(window)[0] == 1, "what was rendered of it need not be rendered anew"
    undo(window)
    assert names(window).count("a.wav") == 1
