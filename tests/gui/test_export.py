"""Exporting from the window: the dialog by mouse and key, what it remembers, and the reel."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QFileDialog, QWidget
from pytestqt.qtbot import QtBot

from studio.audio.files import load_clip
from studio.audio.loudness import integrated_loudness
from studio.gui.export_choices import Choices, load_choices, save_choices
from studio.gui.export_dialog import ExportDialog
from studio.gui.main_window import MainWindow
from studio.session import credentials, export
from studio.session.verify import Verdict, verify
from tests.gui.driving import PATIENCE, choose_target, drag_slider, key, press, wait_for_takes
from tests.signing import make_identity

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture(autouse=True)
def users_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of this machine's user are neither read nor written."""
    monkeypatch.delenv(credentials.CERTIFICATE_VARIABLE, raising=False)
    monkeypatch.delenv(credentials.KEY_VARIABLE, raising=False)
    monkeypatch.setattr(credentials, "user_data_dir", lambda: tmp_path / "data")


@pytest.fixture
def folder(tmp_path: Path, settings: QSettings) -> Path:
    result = tmp_path / "exports"
    result.mkdir()
    settings.setValue("folder/export", str(result))
    return result


@pytest.fixture
def taken(qtbot: QtBot, window: MainWindow, folder: Path) -> MainWindow:
    """A window with a baseline in A and a steered take in B; the second is selected and has three stars."""
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    drag_slider(window, "angry", 0.5)
    wait_for_takes(qtbot, window, 2)
    takes = window.studio.state.takes
    takes[1] = replace(takes[1], take=replace(takes[1].take, stars=3))
    return window


def opened(qtbot: QtBot, window: MainWindow) -> ExportDialog:
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=PATIENCE)
    key(window, Qt.Key.Key_E, CTRL)
    dialog = window.findChild(ExportDialog)
    assert dialog is not None
    qtbot.waitExposed(dialog)
    dialog.activateWindow()
    qtbot.waitUntil(dialog.isActiveWindow, timeout=PATIENCE)
    return dialog


def closed(qtbot: QtBot, window: MainWindow) -> None:
    """Until the dialog is gone."""
    qtbot.waitUntil(lambda: window.findChild(ExportDialog) is None, timeout=PATIENCE)


def names(dialog: ExportDialog) -> list[str]:
    return dialog.names.toPlainText().splitlines()


def in_focus() -> QWidget:
    widget = QApplication.focusWidget()
    assert widget is not None
    return widget


def told(window: MainWindow) -> str:
    return window.notices.text.text()


def test_the_selected_take_is_exported_by_key_and_enter(qtbot: QtBot, taken: MainWindow, folder: Path) -> None:
    dialog = opened(qtbot, taken)
    (name,) = names(dialog)
    assert name.startswith("0011_000001_angry_gain_angry0.")
    QTest.keyClick(dialog, Qt.Key.Key_Return)
    closed(qtbot, taken)
    assert f"Exported take 2 as {name} with its settings to {folder}." in told(taken)
    samples, rate = soundfile.read(folder / name, dtype="float32")
    take = taken.studio.state.takes[1].take
    assert rate == take.audio.rate
    assert samples == pytest.approx(take.audio.samples, abs=2 / 32768)
    document = json.loads((folder / name).with_suffix(".json").read_text())
    assert document["synthetic_speech"] is True
    assert document["settings"]["target"] == "angry"


