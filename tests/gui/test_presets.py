"""Presets: saved by name, put back, one step to undo, remembered, deleted and had back; damaged files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QInputDialog, QLineEdit
from pytestqt.qtbot import QtBot

from studio.gui.loading import Loader
from studio.gui.main_window import MainWindow
from tests.gui.driving import PATIENCE, press
from tests.gui.standin import StandIn, loader


def save(qtbot: QtBot, window: MainWindow, name: str) -> None:
    window.steering.presets.ask_save()
    qtbot.waitUntil(lambda: window.findChild(QInputDialog) is not None, timeout=PATIENCE)
    dialog = window.findChild(QInputDialog)
    assert dialog is not None
    field = dialog.findChild(QLineEdit)
    assert field is not None
    QTest.keyClicks(field, name)
    QTest.keyClick(field, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: name in window.studio.presets.names, timeout=PATIENCE)
    qtbot.waitUntil(lambda: window.findChild(QInputDialog) is None, timeout=PATIENCE)


def steer(window: MainWindow, **changes: Any) -> None:
    state = window.studio.state
    state.set_steer(replace(state.steer, **changes))


def test_a_preset_is_saved_used_undone_and_remembered(
    qtbot: QtBot, open_window: Callable[[Loader], MainWindow], window: MainWindow, standin: StandIn, tmp_path: Path
) -> None:
    state, presets = window.studio.state, window.studio.presets
    window.studio.state.set_options(auto_render=False)
    qtbot.waitUntil(lambda: presets.problem is None, timeout=PATIENCE)
    steer(window, target="angry", mode="add", strengths={"angry": 0.2, "sad": 0.1}, layers=(1, 3), seed=7)
    save(qtbot, window, "R&B, harsh")
    kept = state.steer
    steer(window, target="happy", mode="gain", strengths={"happy": 0.4}, layers=None, seed=None)
    before = state.steer
    menu = window.steering.presets.menu_
    menu.aboutToShow.emit()
    entry = menu.actions()[0]
    assert (entry.text(), entry.isChecked()) == ("R&&B, harsh", False)
    entry.trigger()
    assert state.steer == kept
    window.actions_.named["Undo"].trigger()
    assert state.steer == before
    qtbot.waitUntil(lambda: not window.studio.chores.busy, timeout=PATIENCE)
    second = open_window(loader(standin, tmp_path / "masks"))
    qtbot.waitUntil(lambda: second.studio.presets.names == ("R&B, harsh",), timeout=PATIENCE)
    qtbot.waitUntil(lambda: second.studio.state.mask is not None, timeout=PATIENCE)
    second.studio.presets.use("R&B, harsh")
    assert second.studio.state.steer == replace(kept, content=second.studio.state.steer.content)


def test_what_was_deleted_or_replaced_can_be_had_back(qtbot: QtBot, window: MainWindow) -> None:
    presets = window.studio.presets
    window.studio.state.set_options(auto_render=False)
    qtbot.waitUntil(lambda: presets.problem is None, timeout=PATIENCE)
    steer(window, target="sad", strengths={"sad": 0.3})
    presets.save("soft")
    presets.delete("soft")
    assert not presets.names
    press(window.notices.offer_buttons[0])
    assert list(presets.names) == ["soft"]
    assert presets.in_use("soft")
    steer(window, strengths={"sad": 0.8})
    presets.save("soft")
    assert presets.in_use("soft")
    press(window.notices.offer_buttons[0])
    assert presets.values("soft").strengths == {"sad": 0.3}


def test_what_model_and_mask_lack_is_left_out(qtbot: QtBot, window: MainWindow) -> None:
    state, presets = window.studio.state, window.studio.presets
    state.set_options(auto_render=False)
    qtbot.waitUntil(lambda: presets.problem is None, timeout=PATIENCE)
    steer(window, target="sad", strengths={"sad": 0.3, "neutral": 0.5}, layers=(2, 30), automation=((0.0, 1.0),))
    presets.save("from a larger model")
    steer(window, automation=None)
    presets.use("from a larger model")
    assert (state.steer.strengths, state.steer.layers, state.steer.automation) == ({"sad": 0.3}, None, None)


def test_a_damaged_file_is_one_sentence_and_is_left_alone(
    qtbot: QtBot, open_window: Callable[[Loader], MainWindow], standin: StandIn, tmp_path: Path, user_data: Path
) -> None:
    file = user_data / "esn-studio" / "presets.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"format": "esn-studio presets", "version"')
    window = open_window(loader(standin, tmp_path / "masks"))
    qtbot.waitUntil(lambda: bool(window.notices.waiting), timeout=PATIENCE)
    (notice,) = window.notices.waiting
    assert "damaged; move the file away to begin anew" in notice.text
    qtbot.waitUntil(lambda: window.studio.state.mask is not None, timeout=PATIENCE)
    assert not window.steering.presets.isEnabled()
    assert window.steering.presets.toolTip() == notice.text
    window.studio.presets.save("lost")
    assert file.read_text() == '{"format": "esn-studio presets", "version"'
