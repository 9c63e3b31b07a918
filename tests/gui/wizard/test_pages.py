"""The pages one by one: what they say, what they allow, and that everybody can reach everything."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QScrollArea, QWidget, QWizard
from pytestqt.qtbot import QtBot

from studio.audio.files import load_clip
from studio.corpora.base import Corpus
from studio.corpora.layouts import read_corpus
from studio.gui.formats import duration
from studio.gui.main_window import MainWindow
from studio.gui.theme import DARK, LIGHT, Theme
from studio.gui.wizard.conversions import audio_of
from studio.gui.wizard.search import Stage
from studio.gui.wizard.wizard import FindNeurons, Step
from tests.gui.driving import PATIENCE, press
from tests.gui.wizard.driving import (
    TOY_RATE,
    HeldModel,
    next_page,
    type_into,
    type_number,
    wait_for_conversions,
    wait_for_stage,
    walk_to_settings,
)


def controls(wizard: FindNeurons) -> Iterator[QWidget]:
    """Everything visible that can have the focus."""
    for widget in wizard.findChildren(QWidget):
        if widget.isVisible() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.focusProxy() is None:
            yield widget


def finish(qtbot: QtBot, window: MainWindow, held: HeldModel, corpus: Path) -> FindNeurons:
    """A search that is done."""
    wizard = walk_to_settings(qtbot, window, corpus)
    next_page(wizard)
    wait_for_stage(qtbot, window.studio.search, Stage.FINISHED)
    return wizard


def each_page(qtbot: QtBot, window: MainWindow, corpus: Path) -> Iterator[FindNeurons]:
    """The wizard on every page, with something to see on it."""
    press(window.top.find_neurons)
    wizard = window.wizard
    assert wizard is not None
    type_into(wizard.dataset.path, str(corpus))
    yield wizard
    for step in list(Step)[1:]:
        qtbot.waitUntil(wizard.button(QWizard.WizardButton.NextButton).isEnabled, timeout=PATIENCE)
        next_page(wizard)
        assert wizard.currentId() == step
        if step is Step.SETTINGS:
            assert wizard.settings.missing.text() == "0.50 % of 48 neurons is none; choose a larger rate."
            type_number(wizard.settings.rate, TOY_RATE)
        if step is Step.RUN:
            wait_for_stage(qtbot, window.studio.search, Stage.FINISHED)
        if step is not Step.SAVE:
            qtbot.waitUntil(wizard.button(QWizard.WizardButton.NextButton).isEnabled, timeout=PATIENCE)
        yield wizard


def test_every_control_is_named_and_the_disabled_say_why(qtbot: QtBot, toy_window: MainWindow, toy: Path) -> None:
    for wizard in each_page(qtbot, toy_window, toy):
        page = wizard.currentId()
        for widget in controls(wizard):
            label = widget.accessibleName() or (widget.text() if isinstance(widget, QAbstractButton) else "")
            assert label, f"{type(widget).__name__} on page {page}"
            assert widget.isEnabled() or widget.toolTip(), f"{label} on page {page}"


def test_tab_reaches_every_control(qtbot: QtBot, toy_window: MainWindow, toy: Path) -> None:
    for wizard in each_page(qtbot, toy_window, toy):
        expected = {
            widget
            for widget in controls(wizard)
            if widget.isEnabled() and not (isinstance(widget, QAbstractButton) and widget.group() is not None)
        }
        reached: set[QWidget | None] = set()
        for _ in range(3 * len(expected) + 10):
            QTest.keyClick(wizard.focusWidget() or wizard, Qt.Key.Key_Tab)
            reached.add(wizard.focusWidget())
        missing = {f"{type(widget).__name__} {widget.accessibleName()}" for widget in expected - reached}
        assert missing == set(), f"page {wizard.currentId()}"


def test_it_fits_a_small_screen_on_every_page(qtbot: QtBot, toy_window: MainWindow, toy: Path) -> None:
    for wizard in each_page(qtbot, toy_window, toy):
        wizard.resize(960, 540)
        size = (wizard.width(), wizard.height())
        assert size == (960, 540), f"page {wizard.currentId()} on a screen of 1920 by 1080 at 200 %"
        QApplication.processEvents()
        for area in wizard.currentPage().findChildren(QScrollArea):
            assert area.horizontalScrollBar().maximum() == 0, f"page {wizard.currentId()} must scroll sideways"


def test_what_does_not_fit_a_smaller_screen_can_be_scrolled_to(qtbot: QtBot, toy_window: MainWindow, toy: Path) -> None:
    wizard = next(iter(each_page(qtbot, toy_window, toy)))
    wizard.resize(640, 480)
    [area] = wizard.currentPage().findChildren(QScrollArea)
    qtbot.waitUntil(
        lambda: area.horizontalScrollBar().isVisible() and area.horizontalScrollBar().maximum() > 0, timeout=PATIENCE
    )


def test_a_folder_that_is_no_corpus_is_told_and_can_be_put_right(
    qtbot: QtBot, toy_window: MainWindow, toy: Path, tmp_path: Path
) -> None:
    press(toy_window.top.find_neurons)
    wizard = toy_window.wizard
    assert wizard is not None
    assert not wizard.button(QWizard.WizardButton.NextButton).isEnabled()
    type_into(wizard.dataset.path, str(tmp_path / "nothing"))
    next_page(wizard)
    qtbot.waitUntil(lambda: bool(wizard.check.notices.waiting), timeout=PATIENCE)
    assert "nothing" in wizard.check.notices.waiting[0].text
    assert not wizard.button(QWizard.WizardButton.NextButton).isEnabled()
    press(wizard.button(QWizard.WizardButton.BackButton))
    type_into(wizard.dataset.path, str(toy))
    next_page(wizard)
    qtbot.waitUntil(lambda: toy_window.studio.search.corpus.checked is not None, timeout=PATIENCE)
    assert wizard.check.problem_title.text() == "Problems: 1 unreadable"
    assert "broken.wav" in str(wizard.check.problems.model().index(0, 0).data())


def test_while_a_folder_is_looked_through_nobody_knows_how_much_is_done(
    qtbot: QtBot, toy_window: MainWindow, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = threading.Event()

    def take_long(root: Path, layout: str) -> Corpus:
        listed.wait(PATIENCE / 1000)
        return read_corpus(root, layout)

    monkeypatch.setattr("studio.corpora.check.read_corpus", take_long)
    press(toy_window.top.find_neurons)
    wizard = toy_window.wizard
    assert wizard is not None
    type_into(wizard.dataset.path, str(toy))
    next_page(wizard)
    bar, status = wizard.check.bar, wizard.check.status
    assert bar.busy
    assert bar.accessibleDescription() == "under way"
    assert status.text() == f"Looking for recordings in {toy}"
    before = bar.grab().toImage()
    qtbot.waitUntil(lambda: bar.grab().toImage() != before, timeout=PATIENCE)
    seen: list[tuple[bool, str]] = []
    toy_window.studio.search.corpus.progress.connect(lambda _share: seen.append((bar.busy, status.text())))
    listed.set()
    qtbot.waitUntil(wizard.check.isComplete, timeout=PATIENCE)
    assert set(seen) == {(False, f"Reading {toy}")}


def test_another_corpus_need_not_wait_for_the_one_before(
    qtbot: QtBot, toy_window: MainWindow, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = threading.Event()
    slow = tmp_path / "slow"

    def take_long(root: Path, layout: str) -> Corpus:
        if root == slow:
            left.wait(PATIENCE / 1000)
        return read_corpus(root, layout)

    monkeypatch.setattr("studio.corpora.check.read_corpus", take_long)
    press(toy_window.top.find_neurons)
    wizard = toy_window.wizard
    assert wizard is not None
    type_into(wizard.dataset.path, str(slow))
    next_page(wizard)
    press(wizard.button(QWizard.WizardButton.BackButton))
    type_into(wizard.dataset.path, str(toy))
    next_page(wizard)
    assert toy_window.studio.search.corpus.checking
    left.set()
    qtbot.waitUntil(wizard.check.isComplete, timeout=PATIENCE)
    assert not wizard.check.notices.waiting, "nobody asks for the other any more"


def test_an_audio_language_model_can_judge(
    qtbot: QtBot, toy_window: MainWindow, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "toy_listener.py").write_text(
        "from tests.pipelines.toy import ToyJudge\n"
        "class Listener:\n"
        "    name = 'toy-listener'\n"
        "    def answer(self, clip, question):\n"
        "        heard = ToyJudge().judge(clip)\n"
        "        return max(heard, key=heard.get)\n"
        "def load():\n"
        "    return Listener()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    search = toy_window.studio.search
    wizard = walk_to_settings(qtbot, toy_window, toy)
    press(wizard.button(QWizard.WizardButton.BackButton))
    page, forward = wizard.model, wizard.button(QWizard.WizardButton.NextButton)
    assert not page.asked.isVisible()
    page.judge.setFocus()
    QTest.keyClick(page.judge, Qt.Key.Key_End)
    assert page.judge.currentText() == "Audio language model"
    assert not forward.isEnabled()
    assert "package.module:function" in page.missing.text()
    type_into(page.asked, "toy_listener:absent")
    next_page(wizard)
    next_page(wizard)
    qtbot.waitUntil(lambda: bool(wizard.run.notices.waiting), timeout=PATIENCE)
    assert "'toy_listener:absent' cannot be loaded" in wizard.run.notices.waiting[0].text
    assert search.unfinished.folders() == [], "nothing was begun"

    press(wizard.button(QWizard.WizardButton.BackButton))
    press(wizard.button(QWizard.WizardButton.BackButton))
    type_into(page.asked, "toy_listener:load")
    assert search.recipe.judge == "choice:toy_listener:load"
    next_page(wizard)
    next_page(wizard)
    wait_for_stage(qtbot, search, Stage.FINISHED)
    assert search.results.selection is not None
    assert search.results.selection.mask.metadata["judge"] == "choice-toy-listener"
    sys.modules.pop("toy_listener")


def test_the_run_page_tells_how_far_it_is_and_why_conversions_fail(
    qtbot: QtBot, toy_window: MainWindow, held: HeldModel, toy: Path
) -> None:
    search = toy_window.studio.search
    held.left = 5
    wizard = walk_to_settings(qtbot, toy_window, toy)
    press(wizard.settings.more)
    type_number(wizard.settings.batch, 4)
    next_page(wizard)
    page = wizard.run
    assert page.bar.accessibleDescription() == "under way"
    wait_for_conversions(qtbot, search, 20)
    assert not page.bar.busy
    assert page.status.text().startswith("Searching: 20 of at most ")
    assert page.left.text().startswith("about ")
    assert page.chart.counts.sum() > 0, "the map fills in"
    assert page.log.conversions.rowCount() == 20
    newest = page.log.conversions.attempt(0)
    assert newest is not None
    assert newest == search.results.attempts[-1]
    assert search.folder is not None
    sound = audio_of(newest, search.folder)
    assert sound is not None
    assert load_clip(sound).seconds > 0
    assert search.snapshot is not None
    for emotion, tried in search.snapshot.attempts.items():
        found, kinds = search.snapshot.successes[emotion], search.snapshot.rejections.get(emotion, {})
        assert sum(kinds.values()) == tried - found
        assert page.yields.text(emotion).startswith(f"{found} of 50")
        for kind, count in kinds.items():
            assert f"{kind} {count}" in page.yields.why(emotion)
    held.go.set()
    wait_for_stage(qtbot, search, Stage.FINISHED)
    assert page.bar.share == 1.0


def test_settings_reach_the_recipe(qtbot: QtBot, toy_window: MainWindow, toy: Path) -> None:
    wizard = walk_to_settings(qtbot, toy_window, toy)
    page, search = wizard.settings, toy_window.studio.search
    type_number(page.rate, 2.5)
    page.selector.setFocus()
    QTest.keyClick(page.selector, Qt.Key.Key_Down)
    QTest.keyClick(page.selector, Qt.Key.Key_Down)
    press(page.more)
    press(page.keep_audio, QPoint(10, page.keep_audio.height() // 2))
    recipe = search.recipe
    assert (recipe.rate, recipe.selector, recipe.keep_audio) == (0.025, "lape", False)
    assert page.percentile.isEnabled()
    for box in page.emotions.values():
        press(box)
    assert not wizard.button(QWizard.WizardButton.NextButton).isEnabled()
    assert page.missing.text() == "Choose at least one emotion."


def test_reviewing_filters_takes_back_and_replaces_nothing_unasked(
    qtbot: QtBot, toy_window: MainWindow, held: HeldModel, toy: Path, tmp_path: Path
) -> None:
    wizard = finish(qtbot, toy_window, held, toy)
    search, review = toy_window.studio.search, wizard.review
    next_page(wizard)
    qtbot.waitUntil(lambda: review.list.conversions.rowCount() == search.found, timeout=PATIENCE)
    assert not review.basis.button("ear").isEnabled()
    press(review.kinds.button("rejections"))
    rejected = review.list.current
    assert rejected is not None
    assert not rejected.success
    QTest.keyClick(review.list, Qt.Key.Key_A)
    assert search.results.verdict(rejected) is True
    press(review.basis.button("ear"))
    qtbot.waitUntil(lambda: search.results.selection is not None and search.results.selection.by_ear, timeout=PATIENCE)
    review.list.select(0)
    QTest.keyClick(review.list, Qt.Key.Key_Backspace)
    assert search.results.verdict(rejected) is None
    # With nothing accepted, the judge's successes count again.
    qtbot.waitUntil(
        lambda: search.results.selection is not None and not search.results.selection.by_ear and review.isComplete(),
        timeout=PATIENCE,
    )
    next_page(wizard)
    there = tmp_path / "there.esn.safetensors"
    there.write_bytes(b"somebody's")
    type_into(wizard.save.path, str(there))
    press(wizard.save.save)
    qtbot.waitUntil(lambda: wizard.save.save.text() == "Replace it", timeout=PATIENCE)
    assert there.read_bytes() == b"somebody's"
    press(wizard.save.save)
    qtbot.waitUntil(lambda: search.results.saved_to == there, timeout=PATIENCE)
    assert there.read_bytes() != b"somebody's"


def test_it_is_drawn_in_both_schemes(qtbot: QtBot, toy_window: MainWindow, theme: Theme, toy: Path) -> None:
    press(toy_window.top.find_neurons)
    wizard = toy_window.wizard
    assert wizard is not None
    for choice, colours in (("light", LIGHT), ("dark", DARK)):
        theme.choose(choice)
        qtbot.waitUntil(partial(corner_is, wizard.steps, colours.window.lower()), timeout=PATIENCE)


def corner_is(widget: QWidget, colour: str) -> bool:
    return colour == widget.grab().toImage().pixelColor(widget.width() - 2, widget.height() - 2).name()


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "5 s"), (41, "45 s"), (58, "1 min"), (200, "3 min"), (3600, "1 h"), (7800, "2 h 10 min")]
)
def test_durations_read_like_people_say_them(seconds: float, words: str) -> None:
    assert duration(seconds).replace("\u00a0", " ") == words
