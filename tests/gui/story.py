"""An afternoon with the window, in two processes: ``python -m tests.gui.story afternoon|evening FOLDER``.

By mouse and key alone, on the model that ships: open a line, render four emotions, a ladder, pick two, loop and swap
them, star one, delete and undo, save, go on, and be killed. In the evening: take it up again, render it anew, export.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QWidget

from studio.emotions import TARGETS
from studio.gui.audition.takerow import TakeDelegate
from studio.gui.export_dialog import ExportDialog
from studio.gui.loading import load_default
from studio.gui.projects import REST_MILLISECONDS
from studio.gui.shown import ShownTake
from tests.gui.driving import choose_target, drag_slider, key, press
from tests.gui.stage import Stage

CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
KEPT = (2, 4)
"""Cells of the ladder of five that are kept."""


def afternoon(stage: Stage, folder: Path) -> dict[str, Any]:
    """Everything up to the kill; what the project should hold is left in ``told.json``."""
    window, studio, state = stage.window, stage.studio, stage.studio.state
    window.resize(1280, 800)
    strike(stage, Qt.Key.Key_F1)
    stage.wait(lambda: QApplication.activeModalWidget() is not None, "the keys")
    QTest.keyClick(modal(), Qt.Key.Key_Escape)

    open_line(stage)
    for count, emotion in enumerate(TARGETS, start=1):
        choose_target(window, emotion)
        stage.wait_for_takes(count)
    drag_slider(window, "surprise", 0.5)
    stage.wait_for_takes(len(TARGETS) + 1)

    strike(stage, Qt.Key.Key_K)
    sheet = window.sheet
    press(sheet.render_button)
    stage.wait(lambda: sheet.model.sheet is not None and not studio.batches.active, "the ladder")
    table = sheet.table
    sheet.activateWindow()
    stage.wait(sheet.isActiveWindow, "the sheet to be active")
    table.setFocus()
    for place in range(max(KEPT) + 1):
        if place:
            QTest.keyClick(table, Qt.Key.Key_Right)
            stage.wait(lambda: window.clips.playing is not None or studio.playback.reason is not None, "a cell to play")
        if place in KEPT:
            QTest.keyClick(table, Qt.Key.Key_Return)
    QTest.keyClick(sheet, Qt.Key.Key_Escape)
    first, second = state.takes[-2:]

    in_row(stage, first, lambda delegate, row: delegate.lane_box(row, "A").center())
    in_row(stage, second, lambda delegate, row: delegate.lane_box(row, "B").center())
    assert [held(stage, lane) for lane in "AB"] == [first.number, second.number]
    swaps = loop_and_swap(stage)

    in_row(stage, second, lambda delegate, row: delegate.star_box(row, 4).center())
    assert second.take.stars == 4
    in_row(stage, state.takes[0], lambda _delegate, row: row.center() - QPoint(60, 0))
    window.library.takes.setFocus()
    QTest.keyClick(window.library.takes, Qt.Key.Key_Delete)
    deleted = [shown.number for shown in state.takes]
    strike(stage, Qt.Key.Key_Z, CONTROL)
    assert len(state.takes) == len(deleted) + 1

    QTimer.singleShot(500, lambda: type_file_name(str(folder / "afternoon")))
    strike(stage, Qt.Key.Key_S, CONTROL)
    stage.wait(lambda: studio.projects.path is not None and not studio.chores.busy, "the project to be saved")
    drag_slider(window, "surprise", 0.9)
    stage.wait_for_takes(len(TARGETS) + 4)
    # Takes are written at once, what lanes hold a little later.
    stage.rest(2 * REST_MILLISECONDS / 1000)
    stage.wait(lambda: not studio.chores.busy, "the last take to be written")
    told = {
        "takes": {shown.number: shown.take.audio.fingerprint() for shown in state.takes},
        "stars": {shown.number: shown.take.stars for shown in state.takes},
        "deleted": deleted,
        "lanes": [held(stage, lane) for lane in "AB"],
        "swaps": swaps,
        "errors": stage.errors(),
        "sound": studio.playback.reason is None,
    }
    (folder / "told.json").write_text(json.dumps(told))
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def evening(stage: Stage, folder: Path) -> dict[str, Any]:
    """What the next start offers, taken up, rendered anew and exported."""
    window, studio, state = stage.window, stage.studio, stage.studio.state
    window.offer_to_go_on()
    stage.wait(lambda: bool(window.notices.waiting), "the offer")
    offered = window.notices.waiting[0].text
    press(window.notices.offer_buttons[0])
    stage.wait(lambda: studio.projects.path is not None and not studio.projects.opening, "the project")
    takes = list(state.takes)
    again: list[str] = []
    for shown in (takes[0], takes[-2], takes[-1]):
        in_row(stage, shown, lambda _delegate, row: row.center() - QPoint(60, 0))
        strike(stage, Qt.Key.Key_R, CONTROL | SHIFT)
        text = f"Take {shown.number} rendered again"
        stage.wait(partial(said, stage, text), text)
        again += said(stage, text)
    strike(stage, Qt.Key.Key_E, CONTROL)
    stage.wait(lambda: bool(window.findChildren(ExportDialog)), "the export dialog")
    dialog = window.findChildren(ExportDialog)[-1]
    press(dialog.which.button("all"))
    dialog.folder.setFocus()
    dialog.folder.selectAll()
    QTest.keyClicks(dialog.folder, str(folder / "out"))
    press(dialog.export)
    stage.wait(lambda: len(list((folder / "out").glob("*.wav"))) == len(takes), "the exports")
    stage.wait(lambda: not studio.chores.busy, "the end of the export")
    return {
        "offered": offered,
        "takes": {shown.number: shown.take.audio.fingerprint() for shown in takes},
        "stars": {shown.number: shown.take.stars for shown in takes},
        "lanes": [held(stage, lane) for lane in "AB"],
        "again": again,
        "errors": stage.errors(),
    }


def open_line(stage: Stage) -> None:
    """Through the menu of demo lines, by arrows."""
    window, before = stage.window, stage.studio.state.source
    stage.wait(window.library.lines.isEnabled, "the demo lines")

    def walk() -> None:
        for which in (Qt.Key.Key_Down, Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_Return):
            popup = QApplication.activePopupWidget()
            assert popup is not None
            QTest.keyClick(popup, which)

    QTimer.singleShot(300, walk)
    press(window.library.lines)
    stage.wait(lambda: stage.studio.state.source is not before, "the line")


def loop_and_swap(stage: Stage) -> list[tuple[str, float, float]]:
    """Loop by key and swap four times; what is heard then, and the position just before and after."""
    playback = stage.studio.playback
    if playback.reason is not None:
        return []
    stage.rest(0.3)
    if not playback.looping:
        strike(stage, Qt.Key.Key_L)
    playback.stop()
    strike(stage, Qt.Key.Key_Space)
    stage.wait(lambda: playback.player.playing and playback.player.level > 0.0, "the loop to be heard")
    seen = []
    for _ in range(4):
        before = playback.player.position
        strike(stage, Qt.Key.Key_X)
        seen.append((playback.heard, before, playback.player.position))
        stage.rest(0.4)
    strike(stage, Qt.Key.Key_Space)
    return seen


def in_row(stage: Stage, shown: ShownTake, place: Callable[[TakeDelegate, Any], QPoint]) -> None:
    """Click somewhere in a take's line."""
    takes = stage.window.library.takes
    index = takes.takes_model.index(takes.takes_model.row_of(shown))
    takes.scrollTo(index)
    at = place(takes.delegate, takes.visualRect(index))
    QTest.mouseClick(takes.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)


