"""The takes list: number, target, what steered it, the judge's bars, word errors and flags."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFontMetrics, QMouseEvent, QPainter
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from studio.emotions import COLOURS, EMOTIONS, INITIALS
from studio.gui import theme
from studio.gui.formats import percent, steering_summary
from studio.gui.state import TAKE_LANES, ShownTake, StudioState
from studio.gui.widgets.toggles import paint_badge
from studio.gui.words import flags_help, take_flags, take_wer

ROW_HEIGHT = 64
_TAKE = Qt.ItemDataRole.UserRole
_Index = QModelIndex | QPersistentModelIndex


class TakesModel(QAbstractListModel):
    """``state.takes`` as a list model."""

    def __init__(self, state: StudioState) -> None:
        super().__init__()
        self._state = state
        state.takes_changed.connect(self._refresh)
        state.lane_changed.connect(lambda _lane: self._show_lanes())
        self._held: list[ShownTake | None] = []

    def rowCount(self, parent: _Index | None = None) -> int:
        """How many takes there are."""
        return len(self._state.takes)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """A take's line for screen readers, its help, and the take itself."""
        shown = self._state.takes[index.row()]
        if role == _TAKE:
            return shown
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return describe(shown)
        if role == Qt.ItemDataRole.ToolTipRole:
            return "\n".join(filter(None, (describe(shown), judged_help(shown), flags_help(shown.take))))
        return None

    def lanes_of(self, shown: ShownTake) -> list[str]:
        """The lanes that hold this take."""
        contents = ((lane, self._state.lanes[lane]) for lane in TAKE_LANES)
        return [lane for lane, content in contents if content is not None and content.shown is shown]

    def _refresh(self) -> None:
        self.beginResetModel()
        self.endResetModel()

    def _show_lanes(self) -> None:
        contents = [self._state.lanes[lane] for lane in TAKE_LANES]
        held = [content.shown if content is not None else None for content in contents]
        if held != self._held and self._state.takes:
            self._held = held
            self.dataChanged.emit(self.index(0), self.index(len(self._state.takes) - 1))


class TakesList(QListView):
    """Takes, newest last; ``assign_asked`` carries a take's number and the lane it should go to."""

    assign_asked = Signal(int, str)
    selected = Signal()

    def __init__(self, state: StudioState) -> None:
        super().__init__()
        self._state = state
        self._model = TakesModel(state)
        self.setModel(self._model)
        self.setItemDelegate(TakeDelegate(self._model))
        self.setAccessibleName("Takes")
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._model.modelReset.connect(self._select_newest)
        self.doubleClicked.connect(lambda index: self.assign_asked.emit(index.row() + 1, "B"))

    @property
    def current_take(self) -> ShownTake | None:
        """The selected take."""
        row = self.currentIndex().row()
        return self._state.takes[row] if 0 <= row < len(self._state.takes) else None

    def select(self, number: int) -> None:
        """Select the take of a number."""
        self.setCurrentIndex(self._model.index(number - 1))

    def currentChanged(self, current: _Index, previous: _Index) -> None:
        """Tell what depends on the selection."""
        super().currentChanged(current, previous)
        self.selected.emit()

    def paintEvent(self, event: Any) -> None:
        """Draw the rows, or what to do while there are none."""
        super().paintEvent(event)
        if not self._state.takes:
            painter = QPainter(self.viewport())
            painter.setPen(QColor(theme.current().faint))
            painter.drawText(
                self.viewport().rect().adjusted(16, 12, -16, -16),
                Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignHCenter | Qt.TextFlag.TextWordWrap,
                "Every render is kept here as a take.\nChoose a target emotion to make the first.",
            )

    def _select_newest(self) -> None:
        if self._state.takes:
            self.select(len(self._state.takes))
            self.scrollToBottom()
        self.selected.emit()


