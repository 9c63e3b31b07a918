"""Projects in the window: saved, moved, reopened, recovered after a crash; broken ones leave everything as it was."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QAction, QDropEvent
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from studio.gui.loading import Loader
from studio.gui.main_window import MainWindow
from studio.session.recovery import recoverable
from tests.gui.driving import PATIENCE, choose_target, drag_slider, key, press, wait_for_takes
from tests.gui.standin import StandIn, loader
from tests.pulse import silent_env

CONTROL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
Opener = Callable[[Loader], MainWindow]


def texts(window: MainWindow) -> list[str]:
    return [notice.text for notice in window.notices.waiting]


def make_takes(qtbot: QtBot, window: MainWindow) -> None:
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    drag_slider(window, "angry", 0.5)
    wait_for_takes(qtbot, window, 2)


def settled(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: not window.studio.chores.busy and not window.studio.projects.opening, timeout=PATIENCE)


def save_to(qtbot: QtBot, window: MainWindow, path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ctrl+S and a name."""
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_args: (str(path), ""))
    key(window, Qt.Key.Key_S, CONTROL)
    qtbot.waitUntil(lambda: window.studio.projects.path is not None, timeout=PATIENCE)
    settled(qtbot, window)
    assert window.studio.projects.path is not None
    return window.studio.projects.path


def fresh(qtbot: QtBot, open_window: Opener, folder: Path) -> MainWindow:
    """Another start of the program."""
    window = open_window(loader(StandIn(), folder / "masks"))
    state = window.studio.state
    qtbot.waitUntil(lambda: state.source is not None and state.mask is not None, timeout=PATIENCE)
    return window


def test_a_project_is_saved_moved_and_reopened(
    qtbot: QtBot, window: MainWindow, open_window: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_takes(qtbot, window)
    state = window.studio.state
    path = save_to(qtbot, window, tmp_path / "work" / "Scene 1", monkeypatch)
    assert path.name == "Scene 1.esnstudio"
    assert "Scene 1" in window.windowTitle()
    assert recoverable() == [], "saved work is no recovery any more"
    state.mark_take(state.takes[1], name="the one", stars=5, note="keep")
    press(window.lanes.lanes["B"].lock)
    before = [(shown.number, shown.take, shown.steer) for shown in state.takes]
    steer = state.steer
    window.close()
    moved = tmp_path / "moved" / path.name
    shutil.move(path.parent, moved.parent)

    again = fresh(qtbot, open_window, tmp_path)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_args: str(moved))
    key(again, Qt.Key.Key_P, CONTROL)
    qtbot.waitUntil(lambda: len(again.studio.state.takes) == 2, timeout=PATIENCE)
    settled(qtbot, again)
    state = again.studio.state
    assert texts(again) == []
    for (number, take, made_with), shown in zip(before, state.takes, strict=True):
        assert (shown.number, shown.steer) == (number, made_with)
        assert np.array_equal(shown.take.audio.samples, take.audio.samples)
        assert (shown.take.id, shown.take.name, shown.take.stars, shown.take.note) == (
            take.id, take.name, take.stars, take.note,
        )  # fmt: skip
    assert (state.steer, state.locks) == (steer, {"B"})
    for lane, shown in zip("AB", state.takes, strict=True):
        content = state.lanes[lane]
        assert content is not None
        assert content.shown is shown
    assert state.source is not None
    assert state.source.demo
    assert again.studio.history.stack.count() == 0
    assert [each.name for each in again.studio.projects.memory.recent()] == [path.name]
    qtbot.waitUntil(lambda: state.takes[0].drawing.pitch is not None, timeout=PATIENCE)

    wait_for_takes(qtbot, again, 2)
    again.library.takes.select(2)
    key(again, Qt.Key.Key_R, CONTROL | SHIFT)
    qtbot.waitUntil(lambda: bool(texts(again)), timeout=PATIENCE)
    assert texts(again) == [
        f"Take 2 rendered again is the same in all {len(state.takes[1].take.audio.samples)} samples."
    ]
    drag_slider(again, "angry", 1.2)
    wait_for_takes(qtbot, again, 3)
    settled(qtbot, again)
    assert len(json.loads((moved / "project.json").read_text())["takes"]) == 3, "every take is written at once"


