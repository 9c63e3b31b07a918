"""Going on with what was left: several searches, job folders of the command line, folders that are none."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QWizard
from pytestqt.qtbot import QtBot

from studio.cli import main
from studio.corpora.splits import choose_split
from studio.engine import JobContext
from studio.esn.mask import EsnMask
from studio.gui.loading import Loader
from studio.gui.main_window import MainWindow
from studio.gui.wizard.search import Stage
from studio.gui.wizard.wizard import FindNeurons, Step
from studio.pipelines.recipe import load_recipe
from studio.pipelines.verdicts import load_verdicts
from tests.gui.driving import PATIENCE, press
from tests.gui.wizard.driving import (
    TOY_RATE,
    HeldModel,
    next_page,
    toy_loader,
    toy_texts,
    type_number,
    wait_for_conversions,
    wait_for_stage,
    walk_to_settings,
)
from tests.pipelines.toy import ToyJudge, ToyModel


class Interrupted(ToyModel):
    """Somebody presses Ctrl-C twice while the third batch is converted."""

    def convert(self, requests, **settings):
        if self.converted >= 8:
            raise KeyboardInterrupt
        return super().convert(requests, **settings)


class Mute(ToyModel):
    """Has nothing to say any more."""

    def convert(self, requests, **settings):
        raise AssertionError("everything was converted before")


@pytest.fixture
def identify(monkeypatch: pytest.MonkeyPatch, toy: Path) -> Callable[..., int]:
    """The command, with the toy model in the catalog."""

    def run(*line: object, corpus: Path = toy, model: type[ToyModel] = ToyModel) -> int:
        monkeypatch.setattr("studio.lalm.catalog.load_model", lambda name: model(toy_texts()))
        monkeypatch.setattr("studio.judges.catalog.load_judge", lambda name: ToyJudge())
        rest = ("--batch", 4, "--rate", TOY_RATE / 100, "--json")
        return main([str(part) for part in ("identify", corpus, *rest, *line)])

    return run


def open_folder(window: MainWindow, folder: Path, monkeypatch: pytest.MonkeyPatch) -> FindNeurons:
    """Choose a job folder on the first page."""
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_args: str(folder))
    press(window.top.find_neurons)
    wizard = window.wizard
    assert wizard is not None
    press(wizard.dataset.open_job)
    return wizard


def test_all_searches_that_were_left_are_offered_the_newest_first(
    qtbot: QtBot, open_window: Callable[[Loader], MainWindow], toy_window: MainWindow, held: HeldModel, toy: Path
) -> None:
    search = toy_window.studio.search
    wizard = walk_to_settings(qtbot, toy_window, toy)
    press(wizard.settings.more)
    type_number(wizard.settings.batch, 4)
    for threshold, batches in ((15, 2), (20, 1)):
        held.left = batches
        type_number(wizard.settings.wer, threshold)
        next_page(wizard)
        wait_for_conversions(qtbot, search, 4 * batches)
        press(wizard.run.go)
        wait_for_stage(qtbot, search, Stage.PAUSED)
        press(wizard.button(QWizard.WizardButton.BackButton))
    newest, oldest = search.unfinished.folders()
    toy_window.close()

    window = open_window(toy_loader(HeldModel(toy_texts())))
    window.offer_to_go_on()
    assert newest.name in window.notices.text.text()
    assert "offers 1 older" in window.notices.text.text()
    press(window.top.find_neurons)
    assert window.wizard is not None
    page = window.wizard.dataset
    assert [page.left.itemData(place) for place in range(page.left.count())] == [newest, oldest]
    page.left.setFocus()
    QTest.keyClick(page.left, Qt.Key.Key_Down)
    press(page.go_on)
    later = window.studio.search
    wait_for_stage(qtbot, later, Stage.FINISHED)
    assert later.folder == oldest
    assert later.recipe.wer_threshold == 0.15


def test_a_search_is_no_more_offered_when_one_does_not_want_it(
    qtbot: QtBot, open_window: Callable[[Loader], MainWindow], toy_window: MainWindow, held: HeldModel, toy: Path
) -> None:
    held.left = 1
    wizard = walk_to_settings(qtbot, toy_window, toy)
    next_page(wizard)
    wait_for_conversions(qtbot, toy_window.studio.search, 1)
    press(wizard.run.go)
    wait_for_stage(qtbot, toy_window.studio.search, Stage.PAUSED)
    folder = toy_window.studio.search.folder
    toy_window.close()
    window = open_window(toy_loader(HeldModel(toy_texts())))
    press(window.top.find_neurons)
    assert window.wizard is not None
    assert window.wizard.dataset.left_behind.isVisible()
    press(window.wizard.dataset.forget)
    assert not window.wizard.dataset.left_behind.isVisible()
    assert folder is not None
    assert folder.is_dir()
    window.notices.dismiss()
    window.offer_to_go_on()
    assert not window.notices.waiting


def test_what_the_command_began_is_gone_on_with_in_the_window(
    qtbot: QtBot,
    toy_window: MainWindow,
    identify: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert identify("--seed", 3, "--out", tmp_path / "whole") == 0
    assert identify("--seed", 3, "--out", tmp_path / "mine", model=Interrupted) == 130
    wizard = open_folder(toy_window, tmp_path / "mine.job", monkeypatch)
    search = toy_window.studio.search
    wait_for_stage(qtbot, search, Stage.FINISHED)
    assert wizard.currentId() == Step.RUN
    assert search.results.selection is not None
    assert search.results.selection.mask.fingerprint() == EsnMask.load(tmp_path / "whole").fingerprint()


def test_the_command_goes_on_with_what_the_window_made_and_converts_nothing_again(
    qtbot: QtBot, toy_window: MainWindow, toy: Path, identify: Callable[..., int], tmp_path: Path
) -> None:
    search = toy_window.studio.search
    wizard = walk_to_settings(qtbot, toy_window, toy)
    press(wizard.settings.more)
    before = search.corpus.checked
    type_number(wizard.settings.seed, 3)
    qtbot.waitUntil(lambda: search.corpus.checked is not before, timeout=PATIENCE)
    next_page(wizard)
    wait_for_stage(qtbot, search, Stage.FINISHED)
    assert search.folder is not None
    assert load_recipe(search.folder) == search.recipe
    assert search.corpus.checked is not None
    split = choose_split("folders", search.corpus.checked.report.listed, seed=3)
    own = {each.path for each in split["identification"] if each.text}
    assert {Path(each.source) for each in search.results.attempts} == own, "the split of the seed that was typed"
    assert search.results.selection is not None
    mine = search.results.selection.mask.fingerprint()
    line = ("select", search.folder, "--rate", TOY_RATE / 100, "--out", tmp_path / "selected")
    assert main([str(part) for part in line]) == 0
    assert EsnMask.load(tmp_path / "selected").fingerprint() == mine
    same = ("--seed", 3, "--batch", search.recipe.batch, "--work", search.folder)
    assert identify(*same, "--out", tmp_path / "mask", model=Mute) == 0
    assert EsnMask.load(tmp_path / "mask").fingerprint() == mine


def test_a_job_whose_corpus_is_gone_can_still_be_reviewed_and_saved(
    qtbot: QtBot,
    toy_window: MainWindow,
    identify: Callable[..., int],
    toy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = tmp_path / "gone"
    shutil.copytree(toy, gone)
    assert identify("--out", tmp_path / "mine", corpus=gone) == 0
    shutil.rmtree(gone)
    wizard = open_folder(toy_window, tmp_path / "mine.job", monkeypatch)
    qtbot.waitUntil(lambda: bool(wizard.run.notices.waiting), timeout=PATIENCE)
    assert "There is no corpus folder" in wizard.run.notices.waiting[0].text
    search = toy_window.studio.search
    assert search.stage is Stage.PAUSED
    next_page(wizard)
    qtbot.waitUntil(lambda: wizard.review.list.conversions.rowCount() == search.found, timeout=PATIENCE)
    qtbot.waitUntil(wizard.review.isComplete, timeout=PATIENCE)
    next_page(wizard)
    assert wizard.currentId() == Step.SAVE


def test_a_verdict_given_just_before_the_window_closes_is_kept(qtbot: QtBot, toy_window: MainWindow, toy: Path) -> None:
    search = toy_window.studio.search
    wizard = walk_to_settings(qtbot, toy_window, toy)
    next_page(wizard)
    wait_for_stage(qtbot, search, Stage.FINISHED)
    next_page(wizard)
    qtbot.waitUntil(lambda: wizard.review.list.conversions.rowCount() == search.found, timeout=PATIENCE)
    busy, ended = threading.Event(), threading.Event()

    def take_long(context: JobContext) -> None:
        busy.set()
        while not context.cancelled():
            ended.wait(0.005)

    toy_window.studio.corpus_worker.submit("something long", take_long, lambda _none: None)
    qtbot.waitUntil(busy.is_set, timeout=PATIENCE)
    first = wizard.review.list.current
    assert first is not None
    QTest.keyClick(wizard.review.list, Qt.Key.Key_R)
    folder = search.folder
    assert folder is not None
    assert load_verdicts(folder) == {}
    toy_window.close()
    assert load_verdicts(folder) == {first.id: False}


def test_a_folder_that_is_no_job_is_one_sentence(
    qtbot: QtBot, toy_window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wizard = open_folder(toy_window, tmp_path, monkeypatch)
    qtbot.waitUntil(lambda: bool(wizard.dataset.notices.waiting), timeout=PATIENCE)
    assert "has no 'search.json'" in wizard.dataset.notices.waiting[0].text
    assert wizard.currentId() == Step.DATASET
