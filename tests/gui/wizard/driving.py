"""Leading through the wizard by mouse and key, over small corpora."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractSpinBox, QLineEdit, QWizard
from pytestqt.qtbot import QtBot

from studio.audio.clip import Clip
from studio.audio.files import save_flac
from studio.engine import JobContext
from studio.errors import Cancelled
from studio.gui.loading import Loaded
from studio.gui.main_window import MainWindow
from studio.gui.wizard.search import Search, Stage
from studio.gui.wizard.wizard import FindNeurons, Step
from studio.lalm.base import LANGUAGE, AudioSink, Conversion, ConversionRequest, Progress, never, no_progress
from studio.paths import resources_dir
from tests.gui.driving import PATIENCE, press
from tests.pipelines.toy import RATE, ToyJudge, ToyModel

TOY_RATE = 10.0
WORDS = "the old house near river is still not mine today".split()


class HeldModel(ToyModel):
    """Converts ``left`` batches and then waits, like a model that takes its time, until ``go`` is set."""

    def __init__(self, texts: dict[str, str], left: int = 1_000_000) -> None:
        super().__init__(texts)
        self.left = left
        self.go = threading.Event()

    def convert(
        self,
        requests: Sequence[ConversionRequest],
        *,
        module: str = LANGUAGE,
        record: bool = False,
        progress: Progress = no_progress,
        cancelled: Callable[[], bool] = never,
        on_audio: AudioSink | None = None,
    ) -> list[Conversion]:
        while self.left <= 0 and not self.go.wait(0.005):
            if cancelled():
                raise Cancelled
        self.left -= 1
        return super().convert(
            requests, module=module, record=record, progress=progress, cancelled=cancelled, on_audio=on_audio
        )


def toy_texts(lines: int = 7) -> dict[str, str]:
    """What is said in each line of the toy corpus, by file name."""
    draw = np.random.default_rng(4)
    return {f"line{line}": " ".join(draw.permutation(WORDS)[:7]) for line in range(1, lines + 1)}


def toy_corpus(folder: Path, speakers: int = 3) -> Path:
    """Neutral tones and noise in a folder per speaker, with transcripts; one file is no sound."""
    for speaker in range(speakers):
        for number, (name, text) in enumerate(toy_texts().items(), start=1):
            draw = np.random.default_rng([speaker, number])
            times = np.arange(int(RATE * draw.uniform(0.4, 1.4))) / RATE
            tone = 0.3 * np.sin(2 * np.pi * (100 + 60 * speaker + 15 * number) * times)
            path = folder / f"s{speaker}" / "neutral" / f"{name}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            save_flac(path, Clip((tone + draw.normal(0, 0.02, len(times))).astype(np.float32), RATE))
            path.with_suffix(".txt").write_text(text)
    (folder / "s0" / "neutral" / "broken.wav").write_bytes(b"no sound at all")
    return folder


def demo_corpus(folder: Path, lines: int) -> Path:
    """A few lines of two speakers of the demo corpus."""
    for speaker in ("0011", "0012"):
        below = folder / speaker / "Neutral"
        below.mkdir(parents=True)
        shutil.copy(resources_dir() / "demo" / speaker / f"{speaker}.txt", folder / speaker)
        for line in range(1, lines + 1):
            name = f"{speaker}_{line:06d}.ogg"
            shutil.copy(resources_dir() / "demo" / speaker / "Neutral" / name, below)
    return folder


def toy_loader(model: ToyModel) -> Callable[[JobContext], Loaded]:
    """A loader for ``Studio``."""
    return lambda _context: Loaded(model, ToyJudge())


def next_page(wizard: FindNeurons) -> None:
    """Press Next."""
    press(wizard.button(QWizard.WizardButton.NextButton))


def type_into(field: QLineEdit, text: str) -> None:
    """Select everything and type."""
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, text)


def type_number(box: QAbstractSpinBox, value: float) -> None:
    """Type a number and leave the box."""
    box.setFocus()
    box.selectAll()
    QTest.keyClicks(box, f"{value:g}")
    QTest.keyClick(box, Qt.Key.Key_Tab)


def walk_to_settings(qtbot: QtBot, window: MainWindow, corpus: Path, rate: float = TOY_RATE) -> FindNeurons:
    """From the toolbar's button to the settings page; the toy model has too few neurons for the paper's rate."""
    press(window.top.find_neurons)
    wizard = window.wizard
    assert wizard is not None
    qtbot.waitUntil(wizard.isVisible, timeout=PATIENCE)
    type_into(wizard.dataset.path, str(corpus))
    next_page(wizard)
    assert wizard.currentId() == Step.CHECK
    qtbot.waitUntil(lambda: window.studio.search.corpus.checked is not None, timeout=PATIENCE)
    next_page(wizard)
    assert wizard.currentId() == Step.MODEL
    qtbot.waitUntil(wizard.model.isComplete, timeout=PATIENCE)
    next_page(wizard)
    assert wizard.currentId() == Step.SETTINGS
    type_number(wizard.settings.rate, rate)
    return wizard


def wait_for_stage(qtbot: QtBot, search: Search, stage: Stage) -> None:
    """Until the search is there; it must not stop on the way."""
    qtbot.waitUntil(lambda: search.stage in (stage, Stage.PAUSED), timeout=PATIENCE)
    assert search.stage is stage


def wait_for_conversions(qtbot: QtBot, search: Search, count: int) -> None:
    """Until so many conversions are made."""
    qtbot.waitUntil(lambda: search.snapshot is not None and search.snapshot.done >= count, timeout=PATIENCE)
