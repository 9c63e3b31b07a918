"""The takes list: its model, and the view with its selection, keys and hints."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QMouseEvent, QPainter
from PySide6.QtWidgets import QAbstractItemView, QListView

from studio.gui import theme
from studio.gui.audition.arrange import Arrangement, Row, arrange, summary
from studio.gui.audition.takerow import TakeDelegate, TakeRole
from studio.gui.formats import percent
from studio.gui.shown import TAKE_LANES, ShownTake
from studio.gui.state import StudioState
from studio.gui.words import flags_help, take_wer

_Index = QModelIndex | QPersistentModelIndex
_NO_TAKES = "Every render is kept here as a take.\nChoose a target emotion to make the first."
_NOTE_COLUMNS = 72
_NONE_FITS = "No take fits the filter.\nClear it to see all {count}."


class TakesModel(QAbstractListModel):
    """``state.takes`` as arranged: rows of takes, and of titles where they are grouped by source."""

    def __init__(self, state: StudioState) -> None:
        super().__init__()
        self._state = state
        self.arrangement = Arrangement()
        self.rows: list[Row] = []
        self._held: list[ShownTake | None] = []
        state.takes_changed.connect(self.refresh)
        state.take_changed.connect(lambda _shown: self.refresh())
        state.lane_changed.connect(lambda _lane: self._show_lanes())

    def arrange(self, arrangement: Arrangement) -> None:
        """Show other takes, or in another order."""
        self.arrangement = arrangement
        self.refresh()

    def refresh(self) -> None:
        """Look at the takes anew; the view is only reset when lines came, went or moved."""
        rows = arrange(self._state.takes, self.arrangement)
        same = [row.shown or row.text for row in rows] == [row.shown or row.text for row in self.rows]
        if not same:
            self.beginResetModel()
        self.rows = rows
        if not same:
            self.endResetModel()
        elif rows:
            self.dataChanged.emit(self.index(0), self.index(len(rows) - 1))

    def rowCount(self, parent: _Index | None = None) -> int:
        """How many lines there are."""
        return len(self.rows)

    def flags(self, index: _Index) -> Qt.ItemFlag:
        """Takes can be selected and renamed; titles neither."""
        if not index.isValid() or self.rows[index.row()].shown is None:
            return Qt.ItemFlag.ItemIsEnabled
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEditable

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """A take's line for screen readers, its name, its help, and the row itself."""
        row = self.rows[index.row()]
        if role == TakeRole.ROW:
            return row
        if row.shown is None:
            return row.text if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole) else None
        if role == Qt.ItemDataRole.EditRole:
            return row.shown.take.name
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            note = row.shown.take.note
            return f"{describe(row.shown)}, note: {note}" if note else describe(row.shown)
        if role == Qt.ItemDataRole.ToolTipRole:
            return take_help(row.shown)
        return None

    def setData(self, index: _Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Rename a take."""
        shown = self.rows[index.row()].shown
        if role != Qt.ItemDataRole.EditRole or shown is None:
            return False
        self._state.mark_take(shown, name=" ".join(str(value).split()))
        return True

    def row_of(self, shown: ShownTake) -> int:
        """The line of a take, -1 when it is not shown."""
        return next((place for place, row in enumerate(self.rows) if row.shown is shown), -1)

    def rate(self, shown: ShownTake, stars: int) -> None:
        """Give a take stars; those it has already are taken away."""
        self._state.mark_take(shown, stars=0 if stars == shown.take.stars else stars)

    def lanes_of(self, shown: ShownTake) -> list[str]:
        """The lanes that hold this take."""
        contents = ((lane, self._state.lanes[lane]) for lane in TAKE_LANES)
        return [lane for lane, content in contents if content is not None and content.shown is shown]

    def empty_text(self) -> str:
        """What stands in place of the lines while there are none."""
        count = len(self._state.takes)
        return _NONE_FITS.format(count=count) if count else _NO_TAKES

    def _show_lanes(self) -> None:
        contents = [self._state.lanes[lane] for lane in TAKE_LANES]
        held = [content.shown if content is not None else None for content in contents]
        if held != self._held and self.rows:
            self._held = held
            self.dataChanged.emit(self.index(0), self.index(len(self.rows) - 1))


class TakesList(QListView):
    """Takes as arranged; ``assign_asked`` carries a take's number and the lane it should go to."""

    assign_asked = Signal(int, str)
    selected = Signal()

    def __init__(self, state: StudioState) -> None:
        super().__init__()
        self._state = state
        self._model = TakesModel(state)
        self._kept: list[ShownTake] = []
        self._current: ShownTake | None = None
        self._newest = 0
        self._resetting = False
        self.setModel(self._model)
        self.delegate = TakeDelegate(self._model.lanes_of)
        self.setItemDelegate(self.delegate)
        self.delegate.assign_asked.connect(self.assign_asked)
        self.delegate.rate_asked.connect(self._model.rate)
        self.setAccessibleName("Takes")
        self.setMouseTracking(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._model.modelAboutToBeReset.connect(self._keep_selection)
        self._model.modelReset.connect(self._restore_selection)
        self._model.dataChanged.connect(lambda *_range: self.selected.emit())
        self.doubleClicked.connect(self._send_to_b)

    @property
    def takes_model(self) -> TakesModel:
        """The list's model."""
        return self._model

    @property
    def current_take(self) -> ShownTake | None:
        """The take that has the cursor, if it is selected."""
        index = self.currentIndex()
        if not index.isValid() or not self.selectionModel().isSelected(index):
            return None
        return self._model.rows[index.row()].shown

    @property
    def selected_takes(self) -> list[ShownTake]:
        """The selected takes, from top to bottom."""
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        return [shown for row in rows if (shown := self._model.rows[row].shown) is not None]

    def select(self, number: int) -> None:
        """Select the take of a number, and nothing else."""
        shown = self._state.take_numbered(number)
        if shown is not None:
            self._select([shown], shown)

    def rename(self) -> None:
        """Type another name for the take that has the cursor, in its line."""
        if self.current_take is not None:
            self.setFocus()
            self.edit(self.currentIndex())

    def arrange(self, arrangement: Arrangement) -> None:
        """Show other takes, or in another order."""
        self._model.arrange(arrangement)
        self.viewport().update()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """A second press on A, B or a star is a press, not a double click on the take."""
        position = event.position().toPoint()
        if self.delegate.control_at(self.visualRect(self.indexAt(position)), position) is not None:
            self.mousePressEvent(event)
        else:
            super().mouseDoubleClickEvent(event)

    def selectionChanged(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        """Tell what depends on the selection."""
        super().selectionChanged(selected, deselected)
        if not self._resetting:
            self.selected.emit()

    def paintEvent(self, event: Any) -> None:
        """Draw the rows, or what to do while there are none."""
        super().paintEvent(event)
        if not self._model.rows:
            painter = QPainter(self.viewport())
            painter.setPen(QColor(theme.current().faint))
            painter.drawText(
                self.viewport().rect().adjusted(16, 12, -16, -16),
                Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignHCenter | Qt.TextFlag.TextWordWrap,
                self._model.empty_text(),
            )

    def _send_to_b(self, index: _Index) -> None:
        shown = self._model.rows[index.row()].shown
        if shown is not None:
            self.assign_asked.emit(shown.number, "B")

    def _keep_selection(self) -> None:
        self._kept, self._current = self.selected_takes, self.current_take
        self._resetting = True

    def _restore_selection(self) -> None:
        """A new take is selected; otherwise what was selected stays so."""
        self._resetting = False
        newest = max((row.shown for row in self._model.rows if row.shown), key=lambda shown: shown.number, default=None)
        if newest is not None and newest.number > self._newest:
            self._select([newest], newest)
        else:
            self._select(self._kept, self._current)
        self._newest = self._state.next_number - 1
        self.selected.emit()

    def _select(self, takes: Sequence[ShownTake], current: ShownTake | None) -> None:
        mode = QItemSelectionModel.SelectionFlag
        self._resetting = True
        self.clearSelection()
        place = self._model.row_of(current) if current is not None else -1
        if place >= 0:
            self.selectionModel().setCurrentIndex(self._model.index(place), mode.Select)
            self.scrollTo(self._model.index(place))
        for shown in takes:
            if (row := self._model.row_of(shown)) >= 0:
                self.selectionModel().select(self._model.index(row), mode.Select)
        self._resetting = False
        self.selected.emit()


def describe(shown: ShownTake) -> str:
    """A take in one line."""
    take = shown.take
    title = f"Take {shown.number}: {take.source_name} to {take.settings.target}"
    rated = f"{take.stars} star{'' if take.stars == 1 else 's'}" if take.stars else ""
    return ", ".join(filter(None, (title, take.name, summary(shown), take_wer(take)[0], rated)))


def take_help(shown: ShownTake) -> str:
    """What there is to know about a take, in lines."""
    take = shown.take
    measured = [
        f"naturalness {take.naturalness:.1f} of 5" if take.naturalness is not None else "",
        f"voice {take.similarity:.2f}" if take.similarity is not None else "",
    ]
    note = textwrap.fill(take.note, _NOTE_COLUMNS)
    lines = (describe(shown), judged_help(shown), ", ".join(filter(None, measured)), flags_help(take), note)
    return "\n".join(filter(None, lines))


def judged_help(shown: ShownTake) -> str:
    """The judge's probabilities in words."""
    judged = shown.take.judged
    shares = ", ".join(f"{emotion} {percent(share)}" for emotion, share in judged.items())
    return f"Judge ({shown.take.judge}): {shares}" if shares else ""
