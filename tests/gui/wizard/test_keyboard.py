"""From the review to the mask without a mouse."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget, QWizard
from pytestqt.qtbot import QtBot

from studio.esn.mask import EsnMask
from studio.gui.main_window import MainWindow
from studio.gui.wizard.search import Stage
from studio.gui.wizard.wizard import FindNeurons, Step
from studio.pipelines.verdicts import load_verdicts
from tests.gui.driving import PATIENCE
from tests.gui.wizard.driving import HeldModel, next_page, wait_for_stage, walk_to_settings


def key(wizard: FindNeurons, which: Qt.Key) -> None:
    """Press a key wherever the focus is."""
    QTest.keyClick(wizard.focusWidget() or wizard, which)


def tab_to(wizard: FindNeurons, wanted: QWidget) -> None:
    """Press Tab until the focus is there."""
    for _ in range(40):
        if wizard.focusWidget() is wanted:
            return
        key(wizard, Qt.Key.Key_Tab)
    raise AssertionError(f"Tab does not lead to {wanted.accessibleName()}")


def test_everything_is_heard_judged_and_saved_by_key(
    qtbot: QtBot, toy_window: MainWindow, held: HeldModel, toy: Path, tmp_path: Path
) -> None:
    search = toy_window.studio.search
    wizard = walk_to_settings(qtbot, toy_window, toy)
    next_page(wizard)
    wait_for_stage(qtbot, search, Stage.FINISHED)

    forward, review = wizard.button(QWizard.WizardButton.NextButton), wizard.review
    tab_to(wizard, forward)
    key(wizard, Qt.Key.Key_Space)
    assert wizard.currentId() == Step.REVIEW
    qtbot.waitUntil(lambda: review.list.conversions.rowCount() == search.found, timeout=PATIENCE)
    assert wizard.focusWidget() is review.list, "the list can be judged at once"
    first, second = (review.list.conversions.attempt(row) for row in range(2))
    assert first is not None
    assert second is not None
    key(wizard, Qt.Key.Key_A)
    key(wizard, Qt.Key.Key_R)
    key(wizard, Qt.Key.Key_A)
    key(wizard, Qt.Key.Key_Up)
    key(wizard, Qt.Key.Key_Backspace)
    folder = search.folder
    assert folder is not None
    qtbot.waitUntil(lambda: load_verdicts(folder) == {first.id: True, second.id: False}, timeout=PATIENCE)

    tab_to(wizard, review.basis.button("judge"))
    key(wizard, Qt.Key.Key_Right)
    qtbot.waitUntil(
        lambda: search.results.selection is not None and search.results.selection.by_ear and review.isComplete(),
        timeout=PATIENCE,
    )
    tab_to(wizard, forward)
    key(wizard, Qt.Key.Key_Space)
    assert wizard.currentId() == Step.SAVE
    target = tmp_path / "by-key.esn.safetensors"
    tab_to(wizard, wizard.save.path)
    wizard.save.path.selectAll()
    QTest.keyClicks(wizard.save.path, str(target))
    key(wizard, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: search.results.saved_to == target, timeout=PATIENCE)
    assert EsnMask.load(target).method == "CAS-H"
    tab_to(wizard, wizard.button(QWizard.WizardButton.FinishButton))
    key(wizard, Qt.Key.Key_Space)
    assert not wizard.isVisible()
