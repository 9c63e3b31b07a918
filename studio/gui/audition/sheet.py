"""The contact sheet: many takes as small waveforms that play under the mouse or the arrow keys."""

from __future__ import annotations

import numpy as np
from pyqtgraph.functions import arrayToQPolygonF
from PySide6.QtCore import (
    QAbstractTableModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QRectF,
    QSize,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QPushButton,
    QSpinBox,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from studio.emotions import COLOURS
from studio.gui import theme
from studio.gui.batches import Batches, Cell, Sheet
from studio.gui.clips import ClipPlayer
from studio.gui.formats import percent, strength
from studio.gui.state import StudioState
from studio.gui.widgets.layout import ElidedLabel, explain, small
from studio.gui.widgets.progress import ThinBar
from studio.gui.widgets.toggles import Segments
from studio.gui.words import flags_help, take_wer, wrong_wer

HOVER_MILLISECONDS = 200
"""How long the mouse rests on a cell before it plays."""

_CELL = Qt.ItemDataRole.UserRole
_HOW_TO_KEEP = "Enter or a double click keeps a cell as a take."
_EMPTY = (
    "Render sheet makes rising strengths of the target emotion, or of every emotion, in one batch.\n"
    "Each becomes a small waveform that plays under the mouse or the arrow keys."
)
_Index = QModelIndex | QPersistentModelIndex
_FEWEST, _MOST = 3, 12


class SheetModel(QAbstractTableModel):
    """A sheet's cells: rows are emotions, columns strengths."""

    def __init__(self) -> None:
        super().__init__()
        self.sheet: Sheet | None = None

    def show_sheet(self, sheet: Sheet) -> None:
        """Show another sheet."""
        self.beginResetModel()
        self.sheet = sheet
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """Emotions."""
        return len(self.sheet.emotions) if self.sheet is not None and not parent.isValid() else 0

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """Strengths."""
        return len(self.sheet.strengths) if self.sheet is not None and not parent.isValid() else 0

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """The cell, and what it says to a screen reader and under the mouse."""
        if self.sheet is None:
            return None
        cell = self.sheet.cells[index.row()][index.column()]
        if role == _CELL:
            return cell
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.ToolTipRole):
            return describe(cell)
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Emotions at the left, strengths above."""
        if self.sheet is None or role != Qt.ItemDataRole.DisplayRole:
            return None
        across = orientation == Qt.Orientation.Horizontal
        return strength(self.sheet.strengths[section]) if across else self.sheet.emotions[section]


class CellDelegate(QStyledItemDelegate):
    """Paints a waveform on a ground that is coloured by how surely the judge hears the row's emotion."""

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        """A waveform that can be told from its neighbours."""
        return QSize(112, 72)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Draw ground, waveform, judge's share and word errors."""
        cell: Cell = index.data(_CELL)
        colours = theme.current()
        box = QRectF(option.rect).adjusted(2, 2, -2, -2)
        judged = cell.take.judged.get(cell.emotion, 0.0)
        colour = COLOURS[cell.emotion]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        current = bool(option.state & QStyle.StateFlag.State_Selected)
        over = bool(option.state & QStyle.StateFlag.State_MouseOver)
        painter.setPen(QPen(QColor(colours.text if current else colours.muted if over else colours.grid), 1.5))
        painter.setBrush(theme.blend(colour, colours.canvas, 0.05 + 0.4 * judged))
        painter.drawRoundedRect(box, 4, 4)
        self._wave(painter, cell, box.adjusted(4, 18, -4, -4), colours)
        painter.setFont(theme.font(theme.SMALL_PX))
        wrong = wrong_wer(cell.take)
        top = QRectF(box.left() + 6, box.top() + 2, box.width() - 12, 16)
        painter.setPen(QColor(colours.text))
        if cell.take.judged:
            painter.drawText(top, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, percent(judged))
        if wrong or cell.take.flags:
            painter.setPen(QColor(colours.danger if wrong else colours.warning))
            note = wrong or str(cell.take.flags[0])
            painter.drawText(top, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, note)
        painter.restore()

    def _wave(self, painter: QPainter, cell: Cell, box: QRectF, colours: theme.Colours) -> None:
        columns = max(1, round(box.width()))
        lowest, highest = cell.drawing.peaks.slice(0, len(cell.take.audio.samples), columns)
        middle, reach = box.center().y(), box.height() / 2 / max(cell.drawing.peak, 0.1)
        xs = box.left() + np.arange(columns) + 0.5
        tops, bottoms = middle - highest * reach - 0.5, middle - lowest * reach + 0.5
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.blend(colours.text, colours.canvas, 0.8))
        painter.drawPolygon(arrayToQPolygonF(np.concatenate([xs, xs[::-1]]), np.concatenate([tops, bottoms[::-1]])))