def test_after_a_crash_the_takes_are_offered_once(
    qtbot: QtBot, open_window: Opener, tmp_path: Path, user_data: Path
) -> None:
    user_data.mkdir()
    command = [sys.executable, "-m", "tests.gui.killed", str(user_data)]
    killed = subprocess.run(command, env=silent_env(), capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    (crashed,) = (user_data / "esn-studio" / "recovery").iterdir()

    again = fresh(qtbot, open_window, tmp_path)
    again.offer_to_go_on()
    qtbot.waitUntil(lambda: bool(texts(again)), timeout=PATIENCE)
    assert texts(again)[0].startswith("The last session was never saved. Recover the 2 takes of ")
    press(again.notices.offer_buttons[0])
    qtbot.waitUntil(lambda: len(again.studio.state.takes) == 2, timeout=PATIENCE)
    settled(qtbot, again)
    assert [shown.take.stars for shown in again.studio.state.takes] == [3, 0]
    again.library.takes.select(2)
    key(again, Qt.Key.Key_R, CONTROL | SHIFT)
    qtbot.waitUntil(lambda: any("rendered again is the same" in text for text in texts(again)), timeout=PATIENCE)
    assert again.studio.projects.path is None, "it still has no place of its own"
    drag_slider(again, "angry", 1.1)
    wait_for_takes(qtbot, again, 3)
    settled(qtbot, again)
    assert len(json.loads((crashed / "project.json").read_text())["takes"]) == 3
    again.close()

    third = fresh(qtbot, open_window, tmp_path)
    third.offer_to_go_on()
    settled(qtbot, third)
    assert texts(third) == [], "what was offered is not offered again"
    assert [each.takes for each in third.studio.projects.memory.unsaved] == [3], "but can be had from the menu"
    (entry,) = [action for action in third.findChildren(QAction) if action.text().startswith("Unsaved: 3 takes")]
    entry.trigger()
    qtbot.waitUntil(lambda: len(third.studio.state.takes) == 3, timeout=PATIENCE)


def test_a_new_project_begins_without_takes_and_loses_none(qtbot: QtBot, window: MainWindow) -> None:
    make_takes(qtbot, window)
    settled(qtbot, window)
    key(window, Qt.Key.Key_N, CONTROL)
    assert window.studio.state.takes == []
    assert window.studio.state.lanes["A"] is None
    settled(qtbot, window)
    assert texts(window) == ["The 2 unsaved takes are kept: File, Recent projects."]
    assert [each.takes for each in recoverable()] == [2]
    key(window, Qt.Key.Key_R)
    wait_for_takes(qtbot, window, 2)
    assert [shown.number for shown in window.studio.state.takes] == [1, 2]


def test_nothing_is_kept_of_a_session_without_takes(qtbot: QtBot, window: MainWindow, user_data: Path) -> None:
    make_takes(qtbot, window)
    window.studio.state.remove_takes(list(window.studio.state.takes))
    window.close()
    assert list(user_data.rglob("*.esnstudio")) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "holds no project.json"),
        ("{", "is damaged or cut short"),
        ('{"format": "esn-studio project", "version": 99}', "newer ESN Studio"),
        ('{"format": "reaper"}', "was not written by ESN Studio"),
    ],
)
def test_broken_projects_leave_everything_as_it_was(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, content: str | None, says: str
) -> None:
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    state = window.studio.state
    before = (state.source, state.steer, list(state.takes), state.lanes["A"])
    broken = tmp_path / "broken.esnstudio"
    broken.mkdir()
    if content is not None:
        (broken / "project.json").write_text(content)
    drop(window, broken)
    qtbot.waitUntil(lambda: bool(texts(window)), timeout=PATIENCE)
    (said,) = texts(window)
    assert says in said
    assert (state.source, state.steer, state.takes, state.lanes["A"]) == before
    assert not window.studio.projects.opening


def test_a_project_held_by_another_window_is_not_opened(
    qtbot: QtBot, window: MainWindow, open_window: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_takes(qtbot, window)
    path = save_to(qtbot, window, tmp_path / "mine.esnstudio", monkeypatch)
    other = fresh(qtbot, open_window, tmp_path)
    other.studio.projects.open(path)
    qtbot.waitUntil(lambda: bool(texts(other)), timeout=PATIENCE)
    assert "is open in another window" in texts(other)[0]
    assert other.studio.state.takes == []


def test_deletions_reach_the_disk_when_the_window_closes(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_takes(qtbot, window)
    path = save_to(qtbot, window, tmp_path / "mine.esnstudio", monkeypatch)
    window.studio.state.remove_takes(window.studio.state.takes[:1])
    settled(qtbot, window)
    assert len(list((path / "takes").iterdir())) == 2, "undoing would need it"
    window.close()
    assert len(list((path / "takes").iterdir())) == 1
    assert [take["number"] for take in json.loads((path / "project.json").read_text())["takes"]] == [2]


def test_a_project_that_was_moved_away_is_missed_and_saved_elsewhere(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_takes(qtbot, window)
    path = save_to(qtbot, window, tmp_path / "mine.esnstudio", monkeypatch)
    shutil.move(path, tmp_path / "moved.esnstudio")
    press(window.notices.close_button)
    drag_slider(window, "angry", 1.1)
    wait_for_takes(qtbot, window, 3)
    qtbot.waitUntil(lambda: bool(texts(window)), timeout=PATIENCE)
    assert texts(window)[0] == (
        f"The project 'mine.esnstudio' is not in '{tmp_path}' any more, so nothing is saved; put it back there, or "
        "save it as another."
    )
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_args: (str(tmp_path / "other"), ""))
    key(window, Qt.Key.Key_S, CONTROL | SHIFT)
    qtbot.waitUntil(lambda: window.studio.projects.path != path, timeout=PATIENCE)
    settled(qtbot, window)
    assert len(json.loads((tmp_path / "other.esnstudio" / "project.json").read_text())["takes"]) == 3
    assert len(list((tmp_path / "other.esnstudio" / "takes").iterdir())) == 3


def test_what_changes_on_and_on_is_written_all_the_same(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_takes(qtbot, window)
    path = save_to(qtbot, window, tmp_path / "mine.esnstudio", monkeypatch)
    state, count = window.studio.state, 0

    def starred_on_disk() -> bool:
        nonlocal count
        count += 1
        state.mark_take(state.takes[0], stars=1 + count % 5)
        return json.loads((path / "project.json").read_text())["takes"][0]["stars"] > 0

    qtbot.waitUntil(starred_on_disk, timeout=PATIENCE)


def test_a_name_that_is_taken_is_refused(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_takes(qtbot, window)
    taken = tmp_path / "taken.esnstudio"
    taken.mkdir()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_args: (str(taken), ""))
    key(window, Qt.Key.Key_S, CONTROL)
    qtbot.waitUntil(lambda: bool(texts(window)), timeout=PATIENCE)
    assert "exists already" in texts(window)[0]
    assert window.studio.projects.path is None
    assert list(taken.iterdir()) == []


def drop(window: MainWindow, path: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    window.dropEvent(QDropEvent(QPointF(200, 200), Qt.DropAction.CopyAction, data, buttons, keys))
