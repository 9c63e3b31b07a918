"""Contact sheet, auto-intensity, mute and solo, by mouse and key."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PySide6.QtCore import QBuffer, QEvent, QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QRegion
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QWidget
from pytestqt.qtbot import QtBot

from studio.audio.clip import Clip
from studio.gui import batches, theme
from studio.gui.audition.sheet import SheetDialog
from studio.gui.loading import Loader
from studio.gui.main_window import MainWindow
from tests.gui.driving import PATIENCE, choose_target, drag_slider, key, press, wait_for_takes
from tests.gui.standin import StandIn, loader
from tests.gui.test_sources import TEXT


@pytest.fixture
def sheet(qtbot: QtBot, window: MainWindow) -> SheetDialog:
    """The contact sheet, open, with angry as target."""
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    key(window, Qt.Key.Key_K)
    assert window.sheet.isVisible()
    return window.sheet


def rendered(qtbot: QtBot, window: MainWindow, sheet: SheetDialog) -> None:
    press(sheet.render_button)
    qtbot.waitUntil(lambda: sheet.model.sheet is not None and not window.studio.batches.active, timeout=PATIENCE)


def test_a_ladder_rises_to_the_end_of_the_strong_zone(
    qtbot: QtBot, window: MainWindow, sheet: SheetDialog, standin: StandIn
) -> None:
    sheet.count.setValue(4)
    rendered(qtbot, window, sheet)
    assert (sheet.model.rowCount(), sheet.model.columnCount()) == (1, 4)
    strengths = [dict(each.steering.strengths) if each.steering else {} for each in standin.requests[1:]]
    assert strengths == [{}, {"angry": 0.333}, {"angry": 0.667}, {"angry": 1.0}]
    assert "angry 0.33" in str(sheet.model.data(sheet.model.index(0, 1), Qt.ItemDataRole.AccessibleTextRole))
    assert len(window.studio.state.takes) == 1, "a sheet makes no takes before one is kept"
    image = sheet.table.viewport().grab().toImage()
    corners = [sheet.table.visualRect(sheet.model.index(0, step)).bottomLeft() + QPoint(7, -7) for step in (0, 1, 3)]
    grounds = [image.pixelColor(corner).red() for corner in corners]
    assert grounds[0] < grounds[1] < grounds[2], "the surer the judge hears anger, the more a cell has of its colour"


WRITTEN = "the cold mouse is ready and you"
"""Two of nine words wrong and two missing: 44 %."""


class Listener:
    """Hears what it is told to, one clip after another: first the source, then each cell."""

    def __init__(self, *hears: str) -> None:
        self._hears = iter(hears)

    def recogniser(self, reference: str) -> Callable[[Clip], str]:
        return lambda _clip: next(self._hears)

    def close(self) -> None:
        """Nothing to end."""


def test_cells_whose_words_are_wrong_are_flagged_with_the_rate_that_is(
    qtbot: QtBot, open_window: Callable[[Loader], MainWindow], tmp_path: Path
) -> None:
    load = loader(StandIn(WRITTEN), tmp_path / "masks")
    hears = (TEXT, TEXT, "the bold mouse was ready and you know it", TEXT)
    window = open_window(lambda context: replace(load(context), listener=Listener(*hears)))  # type: ignore[arg-type]
    state, sheet = window.studio.state, window.sheet
    qtbot.waitUntil(lambda: state.source is not None and state.mask is not None, timeout=PATIENCE)
    assert state.source is not None
    assert state.source.reference == TEXT
    state.set_options(auto_render=False)
    choose_target(window, "angry")
    key(window, Qt.Key.Key_K)
    sheet.count.setValue(3)
    rendered(qtbot, window, sheet)
    says = [str(sheet.model.index(0, column).data(Qt.ItemDataRole.AccessibleTextRole)) for column in range(3)]
    for said, rates in zip(says, ("WER 0 %  heard 0 %", "WER 0 %  heard 33 %", "WER 44 %  heard 0 %"), strict=True):
        assert rates in said.replace("\N{NO-BREAK SPACE}", " ")
    danger = QColor(theme.current().danger).name()
    table = sheet.table
    for column, flag in enumerate((None, "heard 33 %", "WER 44 %")):
        cell = table.visualRect(sheet.model.index(0, column))
        assert [text for text, colour in painted(table, cell) if colour == danger] == ([flag] if flag else [])


def painted(table: QWidget, part: QRect) -> list[tuple[str, str]]:
    """The words that a part of a table paints, with their colours."""
    drawing = QBuffer()
    generator = QSvgGenerator()
    generator.setOutputDevice(drawing)
    painter = QPainter(generator)
    table.viewport().render(painter, QPoint(), QRegion(part))  # type: ignore[attr-defined]
    painter.end()
    words = ElementTree.fromstring(bytes(drawing.data().data())).iter("{http://www.w3.org/2000/svg}text")
    return [
        ("".join(each.itertext()).strip().replace("\N{NO-BREAK SPACE}", " "), each.get("fill", "")) for each in words
    ]


def test_arrows_move_and_enter_keeps_a_cell_once(qtbot: QtBot, window: MainWindow, sheet: SheetDialog) -> None:
    rendered(qtbot, window, sheet)
    table = sheet.table
    QTest.keyClick(table, Qt.Key.Key_Right)
    QTest.keyClick(table, Qt.Key.Key_Right)
    assert table.cell is not None
    assert table.cell.strength == 0.5
    for _ in range(2):
        QTest.keyClick(table, Qt.Key.Key_Return)
    takes = window.studio.state.takes
    assert len(takes) == 2
    assert takes[1].take is table.cell.take
    assert takes[1].steer.strengths == {"angry": 0.5}
    assert takes[1].number == 2
    assert "Kept as take 2" in sheet.note.toolTip() + sheet.note.text()


def test_a_cell_under_the_mouse_plays_once_the_mouse_rests(
    qtbot: QtBot, window: MainWindow, sheet: SheetDialog, monkeypatch: pytest.MonkeyPatch
) -> None:
    played: list[Clip] = []
    monkeypatch.setattr(window.clips, "play", played.append)
    assert sheet.table.grab().toImage() != rendered_image(qtbot, window, sheet), "an empty sheet says what to do"
    table, cells = sheet.table, sheet.model.sheet.cells[0]  # type: ignore[union-attr]
    played.clear()
    for column in (1, 3):
        hover(table.viewport(), table.visualRect(sheet.model.index(0, column)).center())
    qtbot.waitUntil(lambda: len(played) == 1, timeout=PATIENCE)
    assert played[0] is cells[3].take.audio, "what the mouse only passed stays silent"


def hover(widget: QWidget, at: QPoint) -> None:
    """Move over a widget with no button held; on a screen of its own another window may lie above it."""
    place, none = QPointF(at), Qt.MouseButton.NoButton
    moved = QMouseEvent(
        QEvent.Type.MouseMove, place, widget.mapToGlobal(place), none, none, Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(widget, moved)


def rendered_image(qtbot: QtBot, window: MainWindow, sheet: SheetDialog) -> QImage:
    rendered(qtbot, window, sheet)
    return sheet.table.grab().toImage()


def test_every_emotion_is_its_rows_target(
    qtbot: QtBot, window: MainWindow, sheet: SheetDialog, standin: StandIn
) -> None:
    press(sheet.what.button("all"))
    sheet.count.setValue(3)
    rendered(qtbot, window, sheet)
    assert sheet.model.rowCount() == 4
    requests = standin.requests[1:]
    assert [each.target for each in requests] == [emotion for emotion in sheet.model.sheet.emotions for _ in range(3)]  # type: ignore[union-attr]
    for cells in sheet.model.sheet.cells:  # type: ignore[union-attr]
        lengths = [cell.take.settings.strengths for cell in cells]
        assert lengths[0] == {}
        assert lengths[2] == {cells[2].emotion: 1.0}


def test_a_cancelled_sheet_leaves_the_old_one(
    qtbot: QtBot, window: MainWindow, sheet: SheetDialog, standin: StandIn
) -> None:
    rendered(qtbot, window, sheet)
    before = sheet.model.sheet
    standin.started.clear()
    standin.go.clear()
    press(sheet.render_button)
    qtbot.waitUntil(standin.started.is_set, timeout=PATIENCE)
    press(sheet.cancel_button)
    standin.go.set()
    qtbot.waitUntil(lambda: not window.studio.batches.active, timeout=PATIENCE)
    assert sheet.model.sheet is before
    assert sheet.render_button.isEnabled()


def test_auto_intensity_sets_what_it_found(
    qtbot: QtBot, window: MainWindow, standin: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Whether voices can be compared is the installation's to say; the search with them has tests of its own.
    monkeypatch.setattr(batches, "_resemblance", lambda: (None, "Not installed."))
    choose_target(window, "happy")
    wait_for_takes(qtbot, window, 1)
    press(window.steering.auto_button)
    found = window.found
    qtbot.waitUntil(lambda: found.search is not None and not window.studio.batches.active, timeout=PATIENCE)
    assert found.search is not None
    best = found.search.found.best
    # The stand-in writes one wrong word of nine at every strength, which the limit allows.
    assert best.strength == 2.0
    assert "end of the scale" in found.says.text()
    QTest.keyClick(found.plot, Qt.Key.Key_Left)
    assert found.plot.cell is not None
    assert found.plot.cell.strength == 1.75
    for name in ("found.png", "found.csv", "no folder.txt/found.csv"):
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_args, name=name: (str(tmp_path / name), ""))
        (tmp_path / "no folder.txt").touch()
        press(found.export_button)
    assert "cannot be written" in found.says.text()
    picture = QImage(str(tmp_path / "found.png"))
    assert picture.width() >= 3 * found.plot.width()
    head, *rows = csv.reader((tmp_path / "found.csv").read_text().splitlines())
    assert head[:3] == ["strength", "judge_happy", "wer"]
    assert [float(row[0]) for row in rows] == [cell.strength for cell in found.search.cells]
    assert found.cancel_button.text() == "Close"
    press(found.use_button)
    assert window.studio.state.steer.strengths == {"happy": 1.75}
    assert not found.isVisible()
    wait_for_takes(qtbot, window, 2)
    assert window.studio.state.takes[1].take is found.plot.cell.take, "what was found need not be rendered again"


def test_a_muted_emotion_keeps_its_strength_and_is_not_heard(
    qtbot: QtBot, window: MainWindow, standin: StandIn
) -> None:
    choose_target(window, "happy")
    drag_slider(window, "happy", 1.0)
    drag_slider(window, "surprise", 0.5)
    wait_for_takes(qtbot, window, 2)
    rows, state = window.steering.rows, window.studio.state
    press(rows["surprise"].label)
    wait_for_takes(qtbot, window, 3)
    assert state.takes[2].take.settings.strengths == {"happy": pytest.approx(1.0, abs=0.03)}
    assert rows["surprise"].slider.strength == pytest.approx(0.5, abs=0.03)
    press(rows["surprise"].label)
    assert state.steer.muted == frozenset()
    QTest.mouseClick(rows["surprise"].label, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier)
    assert set(state.steer.heard) == {"surprise"}
    assert np.isclose(state.steer.strengths["happy"], 1.0, atol=0.03)