class SheetTable(QTableView):
    """Plays what the mouse rests on or the keys move to; Enter or a double click keeps it as a take."""

    play_asked = Signal(object)
    keep_asked = Signal(object)

    def __init__(self, model: SheetModel) -> None:
        super().__init__()
        self.setModel(model)
        self.setItemDelegate(CellDelegate(self))
        self.setAccessibleName("Contact sheet")
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setShowGrid(False)
        self.setMouseTracking(True)
        self.setTabKeyNavigation(False)
        self.setMinimumSize(320, 120)
        for header in (self.horizontalHeader(), self.verticalHeader()):
            header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
            header.setSectionsClickable(False)
            header.setHighlightSections(False)
        self._over: QPersistentModelIndex | None = None
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(HOVER_MILLISECONDS)
        self._rest.timeout.connect(self._play_over)
        self.entered.connect(self._enter)
        self.doubleClicked.connect(lambda index: self.keep_asked.emit(index.data(_CELL)))
        self.clicked.connect(lambda index: self.play_asked.emit(index.data(_CELL)))

    @property
    def cell(self) -> Cell | None:
        """The cell the keys are on."""
        index = self.currentIndex()
        return index.data(_CELL) if index.isValid() else None

    def currentChanged(self, current: _Index, previous: _Index) -> None:
        """Play what the keys moved to."""
        super().currentChanged(current, previous)
        if self.hasFocus() and current.isValid() and not self._rest.isActive():
            self.play_asked.emit(current.data(_CELL))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space plays again, Enter keeps."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.cell is not None:
            self.keep_asked.emit(self.cell)
        elif event.key() == Qt.Key.Key_Space and self.cell is not None:
            self.play_asked.emit(self.cell)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the cells, or what to do while there are none."""
        super().paintEvent(event)
        if not self.model().rowCount():
            painter = QPainter(self.viewport())
            painter.setFont(theme.font())
            painter.setPen(QColor(theme.current().muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.viewport().rect().adjusted(32, 16, -32, -16), flags, _EMPTY)

    def leaveEvent(self, event: QEvent) -> None:
        """Off the sheet nothing starts to play."""
        self._rest.stop()
        super().leaveEvent(event)

    def _enter(self, index: QModelIndex) -> None:
        self._over = QPersistentModelIndex(index)
        self._rest.start()

    def _play_over(self) -> None:
        if self._over is not None and self._over.isValid():
            self.play_asked.emit(self._over.data(_CELL))


class SheetDialog(QDialog):
    """Asks for a sheet, shows it while the window stays usable, and keeps cells as takes."""

    def __init__(self, state: StudioState, batches: Batches, clips: ClipPlayer, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Contact sheet")
        self.resize(880, 440)
        self._state, self._batches, self._clips = state, batches, clips
        self.model = SheetModel()
        self.table = SheetTable(self.model)
        self.what = Segments(
            {"ladder": "one emotion", "all": "every emotion"},
            name="What to render",
            hints={
                "ladder": "Rising strengths of the target emotion; other intensities stay",
                "all": "Every emotion of the mask as target, each at rising strengths",
            },
        )
        self.what.show_value("ladder")
        self.count = QSpinBox()
        self.count.setRange(_FEWEST, _MOST)
        self.count.setValue(5)
        self.count.setAccessibleName("Strengths per emotion")
        self.render_button = QPushButton("Render sheet")
        self.render_button.setObjectName("primary")
        self.cancel_button = QPushButton("Cancel")
        self.keep_button = QPushButton("Keep as take")
        self.bar = ThinBar("Progress of the sheet", wide=True)
        self.note = ElidedLabel()
        self._lay_out()
        self.render_button.clicked.connect(self.render_sheet)
        self.cancel_button.clicked.connect(batches.cancel)
        self.keep_button.clicked.connect(lambda: self._keep(self.table.cell))
        self.table.play_asked.connect(lambda cell: clips.play(cell.take.audio))
        self.table.keep_asked.connect(self._keep)
        batches.sheet_ready.connect(self._show_sheet)
        batches.progress.connect(self._show_share)
        for changed in (batches.active_changed, state.steer_changed, state.mask_changed, state.source_changed):
            changed.connect(self._show_allowed)
        self._say(_HOW_TO_KEEP)
        self._show_allowed()

    def render_sheet(self) -> None:
        """Render what is chosen, evenly from 0 to the end of the strong zone."""
        steer, mask = self._state.steer, self._state.mask
        if mask is None or steer.target is None:
            return
        one = steer.target if steer.target in mask.emotions else mask.emotions[0]
        emotions = mask.emotions if self.what.value == "all" else (one,)
        ranges = [found for emotion in emotions if (found := mask.range_of(steer.mode, emotion)) is not None]
        if not ranges:
            return
        top, count = max(each.strong for each in ranges), self.count.value()
        self._batches.render_sheet(emotions, [round(top * step / (count - 1), 3) for step in range(count)])

    def done(self, result: int) -> None:
        """Closing stops what plays; what is rendered stays for the next time."""
        self._clips.stop()
        super().done(result)

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(self.what)
        head.addWidget(self.count)
        head.addWidget(small("strengths"))
        head.addStretch(1)
        head.addWidget(self.cancel_button)
        head.addWidget(self.render_button)
        foot = QHBoxLayout()
        foot.setSpacing(8)
        foot.addWidget(self.note, 1)
        foot.addWidget(self.keep_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(8)
        layout.addLayout(head)
        layout.addWidget(self.bar)
        layout.addWidget(self.table, 1)
        layout.addLayout(foot)

    def _show_sheet(self, sheet: Sheet) -> None:
        self.model.show_sheet(sheet)
        self._say(_HOW_TO_KEEP)
        self.table.setFocus()
        self.table.setCurrentIndex(self.model.index(0, 0))
        self._show_allowed()

    def _show_allowed(self) -> None:
        active, reason = self._batches.active, self._batches.blocked()
        explain(self.render_button, not active and reason is None, reason or "A batch is under way", "Render the sheet")
        explain(self.cancel_button, active, "Nothing is under way", "Cancel the sheet")
        explain(self.keep_button, self.model.sheet is not None, "Render a sheet first", "Keep this cell as a take")
        if not active:
            self.bar.show_share(0.0)

    def _show_share(self, share: float) -> None:
        self.bar.show_share(share)
        if self._batches.active:
            self._say(" ".join(filter(None, ("Rendering…", self.bar.left))))

    def _keep(self, cell: Cell | None) -> None:
        sheet = self.model.sheet
        if cell is not None and sheet is not None:
            shown = self._batches.keep(cell, sheet.source, sheet.mask)
            self._say(f"Kept as take {shown.number}: {cell.emotion} {strength(cell.strength)}.")

    def _say(self, text: str) -> None:
        self.note.show_text(text)


def describe(cell: Cell) -> str:
    """A cell in words."""
    parts = [f"{cell.emotion} {strength(cell.strength)}"]
    if cell.take.judged:
        parts.append(f"judge {percent(cell.take.judged.get(cell.emotion, 0.0))} {cell.emotion}")
    parts += [part for part in (take_wer(cell.take)[0], flags_help(cell.take)) if part]
    return "\n".join(parts)