class TakeDelegate(QStyledItemDelegate):
    """Paints one take in two lines, with the judge's five bars at the right and buttons to send it to A or B."""

    def __init__(self, model: TakesModel) -> None:
        super().__init__(model)
        self._model = model

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        """Every row alike."""
        return QSize(200, ROW_HEIGHT)

    def lane_box(self, row: QRect, lane: str) -> QRect:
        """Where the button of a lane is within a row."""
        return QRect(row.right() - (52 if lane == "A" else 28), row.top() + 38, 20, 18)

    def editorEvent(self, event: QEvent, model: Any, option: QStyleOptionViewItem, index: _Index) -> bool:
        """A click on A or B sends the take there."""
        if isinstance(event, QMouseEvent) and event.type() == QEvent.Type.MouseButtonRelease:
            position = event.position().toPoint()
            view = option.widget
            for lane in TAKE_LANES:
                if self.lane_box(option.rect, lane).contains(position) and isinstance(view, TakesList):
                    view.assign_asked.emit(index.row() + 1, lane)
                    return True
        return False

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Draw the row."""
        shown: ShownTake = index.data(_TAKE)
        colours = theme.current()
        row: QRect = option.rect
        state: QStyle.StateFlag = option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        selected = bool(state & QStyle.StateFlag.State_Selected)
        box = QRectF(row).adjusted(4, 2, -4, -2)
        painter.setPen(QColor(colours.accent) if selected else Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.control if selected else colours.panel))
        if selected or state & QStyle.StateFlag.State_MouseOver:
            painter.setBrush(QColor(colours.control))
        painter.drawRoundedRect(box, 4, 4)
        self._paint_text(painter, row, shown, colours)
        self._paint_judge(painter, QRect(row.right() - 68, row.top() + 6, 60, 28), shown, colours)
        held = self._model.lanes_of(shown)
        for lane in TAKE_LANES:
            self._paint_lane(painter, self.lane_box(row, lane), lane, lane in held, colours)
        painter.restore()

    def _paint_text(self, painter: QPainter, row: QRect, shown: ShownTake, colours: theme.Colours) -> None:
        target = shown.take.settings.target
        painter.setFont(theme.font(theme.SMALL_PX))
        painter.setPen(QColor(colours.muted))
        left = row.left() + 10
        painter.drawText(QRect(left, row.top() + 8, 18, 20), Qt.AlignmentFlag.AlignVCenter, str(shown.number))
        paint_badge(painter, QRectF(left + 18, row.top() + 9, 18, 18), INITIALS[target], COLOURS[target])
        painter.setFont(theme.font())
        painter.setPen(QColor(colours.text))
        name = QRect(left + 42, row.top() + 8, row.width() - 126, 20)
        painter.drawText(name, Qt.AlignmentFlag.AlignVCenter, target)
        painter.setFont(theme.font(theme.SMALL_PX))
        metrics = QFontMetrics(painter.font())
        width = row.width() - 72
        steered = summary(shown)
        painter.setPen(QColor(colours.text))
        painter.drawText(
            QRect(left, row.top() + 28, width, 16),
            Qt.AlignmentFlag.AlignVCenter,
            metrics.elidedText(steered, Qt.TextElideMode.ElideRight, width),
        )
        flags = take_flags(shown.take)
        painter.setPen(QColor(colours.warning if flags else colours.muted))
        note = flags or take_wer(shown.take)[0]
        painter.drawText(
            QRect(left, row.top() + 43, width, 16),
            Qt.AlignmentFlag.AlignVCenter,
            metrics.elidedText(note, Qt.TextElideMode.ElideRight, width),
        )

    def _paint_judge(self, painter: QPainter, box: QRect, shown: ShownTake, colours: theme.Colours) -> None:
        if not shown.take.judged:
            return
        step = box.width() / len(EMOTIONS)
        painter.setFont(theme.font(theme.SMALL_PX))
        for place, emotion in enumerate(EMOTIONS):
            share = shown.take.judged.get(emotion, 0.0)
            left = box.left() + place * step
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.border))
            painter.drawRect(QRectF(left + 2, box.top(), step - 4, 16))
            painter.setBrush(QColor(COLOURS[emotion]))
            painter.drawRect(QRectF(left + 2, box.top() + 16 * (1 - share), step - 4, 16 * share))
            painter.setPen(QColor(colours.text if emotion == shown.take.verdict else colours.faint))
            painter.drawText(QRectF(left, box.top() + 16, step, 13), Qt.AlignmentFlag.AlignCenter, INITIALS[emotion])

    def _paint_lane(self, painter: QPainter, box: QRect, lane: str, held: bool, colours: theme.Colours) -> None:
        painter.setPen(QColor(colours.lane(lane)))
        painter.setBrush(QColor(colours.lane(lane)) if held else Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(QRectF(box).adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)
        painter.setFont(theme.font(theme.SMALL_PX, bold=True))
        painter.setPen(QColor(colours.window) if held else QColor(colours.lane(lane)))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, lane)


def summary(shown: ShownTake) -> str:
    """What steered a take, in a few words."""
    settings = shown.take.settings
    return steering_summary(
        settings.target, str(settings.mode), settings.strengths, settings.layers, curve=settings.automation is not None
    )


def describe(shown: ShownTake) -> str:
    """A take in one line."""
    target = shown.take.settings.target
    parts = [f"Take {shown.number}: {shown.take.source_name} to {target}", summary(shown), take_wer(shown.take)[0]]
    return ", ".join(filter(None, parts))


def judged_help(shown: ShownTake) -> str:
    """The judge's probabilities in words."""
    judged = shown.take.judged
    shares = ", ".join(f"{emotion} {percent(judged[emotion])}" for emotion in judged)
    return f"Judge ({shown.take.judge}): {shares}" if shares else ""
