"""The list of models in the window: by mouse and key, with downloads that are real work of the worker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from studio.errors import Cancelled, StudioError
from studio.gui import loading
from studio.gui.loading import Loaded
from studio.gui.main_window import MainWindow
from studio.gui.models.dialog import ModelCard, ModelsDialog
from studio.lalm.entries import ENTRIES, ModelFacts
from studio.lalm.weights import snapshot
from studio.progress import Progress
from tests.gui.standin import StandIn

SMALL = "qwen2.5-omni-3b"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def opened(window: MainWindow, qtbot: QtBot) -> ModelsDialog:
    qtbot.mouseClick(window.top.model, Qt.MouseButton.LeftButton)
    assert window.models is not None
    qtbot.waitUntil(window.models.isVisible)
    return window.models


def card(window: MainWindow, qtbot: QtBot, name: str = SMALL) -> ModelCard:
    return opened(window, qtbot).cards[name]


def install(facts: ModelFacts) -> None:
    assert facts.repo is not None
    folder = snapshot(facts.repo, facts.revision)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").touch()


def test_every_model_has_a_card_that_says_what_it_is(window: MainWindow, qtbot: QtBot) -> None:
    dialog = opened(window, qtbot)
    assert list(dialog.cards) == [facts.name for facts in ENTRIES]
    assert dialog.cards["embedded"].state.text() == "In use"
    shown = dialog.cards[SMALL]
    assert shown.state.text() == "Not downloaded"
    assert "12.0 GB" in shown.facts.text()
    assert "Research" in shown.facts.text()
    assert not shown.use.isEnabled()
    assert "not downloaded" in shown.use.toolTip()
    assert shown.fetch.accessibleName() == "Download Qwen2.5-Omni 3B"


def test_download_by_key_cancel_and_go_on(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    goes_on = threading.Event()

    def download(facts: ModelFacts, *, progress: Progress, cancelled: Callable[[], bool]) -> None:
        progress(0.5)
        while not goes_on.wait(0.01):
            if cancelled():
                raise Cancelled
        install(facts)

    monkeypatch.setattr("studio.lalm.weights.download", download)
    shown = card(window, qtbot)
    shown.fetch.setFocus()
    qtbot.keyClick(shown.fetch, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: shown.bar.share == 0.5)
    assert shown.bar.isVisible()
    assert shown.share.text().startswith("50")
    other = opened(window, qtbot).cards["qwen2.5-omni-7b"]
    assert not other.fetch.isEnabled()
    assert "Another model" in other.fetch.toolTip()
    qtbot.mouseClick(shown.cancel, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.studio.downloads.active is None)
    assert "Cancelled" in shown.problem.text()
    goes_on.set()
    qtbot.mouseClick(shown.fetch, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: shown.state.text() == "Installed")
    assert shown.use.isEnabled()
    assert not shown.problem.isVisible()


def test_a_failed_download_says_why(window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(facts: ModelFacts, *, progress: Progress, cancelled: Callable[[], bool]) -> None:
        raise StudioError("The hub was not reached.")

    monkeypatch.setattr("studio.lalm.weights.download", download)
    shown = card(window, qtbot)
    qtbot.mouseClick(shown.fetch, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: shown.problem.text() == "The hub was not reached.")
    assert shown.fetch.isEnabled()


def test_deleting_asks_first(window: MainWindow, qtbot: QtBot) -> None:
    facts = next(each for each in ENTRIES if each.name == SMALL)
    install(facts)
    shown = card(window, qtbot)
    for text, gone in (("Cancel", False), ("Delete", True)):
        qtbot.mouseClick(shown.delete, Qt.MouseButton.LeftButton)
        box = shown.findChild(QMessageBox)
        assert box is not None
        button = next(each for each in box.buttons() if each.text().replace("&", "") == text)
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: shown.findChild(QMessageBox) is None and window.studio.downloads.active is None)
        assert shown.state.text() == ("Not downloaded" if gone else "Installed")


def test_another_model_takes_over_and_a_failure_keeps_the_old_one(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, standin: StandIn
) -> None:
    install(next(each for each in ENTRIES if each.name == SMALL))
    keeper = window.studio.keeper
    old, other = keeper.loaded, StandIn()
    assert old is not None
    closed: list[object] = []
    monkeypatch.setattr(old.model, "close", lambda: closed.append(old.model), raising=False)

    def fail(context: object, name: str) -> Loaded:
        raise StudioError("It does not fit this card.")

    monkeypatch.setattr(loading, "load_named", fail)
    shown = card(window, qtbot)
    with qtbot.waitSignal(keeper.notice) as told:
        qtbot.mouseClick(shown.use, Qt.MouseButton.LeftButton)
    assert told.args[0].text == "It does not fit this card."
    assert keeper.loaded is old
    assert not closed
    monkeypatch.setattr(loading, "load_named", lambda context, name: Loaded(other, name=name))
    qtbot.mouseClick(shown.use, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: keeper.loaded is not None and keeper.loaded.model is other)
    qtbot.waitUntil(lambda: closed == [old.model])
    assert shown.state.text() == "In use"
    assert window.studio.state.mask is None
    assert keeper.problem is None
