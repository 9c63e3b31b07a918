"""The real window around a stand-in model, without sound (sound has tests of its own, in processes of their own)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.audio import player as player_module
from studio.audio.device import SoundUnavailable
from studio.gui import playback as playback_module
from studio.gui.loading import Loader
from studio.gui.main_window import MainWindow
from studio.gui.studio import Studio
from studio.gui.theme import Theme
from tests.gui.driving import PATIENCE
from tests.gui.standin import StandIn, loader

NO_SOUND = "No sound output was found; connect headphones or speakers, then press play again."


@pytest.fixture(autouse=True)
def no_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests make no noise, whatever the machine could play."""

    def find_output(name: str = "", *, afresh: bool = False) -> None:
        raise SoundUnavailable(NO_SOUND)

    monkeypatch.setattr(player_module, "find_output", find_output)
    monkeypatch.setattr(playback_module, "output_names", list)


@pytest.fixture(scope="session")
def theme(qapp: QApplication) -> Theme:
    return Theme(qapp, "dark")


@pytest.fixture
def settings(tmp_path: Path) -> QSettings:
    return QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat)


@pytest.fixture
def standin() -> StandIn:
    return StandIn()


@pytest.fixture
def open_window(qtbot: QtBot, theme: Theme, settings: QSettings) -> Iterator[Callable[[Loader], MainWindow]]:
    """Open windows; they are closed, with everything behind them, when the test ends."""
    opened: list[MainWindow] = []

    def open_one(load: Loader) -> MainWindow:
        studio = Studio(load)
        window = MainWindow(studio, theme, settings)
        opened.append(window)
        window.show()
        qtbot.waitExposed(window)
        studio.start()
        return window

    yield open_one
    for window in opened:
        window.close()
        window.deleteLater()
        window.studio.deleteLater()


@pytest.fixture
def window(qtbot: QtBot, open_window: Callable[[Loader], MainWindow], standin: StandIn, tmp_path: Path) -> MainWindow:
    """A window with a demo line, the stand-in model and its mask open."""
    result = open_window(loader(standin, tmp_path / "masks"))
    state = result.studio.state
    qtbot.waitUntil(lambda: state.source is not None and state.mask is not None, timeout=PATIENCE)
    return result
