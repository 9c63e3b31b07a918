"""The list of models in the window: by mouse and key, with downloads that are real work of the worker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QCheckBox, QComboBox, QMessageBox, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from studio.errors import Cancelled, StudioError
from studio.gui import loading
from studio.gui.loading import Loaded
from studio.gui.main_window import MainWindow
from studio.gui.measuring import Measurer
from studio.gui.models.card import ModelCard
from studio.gui.models.consent import ConsentDialog
from studio.gui.models.dialog import ModelsDialog
from studio.gui.models.place import Place
from studio.lalm import catalog
from studio.lalm.consent import granted
from studio.lalm.entries import ENTRIES, GIB, JUDGES, ModelFacts
from studio.lalm.fit import Card
from studio.lalm.options import ModelOptions, options_of
from studio.lalm.remote_code import code_digest
from studio.lalm.weights import snapshot
from studio.progress import Progress
from tests.gui.driving import PATIENCE
from tests.gui.standin import StandIn

SMALL = "qwen2.5-omni-3b"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def opened(window: MainWindow, qtbot: QtBot) -> ModelsDialog:
    qtbot.mouseClick(window.top.model, Qt.MouseButton.LeftButton)
    dialog = window.model_dialogs.models
    assert dialog is not None
    qtbot.waitUntil(dialog.isVisible, timeout=PATIENCE)
    return dialog


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
    assert list(dialog.cards) == [facts.name for facts in (*ENTRIES, *JUDGES)]
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
    qtbot.waitUntil(lambda: shown.progress.bar.share == 0.5, timeout=PATIENCE)
    assert shown.progress.isVisible()
    assert shown.progress.share.text().startswith("50")
    other = opened(window, qtbot).cards["qwen2.5-omni-7b"]
    assert not other.fetch.isEnabled()
    assert "Another model" in other.fetch.toolTip()
    qtbot.mouseClick(shown.cancel, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.studio.downloads.active is None, timeout=PATIENCE)
    assert "Cancelled" in shown.problem.text()
    goes_on.set()
    qtbot.mouseClick(shown.fetch, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: shown.state.text() == "Installed", timeout=PATIENCE)
    assert shown.use.isEnabled()
    assert not shown.problem.isVisible()


def test_a_failed_download_says_why(window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(facts: ModelFacts, *, progress: Progress, cancelled: Callable[[], bool]) -> None:
        raise StudioError("The hub was not reached.")

    monkeypatch.setattr("studio.lalm.weights.download", download)
    shown = card(window, qtbot)
    qtbot.mouseClick(shown.fetch, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: shown.problem.text() == "The hub was not reached.", timeout=PATIENCE)
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
        qtbot.waitUntil(
            lambda: shown.findChild(QMessageBox) is None and window.studio.downloads.active is None, timeout=PATIENCE
        )
        assert shown.state.text() == ("Not downloaded" if gone else "Installed")


def test_another_model_takes_over_and_a_failure_brings_the_old_one_back(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, standin: StandIn
) -> None:
    install(next(each for each in ENTRIES if each.name == SMALL))
    studio, keeper, other = window.studio, window.studio.keeper, StandIn()
    mask = studio.state.mask
    closed: list[bool] = []

    def fail(context: object, name: str) -> Loaded:
        closed.append(standin.closed)
        raise StudioError("It does not fit this card.")

    def succeed(context: object, name: str) -> Loaded:
        closed.append(standin.closed)
        return Loaded(other, name=name)

    monkeypatch.setattr(loading, "load_named", fail)
    shown = card(window, qtbot)
    with qtbot.waitSignal(studio.notice) as told:
        qtbot.mouseClick(shown.use, Qt.MouseButton.LeftButton)
        assert not shown.use.isEnabled()
        assert shown.use.toolTip() == "A model is being loaded"
    assert told.args[0].text == "It does not fit this card."
    assert keeper.loaded is not None
    assert keeper.loaded.model is standin
    assert studio.state.mask is mask
    assert studio.renders.blocked() == "Choose a target emotion first"
    standin.closed = False
    monkeypatch.setattr(loading, "load_named", succeed)
    qtbot.mouseClick(shown.use, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: keeper.loaded is not None and keeper.loaded.model is other, timeout=PATIENCE)
    # Never two models in memory.
    assert closed == [True, True]
    assert shown.state.text() == "In use"
    assert studio.state.mask is None
    assert keeper.problem is None
    assert not other.closed


def test_the_measurer_goes_on_with_the_next_model() -> None:
    class Counted(Measurer):
        closed = 0

        def close(self) -> None:
            self.closed += 1
            super().close()

    first, second = Counted(), Counted()
    place, context = Place(), _Context()
    place.change(lambda _context: Loaded(StandIn(), measurer=first), lambda: None, context)
    changed = place.change(lambda _context: Loaded(StandIn(), measurer=second), lambda: None, context)
    assert changed.loaded is not None
    assert changed.loaded.measurer is first
    assert first.closed == 0
    place.close()
    assert first.closed == 1


def test_what_is_not_ready_frees_nothing(window: MainWindow, qtbot: QtBot, standin: StandIn) -> None:
    keeper = window.studio.keeper
    with qtbot.waitSignal(window.studio.notice) as told:
        keeper.choose(SMALL)
    assert "not downloaded" in told.args[0].text
    assert told.args[0].offers == ()
    assert keeper.loaded is not None
    assert keeper.loaded.model is standin
    assert not standin.closed


def test_options_are_shown_kept_and_used_by_loading_again(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(next(each for each in ENTRIES if each.name == SMALL))
    keeper, decisions = window.studio.keeper, window.studio.decisions
    monkeypatch.setattr(
        loading, "load_named", lambda context, name: Loaded(StandIn(), name=name, options=options_of(name))
    )
    dialog = opened(window, qtbot)
    assert dialog.cards["embedded"].options.isHidden()
    shown = dialog.cards[SMALL]
    row = shown.options
    assert row.precision.accessibleName() == "Precision of Qwen2.5-Omni 3B"
    assert [row.speaker.itemText(index) for index in range(3)] == ["default", "Chelsie", "Ethan"]
    qtbot.mouseClick(shown.use, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: shown.state.text() == "In use", timeout=PATIENCE)
    assert not shown.use.isEnabled()
    for box, value in ((row.precision, "4bit"), (row.speaker, "Ethan")):
        box.setFocus()
        for _ in range(box.findText(value, Qt.MatchFlag.MatchStartsWith) - box.currentIndex()):
            qtbot.keyClick(box, Qt.Key.Key_Down)
    qtbot.mouseClick(row.offline, Qt.MouseButton.LeftButton, pos=QPoint(8, row.offline.height() // 2))
    chosen = ModelOptions("4bit", "Ethan", offline=True)
    qtbot.waitUntil(lambda: options_of(SMALL) == chosen, timeout=PATIENCE)
    assert decisions.options(SMALL) == chosen
    assert shown.use.text() == "Load again"
    qtbot.mouseClick(shown.use, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: keeper.loaded is not None and keeper.loaded.options == chosen, timeout=PATIENCE)
    assert not shown.use.isEnabled()


def test_a_models_own_code_runs_only_after_a_yes(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, standin: StandIn
) -> None:
    facts = ModelFacts(
        "big", "Big", "", "none:none", "", ("language",), repo="them/big", revision="r1", remote_code=True
    )  # fmt: skip
    monkeypatch.setattr(catalog, "ENTRIES", (*ENTRIES, facts))
    install(facts)
    code = snapshot("them/big", "r1") / "modeling_big.py"
    code.write_text("answer = 42\n")
    other = StandIn()
    monkeypatch.setattr(loading, "load_named", lambda context, name: Loaded(other, name=name))
    keeper = window.studio.keeper
    shown = card(window, qtbot, "big")
    for answer in ("by key", "yes"):
        qtbot.mouseClick(shown.use, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: shown.window().findChild(ConsentDialog) is not None, timeout=PATIENCE)
        dialog = shown.window().findChild(ConsentDialog)
        assert dialog is not None
        digest = code_digest(code.parent)
        assert dialog.values["SHA-256"].text().replace("\n", "") == digest
        assert dialog.values["Repository"].text() == "them/big"
        assert dialog.values["Revision"].text() == "r1"
        assert dialog.files.toPlainText() == "modeling_big.py"
        assert "read and write your files" in dialog.words.text()
        assert dialog.decline.isDefault()
        if answer == "yes":
            qtbot.mouseClick(dialog.agree, Qt.MouseButton.LeftButton)
        else:
            qtbot.keyClick(dialog, Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: shown.window().findChild(ConsentDialog) is None, timeout=PATIENCE)
        if answer == "by key":
            assert keeper.loaded is not None
            assert keeper.loaded.model is standin
            assert not granted("big", "r1", digest)
            assert not standin.closed
            assert not window.notices.waiting
    qtbot.waitUntil(lambda: keeper.loaded is not None and keeper.loaded.model is other, timeout=PATIENCE)
    assert granted("big", "r1", digest)
    qtbot.waitUntil(shown.withdraw.isVisible, timeout=PATIENCE)
    qtbot.mouseClick(shown.withdraw, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(shown.withdraw.isHidden, timeout=PATIENCE)
    assert not granted("big", "r1", digest)


def test_every_control_is_named_reached_by_key_and_says_why_it_is_disabled(window: MainWindow, qtbot: QtBot) -> None:
    dialog = opened(window, qtbot)
    qtbot.waitUntil(dialog.cards[SMALL].fit.isVisible, timeout=PATIENCE)
    kinds = (QPushButton, QComboBox, QCheckBox)
    controls = [each for kind in kinds for each in dialog.findChildren(kind) if each.isVisible()]
    names = [each.accessibleName() or each.text() for each in controls if isinstance(each, QPushButton | QCheckBox)]
    assert all(names)
    assert len(set(names)) == len(names)
    for each in controls:
        assert each.isEnabled() or each.toolTip(), each.accessibleName()
    reached: list[QWidget] = []
    first = dialog.cards[SMALL].fetch
    first.setFocus()
    while not reached or dialog.focusWidget() is not first:
        reached.append(dialog.focusWidget())
        QTest.keyClick(dialog.focusWidget(), Qt.Key.Key_Tab)
    assert {each for each in controls if each.isEnabled()} == set(reached)
    judge = dialog.cards["wavlm"]
    assert judge.use.isHidden()
    assert judge.accessibleDescription().startswith("Not downloaded Whether two recordings are of one speaker")
    # What the keys reach can be seen.
    judge.fetch.setFocus()
    qtbot.waitUntil(lambda: not judge.fetch.visibleRegion().isEmpty(), timeout=PATIENCE)


@pytest.mark.parametrize("room", [8, 80])
def test_the_card_says_whether_it_fits_as_it_is_chosen(
    room: int, window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.gui.models.decisions.first_card", lambda *, whole: Card("RTX", room * GIB))
    shown = card(window, qtbot)
    fits = room > 13
    qtbot.waitUntil(
        lambda: shown.fit.text().endswith("in bf16: it fits." if fits else "in bf16: it does not fit."),
        timeout=PATIENCE,
    )
    assert shown.fit.property("role") == ("small" if fits else "warning")
    window.studio.decisions.choose(shown.entry.facts, ModelOptions(precision="4bit"))
    assert "in 4bit, as chosen" in shown.fit.text()


class _Context:
    def progress(self, share: float) -> None:
        return

    def event(self, value: object) -> None:
        return

    def cancelled(self) -> bool:
        return False
