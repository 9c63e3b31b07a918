"""Pausing, cancelling, closing and coming back, with a model that waits when told to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QWizard
from pytestqt.qtbot import QtBot

from studio.gui.loading import Loader
from studio.gui.main_window import MainWindow
from studio.gui.wizard.search import Stage
from studio.gui.wizard.wizard import FindNeurons, Step
from tests.gui.driving import PATIENCE, press
from tests.gui.wizard.driving import (
    HeldModel,
    next_page,
    toy_loader,
    toy_texts,
    type_number,
    wait_for_conversions,
    wait_for_stage,
    walk_to_settings,
)


def begin(qtbot: QtBot, window: MainWindow, held: HeldModel, corpus: Path, batches: int = 3) -> FindNeurons:
    """A search that stands still after a few batches."""
    held.left = batches
    wizard = walk_to_settings(qtbot, window, corpus)
    press(wizard.settings.more)
    type_number(wizard.settings.batch, 4)
    next_page(wizard)
    wait_for_conversions(qtbot, window.studio.search, 4 * batches)
    return wizard


def answer(wizard: FindNeurons, text: str) -> None:
    """Press a button of the question that is open."""
    question = wizard.question
    assert question is not None
    button = next(each for each in question.buttons() if each.text() == text)
    press(button)


def test_cancel_keeps_what_was_converted_and_starting_again_goes_on(
    qtbot: QtBot, toy_window: MainWindow, held: HeldModel, toy: Path
) -> None:
    search = toy_window.studio.search
    wizard = begin(qtbot, toy_window, held, toy)
    assert toy_window.steering.render_button.toolTip().startswith("The model is finding neurons")
    assert not wizard.button(QWizard.WizardButton.BackButton).isEnabled()
    press(wizard.run.cancel)
    wait_for_stage(qtbot, search, Stage.CANCELLED)
    assert "they are kept" in wizard.run.status.text()
    assert search.unfinished.folders() == [], "a cancelled search is not offered again"
    folder = search.folder
    held.go.set()
    press(wizard.run.go)
    wait_for_stage(qtbot, search, Stage.FINISHED)
    assert search.folder == folder
    assert held.converted == len(search.results.attempts), "nothing was converted twice"


def test_closing_the_wizard_during_a_search_asks_and_pauses(
    qtbot: QtBot, toy_window: MainWindow, held: HeldModel, toy: Path
) -> None:
    search = toy_window.studio.search
    wizard = begin(qtbot, toy_window, held, toy)
    wizard.close()
    assert wizard.isVisible()
    answer(wizard, "Go on searching")
    assert search.stage is Stage.RUNNING
    QTest.keyClick(wizard, Qt.Key.Key_Escape)
    answer(wizard, "Pause and close")
    wait_for_stage(qtbot, search, Stage.PAUSED)
    qtbot.waitUntil(lambda: not wizard.isVisible(), timeout=PATIENCE)
    press(toy_window.top.find_neurons)
    assert wizard.isVisible()
    assert wizard.currentId() == Step.RUN
    held.go.set()
    press(wizard.run.go)
    wait_for_stage(qtbot, search, Stage.FINISHED)


def test_closing_the_studio_pauses_and_the_next_start_offers_to_go_on(
    qtbot: QtBot,
    open_window: Callable[[Loader], MainWindow],
    toy_window: MainWindow,
    held: HeldModel,
    toy: Path,
) -> None:
    wizard = begin(qtbot, toy_window, held, toy)
    toy_window.close()
    assert toy_window.isVisible()
    answer(wizard, "Pause and close")
    qtbot.waitUntil(lambda: not toy_window.isVisible(), timeout=PATIENCE)
    before, folder = toy_window.studio.search.results.attempts, toy_window.studio.search.folder

    later = HeldModel(toy_texts())
    window = open_window(toy_loader(later))
    window.offer_to_go_on()
    assert window.notices.offer_buttons[0].text() == "Go on with it"
    press(window.notices.offer_buttons[0])
    search = window.studio.search
    wait_for_stage(qtbot, search, Stage.FINISHED)
    assert search.folder == folder
    assert search.results.attempts[: len(before)] == before
    assert later.converted == len(search.results.attempts) - len(before)
    assert window.wizard is not None
    assert window.wizard.currentId() == Step.RUN
    assert window.wizard.run.chart.counts.sum() > 0
    next_page(window.wizard)
    qtbot.waitUntil(lambda: window.wizard is not None and window.wizard.review.isComplete(), timeout=PATIENCE)


def test_a_paused_search_can_be_used_as_it_is(qtbot: QtBot, toy_window: MainWindow, held: HeldModel, toy: Path) -> None:
    search = toy_window.studio.search
    wizard = begin(qtbot, toy_window, held, toy, batches=5)
    forward: QAbstractButton = wizard.button(QWizard.WizardButton.NextButton)
    assert not forward.isEnabled()
    assert forward.toolTip() == "Pause the search to use what it has found so far."
    press(wizard.run.go)
    wait_for_stage(qtbot, search, Stage.PAUSED)
    next_page(wizard)
    qtbot.waitUntil(lambda: search.results.selection is not None, timeout=PATIENCE)
    assert search.results.selection is not None
    assert sum(search.results.selection.successes.values()) == search.found
