"""A model that is lost while it identifies: the wizard says what happened and offers ways on, and the job is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from studio.engine import JobContext
from studio.gui import loading
from studio.gui.loading import Loaded, Loader
from studio.gui.main_window import MainWindow
from studio.gui.wizard.search import Stage
from studio.gui.wizard.wizard import FindNeurons
from studio.lalm import catalog
from studio.lalm.base import Conversion, ConversionRequest
from studio.lalm.entries import ENTRIES, ModelFacts
from studio.lalm.failures import HostError, HostOutOfMemory
from studio.lalm.options import ModelOptions, options_of
from studio.pipelines.records import read_attempts
from tests.gui.driving import PATIENCE, press
from tests.gui.wizard.driving import next_page, toy_texts, type_number, wait_for_stage, walk_to_settings
from tests.pipelines.toy import ToyJudge, ToyModel

BIG = ModelFacts(
    "big", "Big", "a model that has little room", "none:none", "", ("language",), batches=True,
    memory={"bf16": 2, "8bit": 1}, precisions=("bf16", "8bit"),
)  # fmt: skip
AGAIN, FEWER, SMALLER, EMBEDDED = "Start it again", "Smaller batch", "Load it in 8bit", "Use the embedded model"


class Failing(ToyModel):
    """Is lost once after so many conversions, or has no room for more than so many rows."""

    def __init__(self, *, lost_after: int = 10**9, room: int = 10**9, error: Exception | None = None) -> None:
        super().__init__(toy_texts())
        self.lost_after, self.room, self.most = lost_after, room, 0
        self.error = error or HostOutOfMemory("Big ran out of memory.")

    def convert(self, requests: Sequence[ConversionRequest], **options: Any) -> list[Conversion]:
        if self.converted >= self.lost_after or len(requests) > self.room:
            self.lost_after = 10**9
            raise self.error
        self.most = max(self.most, len(requests))
        return super().convert(requests, **options)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "ENTRIES", (*ENTRIES, BIG))


def begin(
    open_window: Callable[[Loader], MainWindow], qtbot: QtBot, model: ToyModel, corpus: Path, name: str
) -> tuple[MainWindow, FindNeurons]:
    """A search with ``model``, in batches of four, until it is lost."""
    window = open_window(lambda _context: Loaded(model, ToyJudge(), name=name))
    wizard = walk_to_settings(qtbot, window, corpus)
    window.studio.search.set_recipe(replace(window.studio.search.recipe, model=name))
    press(wizard.settings.more)
    type_number(wizard.settings.batch, 4)
    next_page(wizard)
    qtbot.waitUntil(lambda: bool(wizard.run.notices.waiting), timeout=PATIENCE)
    assert window.studio.search.stage is Stage.PAUSED
    return window, wizard


def wait_until_found(qtbot: QtBot, wizard: FindNeurons, window: MainWindow) -> None:
    """Until the search has ended; it stands still while another model is loaded."""
    search = window.studio.search
    qtbot.waitUntil(lambda: search.stage is Stage.FINISHED or bool(wizard.run.notices.waiting), timeout=PATIENCE)
    assert search.stage is Stage.FINISHED, wizard.run.notices.waiting


def offered(wizard: FindNeurons) -> dict[str, QPushButton]:
    return {button.text(): button for button in wizard.run.notices.offer_buttons}


def test_a_host_that_is_lost_is_started_again_and_the_job_goes_on(
    open_window: Callable[[Loader], MainWindow], qtbot: QtBot, toy: Path
) -> None:
    how = "Big ended unexpectedly."
    model = Failing(lost_after=8, error=HostError(how))
    window, wizard = begin(open_window, qtbot, model, toy, "big")
    search = window.studio.search
    assert [notice.text for notice in wizard.run.notices.waiting] == [how]
    assert list(offered(wizard)) == [AGAIN, EMBEDDED]
    assert window.studio.keeper.taken is None
    folder = search.folder
    press(offered(wizard)[AGAIN])
    wait_for_stage(qtbot, search, Stage.FINISHED)
    assert search.folder == folder
    assert not wizard.run.notices.waiting
    assert model.converted == len(search.results.attempts), "nothing was converted twice"


def test_out_of_memory_goes_on_in_smaller_pieces_of_the_same_job(
    open_window: Callable[[Loader], MainWindow], qtbot: QtBot, toy: Path
) -> None:
    model = Failing(room=2)
    window, wizard = begin(open_window, qtbot, model, toy, "big")
    search = window.studio.search
    assert list(offered(wizard)) == [FEWER, AGAIN, SMALLER, EMBEDDED]
    assert "where the search was" in offered(wizard)[FEWER].toolTip()
    assert "a search of its own" in offered(wizard)[SMALLER].toolTip()
    folder = search.folder
    press(offered(wizard)[FEWER])
    wait_for_stage(qtbot, search, Stage.FINISHED)
    assert search.folder == folder
    assert model.most == 2
    assert folder is not None
    assert max(each.rows for each in read_attempts(folder)) == 4, "the job's batches stay what they were"


def test_another_precision_begins_a_job_beside_the_one_that_is_kept(
    open_window: Callable[[Loader], MainWindow], qtbot: QtBot, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roomy = ToyModel(toy_texts(), name="toy in 8bit")

    def load_named(_context: JobContext, name: str) -> Loaded:
        return Loaded(roomy, ToyJudge(), name=name, options=options_of(name))

    monkeypatch.setattr(loading, "load_named", load_named)
    monkeypatch.setattr(loading, "ready", catalog.find_model)
    window, wizard = begin(open_window, qtbot, Failing(lost_after=8), toy, "big")
    search = window.studio.search
    before = search.folder
    assert before is not None
    # As after a start that took it up: its corpus was not checked in this window.
    search.corpus.drop()
    press(offered(wizard)[SMALLER])
    wait_until_found(qtbot, wizard, window)
    assert options_of("big") == ModelOptions(precision="8bit")
    assert search.folder != before
    assert len(read_attempts(before)) == 8
    assert set(search.unfinished.folders()) == {before, search.folder}
    assert roomy.converted == len(search.results.attempts)


def test_the_embedded_model_is_a_way_out_in_memory_of_this_process(
    open_window: Callable[[Loader], MainWindow], qtbot: QtBot, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ToyModel(toy_texts(), name="toy that ships")
    monkeypatch.setattr(loading, "load_named", lambda _context, name: Loaded(other, ToyJudge(), name=name))
    window, wizard = begin(open_window, qtbot, Failing(lost_after=8, error=MemoryError()), toy, "big")
    search = window.studio.search
    (notice,) = wizard.run.notices.waiting
    assert notice.text == "Big ran out of memory; convert fewer at once, or close other programs."
    press(offered(wizard)[EMBEDDED])
    wait_until_found(qtbot, wizard, window)
    assert search.recipe.model == "embedded"
    assert other.converted == len(search.results.attempts)
