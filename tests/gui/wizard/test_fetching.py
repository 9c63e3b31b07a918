"""A judge whose weights are missing: the wizard says how much it is and from where, and fetches it when told to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWizard
from pytestqt.qtbot import QtBot

from studio.errors import Cancelled
from studio.gui.main_window import MainWindow
from studio.gui.wizard.wizard import FindNeurons, Step
from studio.lalm.entries import ModelFacts
from studio.lalm.weights import snapshot
from studio.progress import Progress
from tests.gui.driving import PATIENCE, press
from tests.gui.wizard.driving import next_page, type_into


def model_page(qtbot: QtBot, window: MainWindow, corpus: Path) -> FindNeurons:
    """The wizard at its third page."""
    press(window.top.find_neurons)
    wizard = window.wizard
    assert wizard is not None
    type_into(wizard.dataset.path, str(corpus))
    next_page(wizard)
    qtbot.waitUntil(lambda: window.studio.search.corpus.checked is not None, timeout=PATIENCE)
    next_page(wizard)
    assert wizard.currentId() == Step.MODEL
    return wizard


def test_a_judge_is_fetched_only_when_told_to_and_then_used(
    qtbot: QtBot, toy_window: MainWindow, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    goes_on = threading.Event()
    asked: list[str] = []

    def download(facts: ModelFacts, *, progress: Progress, cancelled: Callable[[], bool]) -> None:
        asked.append(facts.name)
        progress(0.5)
        while not goes_on.wait(0.01):
            if cancelled():
                raise Cancelled
        folder = snapshot(str(facts.repo), facts.revision)
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").touch()

    monkeypatch.setattr("studio.lalm.weights.download", download)
    wizard = model_page(qtbot, toy_window, toy)
    page, row = wizard.model, wizard.model.fetch_judge
    qtbot.waitUntil(page.isComplete, timeout=PATIENCE)
    assert row.isHidden()
    page.judge.setFocus()
    QTest.keyClicks(page.judge, "Qwen3")
    page.judge.activated.emit(page.judge.currentIndex())
    assert row.isVisible()
    assert row.words.text() == (
        "Not on this machine: 70.0 GB from huggingface.co (Qwen/Qwen3-Omni-30B-A3B-Instruct); licence: Apache-2.0."
    )
    forward = wizard.button(QWizard.WizardButton.NextButton)
    assert not forward.isEnabled()
    assert forward.toolTip() == "Download Qwen3-Omni 30B-A3B first, or choose another."
    assert asked == []
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    page.judge.activated.emit(page.judge.currentIndex())
    page.initializePage()
    assert not row.fetch.isEnabled()
    assert row.fetch.toolTip().startswith("HF_HUB_OFFLINE is set, so nothing is downloaded")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    page.initializePage()
    assert row.fetch.accessibleName() == "Download Qwen3-Omni 30B-A3B"
    row.fetch.setFocus()
    QTest.keyClick(row.fetch, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: row.progress.bar.share == 0.5, timeout=PATIENCE)
    assert row.progress.isVisible()
    press(row.cancel)
    qtbot.waitUntil(lambda: toy_window.studio.downloads.active is None, timeout=PATIENCE)
    assert row.words.text() == "Cancelled; what arrived whole is kept."
    assert not page.isComplete()
    goes_on.set()
    press(row.fetch)
    qtbot.waitUntil(page.isComplete, timeout=PATIENCE)
    assert row.isHidden()
    assert asked == ["qwen3-omni", "qwen3-omni"]
    assert toy_window.studio.search.recipe.judge == "qwen3-omni"
