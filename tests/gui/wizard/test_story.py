"""From the first page to a saved mask with the model that ships, paused, cancelled and gone on with in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWizard
from pytestqt.qtbot import QtBot

from studio.esn.mask import EsnMask
from studio.esn.selectors import select
from studio.gui.loading import Loader, load_default
from studio.gui.main_window import MainWindow
from studio.gui.wizard.search import TAKEN, Stage
from studio.gui.wizard.wizard import Step
from studio.pipelines.identify import load_job_statistics
from studio.pipelines.verdicts import load_verdicts
from tests.gui.driving import PATIENCE, press
from tests.gui.wizard.driving import (
    demo_corpus,
    next_page,
    type_into,
    type_number,
    wait_for_conversions,
    wait_for_stage,
    walk_to_settings,
)


def test_from_a_folder_of_speech_to_a_mask_in_the_studio(
    qtbot: QtBot, open_window: Callable[[Loader], MainWindow], tmp_path: Path
) -> None:
    window = open_window(load_default)
    search = window.studio.search
    wizard = walk_to_settings(qtbot, window, demo_corpus(tmp_path / "few", lines=4), rate=0.5)
    assert search.corpus.checked is not None
    assert search.corpus.checked.report.speakers == {"0011": 4, "0012": 4}
    assert search.corpus.checked.usable["identification"] == 4

    for emotion in ("happy", "surprise"):
        press(wizard.settings.emotions[emotion])
    press(wizard.settings.more)
    type_number(wizard.settings.batch, 2)
    assert "4 recordings to 2 emotions: up to 8 conversions" in wizard.settings.expected.text()
    next_page(wizard)

    wait_for_conversions(qtbot, search, 2)
    assert window.studio.renders.blocked() == TAKEN
    press(wizard.run.go)
    wait_for_stage(qtbot, search, Stage.PAUSED)
    assert search.snapshot is not None
    assert search.snapshot.done < 8
    assert window.studio.keeper.taken is None
    press(wizard.run.go)
    press(wizard.run.cancel)
    wait_for_stage(qtbot, search, Stage.CANCELLED)
    assert search.unfinished.folders() == []
    press(wizard.run.go)
    wait_for_stage(qtbot, search, Stage.FINISHED)
    assert search.snapshot.done == len(search.results.attempts) == 8
    assert wizard.run.chart.counts.sum() > 0
    assert wizard.run.log.conversions.rowCount() == 8

    next_page(wizard)
    assert wizard.currentId() == Step.REVIEW
    assert search.folder is not None
    assert search.results.selection is not None
    statistics = load_job_statistics(search.folder)
    alone = select(statistics, search.results.selection.mask.metadata["selector"], 0.005, compare=("angry", "sad"))
    assert search.results.selection.mask.fingerprint() == alone.fingerprint(), "the same as without a window"

    listed = wizard.review.list
    qtbot.waitUntil(lambda: listed.conversions.rowCount() > 2, timeout=PATIENCE)
    first, second = listed.conversions.attempt(0), listed.conversions.attempt(1)
    assert first is not None
    assert second is not None
    QTest.keyClick(listed, Qt.Key.Key_A)
    QTest.keyClick(listed, Qt.Key.Key_R)
    assert listed.currentIndex().row() == 2, "a verdict leads to the next"
    folder = search.folder
    qtbot.waitUntil(lambda: load_verdicts(folder) == {first.id: True, second.id: False}, timeout=PATIENCE)
    press(wizard.review.basis.button("ear"))
    qtbot.waitUntil(lambda: search.results.selection is not None and search.results.selection.by_ear, timeout=PATIENCE)

    next_page(wizard)
    assert wizard.currentId() == Step.SAVE
    target = tmp_path / "mine.esn.safetensors"
    type_into(wizard.save.path, str(target))
    press(wizard.save.save)
    qtbot.waitUntil(lambda: search.results.saved_to == target, timeout=PATIENCE)
    mask = EsnMask.load(target)
    assert mask.method == "CAS-H"
    assert mask.emotions == (first.emotion,)
    assert search.unfinished.folders() == []

    press(wizard.button(QWizard.WizardButton.FinishButton))
    state = window.studio.state
    qtbot.waitUntil(lambda: state.mask is not None and state.mask.path == target, timeout=PATIENCE)
    assert not wizard.isVisible()
    assert window.top.workspaces.value == "audition"
    assert not window.notices.waiting
