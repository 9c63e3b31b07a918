"""Learned vectors in the window: the mode, its file, and what reaches model, takes and undo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from studio.esn.emosteer import EmoVectors
from studio.gui.main_window import MainWindow
from studio.gui.shown import LearnedFile, Steer
from studio.gui.steers import panel_document, read_panel, steer_of
from tests.gui.driving import PATIENCE, choose_target, drag_slider, press, wait_for_takes
from tests.gui.standin import StandIn

FILE = LearnedFile("a/mine.emosteer.safetensors", "1" * 64, ("angry", "sad"))


def save_vectors(path: Path, dim: int = 4) -> Path:
    weights = {emotion: np.ones((dim, dim), np.float32) for emotion in ("angry", "sad")}
    EmoVectors(dim, "read_out", weights).save(path)
    return path


@pytest.fixture
def learned(qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of learned vectors, opened from the panel."""
    path = save_vectors(tmp_path / "mine.emosteer.safetensors")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_arguments: (str(path), ""))
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    press(window.steering.modes.button("learned"))
    press(window.steering.vectors_button)
    qtbot.waitUntil(lambda: window.studio.state.steer.vectors is not None, timeout=PATIENCE)
    return path


def test_alphas_reach_the_model_and_the_take(qtbot: QtBot, window: MainWindow, standin: StandIn, learned: Path) -> None:
    assert window.steering.vectors_button.text() == "Vectors: mine"
    drag_slider(window, "angry", 3.0)
    wait_for_takes(qtbot, window, 2)
    asked = standin.requests[-1]
    assert asked.steering is None
    assert asked.emosteer is not None
    alpha = asked.emosteer.active["angry"]
    assert alpha == pytest.approx(3.0, abs=0.1)
    take = window.studio.state.takes[-1]
    assert take.take.settings.alphas == {"angry": alpha}
    assert take.take.settings.emosteer_path == str(learned)
    assert take.take.settings.mask_sha is None
    assert steer_of(take.take.settings).canonical().strengths == take.steer.strengths
    window.studio.rerender.start(take)
    qtbot.waitUntil(lambda: not window.studio.rerender.active, timeout=PATIENCE)
    assert standin.requests[-1].emosteer is not None


def test_emotions_that_were_not_learned_say_so(window: MainWindow, learned: Path) -> None:
    rows = window.steering.rows
    assert rows["sad"].isEnabled()
    assert not rows["happy"].isEnabled()
    assert rows["happy"].toolTip() == "No vector was learned for happy"
    assert window.steering.first.toolTip() == "Learned vectors have no layers"
    assert not window.steering.scope.button("generated").isEnabled()
    assert window.steering.scope.button("generated").toolTip() == "Learned vectors act on every token"
    language = window.steering.module.button("language")
    assert not language.isEnabled()
    assert language.toolTip() == "Learned vectors act where they were learned, in no module of a mask"
    press(window.steering.modes.button("gain"))
    assert language.isEnabled()
    assert language.toolTip().startswith("Steer the language model's decoder")
    press(window.steering.modes.button("gain"))
    assert rows["happy"].isEnabled()
    assert not window.steering.vectors_button.isVisible()
    assert window.steering.scope.button("generated").isEnabled()


def test_without_a_file_the_window_says_what_to_do(qtbot: QtBot, window: MainWindow) -> None:
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    drag_slider(window, "angry", 0.6)
    wait_for_takes(qtbot, window, 2)
    press(window.steering.modes.button("learned"))
    assert window.studio.renders.blocked() == "Choose a file of learned vectors first, under Mode"
    assert not window.steering.rows["angry"].isEnabled()


def test_a_file_that_does_not_fit_is_one_notice(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    notices: list[str] = []
    window.studio.notice.connect(lambda notice: notices.append(notice.text))
    window.studio.keeper.open_vectors(save_vectors(tmp_path / "wide", dim=5))
    qtbot.waitUntil(lambda: bool(notices), timeout=PATIENCE)
    assert "shift the input of read_out (5 wide), but stand-in offers read_out (4 wide)" in notices[-1]
    assert window.studio.state.steer.vectors is None


def test_the_panel_is_kept_and_read_back() -> None:
    for steer in (
        Steer("angry", "learned", {"angry": 2.5}, vectors=FILE),
        Steer("angry", "learned", {}, vectors=FILE),
        Steer("angry", "add", {"angry": 0.2}, vectors=FILE),
        Steer("angry", "learned", {"sad": 1.0}),
    ):
        assert read_panel(panel_document(steer)) == steer


def test_settings_that_cannot_differ_in_sound_are_one() -> None:
    learned = Steer("angry", "learned", {"angry": 2.0}, layers=(1, 2), vectors=FILE)
    assert learned.canonical() == Steer("angry", "learned", {"angry": 2.0}, vectors=FILE)
    assert Steer("angry", "gain", {"angry": 0.5}, vectors=FILE).canonical().vectors is None
    assert Steer("angry", "learned", vectors=FILE).canonical() == Steer("angry")