def test_every_choice_reaches_the_files(qtbot: QtBot, taken: MainWindow, folder: Path, settings: QSettings) -> None:
    dialog = opened(qtbot, taken)
    press(dialog.which.button("all"))
    dialog.format.setCurrentIndex(dialog.format.findData("FLAC PCM_24"))
    dialog.rate.setCurrentIndex(dialog.rate.findData(48_000))
    dialog.levelled.setChecked(True)
    dialog.loudness.setValue(-28.0)
    dialog.template.setFocus()
    dialog.template.selectAll()
    QTest.keyClicks(dialog.template, "{take} {target} {strengths}")
    press(dialog.sidecar, QPoint(8, dialog.sidecar.height() // 2))
    assert not dialog.sidecar.isChecked()
    planned = names(dialog)
    assert planned[0] == "01_angry_baseline.flac"
    assert planned[1].startswith("02_angry_angry0.")
    press(dialog.export)
    closed(qtbot, taken)
    assert f"Exported 2 takes to {folder}." in told(taken)
    assert sorted(path.name for path in folder.iterdir()) == planned
    for path in folder.iterdir():
        info = soundfile.info(path)
        assert (info.format, info.subtype, info.samplerate) == ("FLAC", "PCM_24", 48_000)
        assert integrated_loudness(load_clip(path)) == pytest.approx(-28.0, abs=0.1)
    assert load_choices(settings) == Choices(
        "all", "FLAC", "PCM_24", 48_000, True, -28.0, "{take} {target} {strengths}", False, False
    )
    again = opened(qtbot, taken)
    assert again.choices == load_choices(settings)
    qtbot.waitUntil(lambda: names(again)[0] == "01_angry_baseline-2.flac", timeout=PATIENCE)
    QTest.keyClick(again, Qt.Key.Key_Escape)
    closed(qtbot, taken)


def test_starred_takes_only(qtbot: QtBot, taken: MainWindow, folder: Path) -> None:
    taken.library.takes.select(1)
    dialog = opened(qtbot, taken)
    assert dialog.which.value == "selected"
    assert [shown.number for shown in dialog.chosen] == [1]
    press(dialog.which.button("starred"))
    assert [shown.number for shown in dialog.chosen] == [2]
    assert dialog.which.button("starred").text() == "Starred (1)"
    dialog.close()


def test_what_stands_in_the_way_is_said(qtbot: QtBot, taken: MainWindow) -> None:
    dialog = opened(qtbot, taken)
    dialog.template.setText("{colour}")
    assert "no field {colour}" in dialog.problem.text()
    assert not dialog.export.isEnabled()
    assert dialog.export.toolTip() == dialog.problem.text()
    dialog.template.setText("{take}")
    assert dialog.problem.text() == ""
    assert dialog.export.isEnabled()
    dialog.folder.setText("")
    assert "Choose a folder" in dialog.problem.text()
    dialog.folder.setText("/dev/null/nowhere")
    press(dialog.export)
    qtbot.waitUntil(lambda: "cannot be written to" in told(taken), timeout=PATIENCE)
    assert dialog.isVisible(), "to choose another folder"
    assert dialog.form.isEnabled()
    dialog.close()


def test_without_takes_there_is_nothing_to_choose(qtbot: QtBot, window: MainWindow) -> None:
    key(window, Qt.Key.Key_E, CTRL)
    assert "no take to export yet" in told(window)
    assert window.findChild(ExportDialog) is None


def test_a_running_export_shows_its_progress_and_can_be_stopped(
    qtbot: QtBot, taken: MainWindow, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go = threading.Event(), threading.Event()
    real = export.export_take

    def slow(*arguments, **options):
        written = real(*arguments, **options)
        reached.set()
        go.wait(PATIENCE / 1000)
        return written

    monkeypatch.setattr(export, "export_take", slow)
    dialog = opened(qtbot, taken)
    press(dialog.which.button("all"))
    press(dialog.export)
    qtbot.waitUntil(reached.is_set, timeout=PATIENCE)
    assert dialog.progress.isVisible()
    assert not dialog.form.isEnabled()
    assert not dialog.export.isEnabled()
    assert dialog.cancel.text() == "Stop"
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    go.set()
    qtbot.waitUntil(lambda: "The export was stopped" in told(taken), timeout=PATIENCE)
    assert dialog.isVisible()
    assert dialog.cancel.text() == "Cancel"
    assert len(list(folder.glob("*.wav"))) == 1
    press(dialog.cancel)
    closed(qtbot, taken)


def test_signing_with_a_chosen_certificate(
    qtbot: QtBot, taken: MainWindow, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = make_identity(tmp_path)
    dialog = opened(qtbot, taken)
    assert not dialog.signing.certificate.isVisible()
    dialog.signing.sign.setFocus()
    QTest.keyClick(dialog.signing.sign, Qt.Key.Key_Space)
    assert dialog.signing.certificate.isVisible()
    assert "Choose the certificate and the key" in dialog.problem.text()
    signing = dialog.signing
    for button, path in ((signing.choose_certificate, identity.certificate), (signing.choose_key, identity.key)):
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_args, path=path: (str(path), ""))
        press(button)
    press(dialog.export)
    closed(qtbot, taken)
    (audio,) = folder.glob("*.wav")
    report = verify(audio)
    assert report.verdict is Verdict.INTACT
    assert report.manifest is not None
    assert credentials.load_identity() == identity
    again = opened(qtbot, taken)
    assert again.signing.signed
    assert again.signing.identity == identity
    again.close()


def test_without_the_package_signing_says_why_not(
    qtbot: QtBot, taken: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.gui.export_signing.missing_package", lambda: "It is not installed: pip install it")
    dialog = opened(qtbot, taken)
    assert not dialog.signing.sign.isEnabled()
    assert "pip install" in dialog.signing.sign.toolTip()
    dialog.close()


def test_everything_in_the_dialog_is_named_reachable_and_explained(qtbot: QtBot, taken: MainWindow) -> None:
    dialog = opened(qtbot, taken)
    dialog.signing.sign.setChecked(True)
    controls = [
        widget
        for widget in dialog.findChildren(QWidget)
        if widget.isVisible() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.focusProxy() is None
    ]
    assert len(controls) >= 15
    for widget in controls:
        assert widget.accessibleName() or (isinstance(widget, QAbstractButton) and widget.text()), widget
        assert widget.isEnabled() or widget.toolTip(), widget.accessibleName()
    enabled = {widget for widget in controls if widget.isEnabled()} - {
        dialog.which.button("starred"), dialog.which.button("all"),
    }  # fmt: skip
    reached: set[QWidget] = set()
    dialog.template.setFocus()
    for _ in range(2 * len(controls)):
        QTest.keyClick(in_focus(), Qt.Key.Key_Tab)
        reached.add(in_focus())
    assert {widget.accessibleName() for widget in enabled - reached} == set()
    assert dialog.sizeHint().height() <= 720
    dialog.close()


def test_choices_that_were_never_made_are_the_usual_ones(settings: QSettings, tmp_path: Path) -> None:
    assert load_choices(settings) == Choices()
    made = Choices("all", "FLAC", "PCM_24", 48_000, True, -16.0, "{take}", False, True)
    save_choices(settings, made, tmp_path)
    settings.sync()
    read = QSettings(settings.fileName(), QSettings.Format.IniFormat)
    assert load_choices(read) == made
    read.setValue("export/rate", "fast")
    assert load_choices(read).rate == 0


def test_a_reel_of_a_and_b(qtbot: QtBot, taken: MainWindow, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def choose(_parent: QWidget, _title: str, proposal: str, _filter: str, **_options: object) -> tuple[str, str]:
        asked.append(proposal)
        return proposal, ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    key(taken, Qt.Key.Key_E, CTRL | SHIFT)
    qtbot.waitUntil(lambda: "Wrote the A/B reel" in told(taken), timeout=PATIENCE)
    assert asked == [str(folder / "0011_000001 A-B.wav")]
    document = json.loads((folder / "0011_000001 A-B.json").read_text())
    assert document["readings"]["A"]["title"] == "take 1: angry, not steered"
    assert document["readings"]["B"]["settings"]["strengths"]["angry"] == pytest.approx(0.5, abs=0.05)
    assert verify(folder / "0011_000001 A-B.wav").verdict is Verdict.INTACT


def test_a_reel_needs_two_takes(qtbot: QtBot, window: MainWindow) -> None:
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    key(window, Qt.Key.Key_E, CTRL | SHIFT)
    assert "needs a take in A and one in B" in told(window)