def type_file_name(name: str) -> None:
    """Answer a file dialog."""
    dialog = modal()
    assert isinstance(dialog, QFileDialog)
    field = dialog.findChild(QLineEdit, "fileNameEdit")
    assert field is not None
    field.selectAll()
    QTest.keyClicks(field, name)
    QTest.keyClick(field, Qt.Key.Key_Return)


def said(stage: Stage, start: str) -> list[str]:
    """The notices that begin with these words."""
    return [notice.text for notice in stage.window.notices.waiting if notice.text.startswith(start)]


def held(stage: Stage, lane: str) -> int | None:
    content = stage.studio.state.lanes[lane]
    return content.shown.number if content is not None and content.shown is not None else None


def strike(stage: Stage, which: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    """Press a key in the window, which has the screen's focus; there is no window manager that gives it back."""
    stage.window.activateWindow()
    stage.wait(stage.window.isActiveWindow, "the window to be active")
    key(stage.window, which, modifier)


def modal() -> QWidget:
    widget = QApplication.activeModalWidget()
    assert widget is not None
    return widget


def main() -> None:
    part, folder = sys.argv[1], Path(sys.argv[2])
    # What is left behind has to be looked for before anything else is opened.
    stage = Stage(folder, load_default)
    seen = {"afternoon": afternoon, "evening": evening}[part](stage, folder)
    stage.close()
    (folder / "seen.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main()
