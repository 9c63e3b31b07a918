"""Scrubbing, alignment and the choice of an output, where nothing needs to be heard."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QSettings, Qt
from pytestqt.qtbot import QtBot

from studio.gui.main_window import MainWindow
from studio.gui.soundmenu import SoundMenu
from tests.gui.driving import PATIENCE, choose_target, drag, drag_slider, key, wait_for_takes


def test_dragging_over_the_ruler_scrubs_and_marks_no_loop(window: MainWindow) -> None:
    ruler, axis, player = window.lanes.ruler, window.studio.axis, window.studio.playback.player
    places = [QPoint(round(share * ruler.width()), 10) for share in (0.2, 0.4, 0.9, 0.6)]
    followed: list[float] = []
    axis.playhead_changed.connect(lambda seconds: followed.append(seconds / axis.length))
    drag(ruler, *places)
    assert followed == pytest.approx([0.2, 0.4, 0.9, 0.6], abs=0.01)
    assert player.position == pytest.approx(0.6 * axis.length, abs=0.01)
    assert axis.loop is None
    drag(ruler, places[0], QPoint(-50, 10))
    assert axis.playhead == 0.0


def test_lanes_align_by_time_or_by_proportion(qtbot: QtBot, window: MainWindow) -> None:
    choose_target(window, "surprise")
    wait_for_takes(qtbot, window, 1)
    drag_slider(window, "surprise", 1.0)
    wait_for_takes(qtbot, window, 2)
    studio = window.studio
    playback, axis = studio.playback, studio.axis
    qtbot.waitUntil(lambda: not studio.sound_worker.busy, timeout=PATIENCE)
    a, b = (shown.take.audio.seconds for shown in studio.state.takes)
    assert b < a
    key(window, Qt.Key.Key_A)
    playback.seek(a / 2)
    key(window, Qt.Key.Key_X)
    assert playback.player.position == pytest.approx(a / 2, abs=0.001)
    key(window, Qt.Key.Key_X)
    window.actions_.named["Align lanes by proportion"].trigger()
    axis.set_loop((a / 4, a / 2))
    key(window, Qt.Key.Key_X)
    assert playback.heard == "B"
    assert playback.player.position == pytest.approx(b / 2, abs=0.001)
    assert axis.playhead == pytest.approx(b / 2, abs=0.001)
    assert axis.loop == pytest.approx((b / 4, b / 2)), "the loop stays on the same words"
    assert playback.looping
    key(window, Qt.Key.Key_X)
    assert playback.player.position == pytest.approx(a / 2, abs=0.001)


def test_the_output_is_chosen_in_the_menu_and_remembered(
    qtbot: QtBot, window: MainWindow, settings: QSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    playback = window.studio.playback
    connected = ["Headset & Co", "Speakers"]
    monkeypatch.setattr("studio.gui.playback.output_names", lambda: list(connected))
    sound = window.actions_.sound
    menu = sound.menu
    assert listed(sound) == [("System default", True)]
    menu.aboutToShow.emit()
    qtbot.waitUntil(lambda: len(listed(sound)) == 3, timeout=PATIENCE)
    menu.actions()[1].trigger()
    assert listed(sound) == [("System default", False), ("Headset && Co", True), ("Speakers", False)]
    assert settings.value("sound/output") == playback.output == "Headset & Co"
    connected.remove("Headset & Co")
    menu.aboutToShow.emit()
    qtbot.waitUntil(lambda: playback.outputs == ["Speakers"], timeout=PATIENCE)
    assert listed(sound)[-1] == ("Headset && Co (not connected)", True)
    qtbot.waitUntil(lambda: not window.studio.sound_worker.busy, timeout=PATIENCE)
    assert "Traceback" not in window.sound.text()


def listed(sound: SoundMenu) -> list[tuple[str, bool]]:
    return [(action.text(), action.isChecked()) for action in sound.menu.actions()]
