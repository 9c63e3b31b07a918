"""Environments from the window: really made with venv and pip, cancelled, gone on with, checked and removed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from studio.gui.main_window import MainWindow
from studio.gui.models.card import ModelCard
from studio.gui.models.environment_row import EnvironmentRow
from studio.gui.models.setup import SetupDialog
from studio.lalm import catalog
from studio.lalm.catalog import Lack
from studio.lalm.entries import ENTRIES, ModelFacts
from studio.lalm.runtimes import specs
from studio.lalm.runtimes.records import find_record
from studio.lalm.weights import snapshot
from tests.gui.driving import PATIENCE, press
from tests.lalm.runtimes.conftest import gpu, offline, tiny, wheels

__all__ = ["gpu", "offline", "wheels"]

SPEC = tiny("running==1.0")
FACTS = ModelFacts(
    "small", "Small", "the embedded model in a process of its own", "studio.lalm.embedded:load", "", ("language",),
    repo="them/small", revision="r1", runtime=SPEC.name,
)  # fmt: skip


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A model of the catalog that is downloaded, and runs in the tiny environment."""
    monkeypatch.setattr(catalog, "ENTRIES", (*ENTRIES, FACTS))
    known = specs.runtimes
    monkeypatch.setattr(specs, "runtimes", lambda: (*known(), SPEC))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = snapshot("them/small", "r1")
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_text("{}")


def opened(window: MainWindow, qtbot: QtBot) -> tuple[ModelCard, EnvironmentRow]:
    qtbot.mouseClick(window.top.model, Qt.MouseButton.LeftButton)
    dialog = window.model_dialogs.models
    assert dialog is not None
    qtbot.waitUntil(dialog.isVisible, timeout=PATIENCE)
    card = dialog.cards["small"]
    assert card.environment is not None
    return card, card.environment


def asked(row: EnvironmentRow, qtbot: QtBot) -> SetupDialog:
    """The dialog, by key, once it knows what is needed."""
    row.set_up.setFocus()
    QTest.keyClick(row.set_up, Qt.Key.Key_Return)
    dialog = row.findChild(SetupDialog)
    assert dialog is not None
    qtbot.waitUntil(dialog.start.isEnabled, timeout=PATIENCE)
    return dialog


def wait_until_done(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: window.studio.environments.active is None, timeout=PATIENCE)


def test_set_up_cancelled_gone_on_with_checked_and_removed(window: MainWindow, qtbot: QtBot) -> None:
    card, row = opened(window, qtbot)
    assert row.words.text() == "It runs in an environment of its own (about 0.0 GB), which is not set up yet."
    assert card.use.toolTip() == "Its environment is not set up yet"
    assert not card.problem.isVisible()
    assert not row.check.isVisible()
    assert row.set_up.accessibleName() == "Set up the environment of Tiny"
    dialog = asked(row, qtbot)
    assert "needs about 0.0 GB in" in dialog.found.text()
    assert "are free; it is made with Python" in dialog.found.text()
    assert dialog.host.isHidden()
    QTest.keyClick(dialog.start, Qt.Key.Key_Return)
    press(row.cancel)
    wait_until_done(qtbot, window)
    assert row.note.text().startswith("Cancelled; what pip fetched is kept")
    assert find_record(SPEC.name) is None
    dialog = asked(row, qtbot)
    press(dialog.start)
    qtbot.waitUntil(row.progress.isVisible, timeout=PATIENCE)
    assert row.cancel.isVisible()
    assert not row.set_up.isVisible()
    wait_until_done(qtbot, window)
    assert row.note.text().startswith("The environment is ready, in ")
    assert row.words.text().startswith("Its environment is on this machine, with Python 3.")
    record = find_record(SPEC.name)
    assert record is not None
    assert record.ready
    assert catalog.find_model("small").problem is None
    assert card.use.isEnabled()
    press(row.check)
    wait_until_done(qtbot, window)
    assert row.note.text().startswith("The host of Tiny starts on this machine, with Python 3.")
    Path(record.interpreter).unlink()
    press(row.check)
    wait_until_done(qtbot, window)
    assert row.note.property("role") == "warning"
    assert row.note.text().startswith("The host does not start in ")
    assert row.set_up.text() == "Repair…"
    # As a crash leaves it while it is made.
    replace(record, ready=False).save()
    window.studio.environments.changed.emit()
    assert row.set_up.text() == "Go on…"
    assert row.words.text() == "The making of its environment was not finished."
    for text, gone in (("Cancel", False), ("Remove", True)):
        press(row.remove)
        box = row.findChild(QMessageBox)
        assert box is not None
        press(next(each for each in box.buttons() if each.text().replace("&", "") == text))
        qtbot.waitUntil(lambda: row.findChild(QMessageBox) is None, timeout=PATIENCE)
        wait_until_done(qtbot, window)
        assert (find_record(SPEC.name) is None) is gone
    assert row.note.text() == "The environment is deleted from this machine."
    assert catalog.find_model("small").lacks is Lack.ENVIRONMENT


@pytest.mark.usefixtures("gpu")
def test_on_another_computer_what_is_wrong_is_one_sentence_and_can_be_mended(window: MainWindow, qtbot: QtBot) -> None:
    _, row = opened(window, qtbot)
    dialog = asked(row, qtbot)
    QTest.keyClick(dialog.place, Qt.Key.Key_Down)
    dialog.place.activated.emit(1)
    assert dialog.weights.isVisible()
    assert not dialog.start.isEnabled()
    press(dialog.look)
    assert dialog.found.text() == "Name the computer first: user@host."
    for host, says in (
        ("-oProxyCommand=x", "'-oProxyCommand=x' is no machine for ssh; write user@host."),
        ("nowhere.example", "'nowhere.example' cannot be reached by ssh"),
    ):
        dialog.host.setText("")
        QTest.keyClicks(dialog.host, host)
        QTest.keyClick(dialog.host, Qt.Key.Key_Return)
        qtbot.waitUntil(dialog.look.isEnabled, timeout=PATIENCE)
        assert dialog.found.text().startswith(says)
        assert "\n" not in dialog.found.text()
        assert not dialog.start.isEnabled()
    dialog.host.setText("")
    QTest.keyClicks(dialog.host, "gpu.example")
    QTest.keyClick(dialog.host, Qt.Key.Key_Return)
    qtbot.waitUntil(dialog.start.isEnabled, timeout=PATIENCE)
    assert "on gpu.example, where " in dialog.found.text()
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: row.findChild(SetupDialog) is None, timeout=PATIENCE)
    assert window.studio.environments.active is None
