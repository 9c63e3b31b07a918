"""Conversions of a search as a list: what was said, what the judge heard, what a person said about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from studio.audio.clip import Clip
from studio.emotions import COLOURS, INITIALS
from studio.gui import theme
from studio.gui.formats import percent
from studio.gui.icons import icon
from studio.gui.widgets.toggles import paint_badge

if TYPE_CHECKING:
    from studio.pipelines.records import Attempt

ROW_HEIGHT = 32
_ATTEMPT = Qt.ItemDataRole.UserRole
_Index = QModelIndex | QPersistentModelIndex
Verdict = Callable[["Attempt"], bool | None]


class ConversionsModel(QAbstractListModel):
    """Attempts in the order they are shown in; ``verdict`` says what a person heard in one."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__()
        self.verdict = verdict
        self._attempts: list[Attempt] = []

    def rowCount(self, parent: _Index | None = None) -> int:
        """How many there are."""
        return len(self._attempts)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """An attempt's line for screen readers, its help, and the attempt itself."""
        attempt = self._attempts[index.row()]
        if role == _ATTEMPT:
            return attempt
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return describe(attempt, self.verdict(attempt))
        if role == Qt.ItemDataRole.ToolTipRole:
            return help_of(attempt)
        return None

    def show(self, attempts: Sequence[Attempt]) -> None:
        """Show others."""
        self.beginResetModel()
        self._attempts = list(attempts)
        self.endResetModel()

    def put_first(self, attempts: Sequence[Attempt], most: int) -> None:
        """Add the newest at the top, and let the oldest beyond ``most`` go."""
        newest = list(reversed(attempts[-most:]))
        if not newest:
            return
        self.beginInsertRows(QModelIndex(), 0, len(newest) - 1)
        self._attempts[:0] = newest
        self.endInsertRows()
        if len(self._attempts) > most:
            self.beginRemoveRows(QModelIndex(), most, len(self._attempts) - 1)
            del self._attempts[most:]
            self.endRemoveRows()

    def attempt(self, row: int) -> Attempt | None:
        """The attempt in a row."""
        return self._attempts[row] if 0 <= row < len(self._attempts) else None

    def refresh(self) -> None:
        """Verdicts or what plays have changed."""
        if self._attempts:
            self.dataChanged.emit(self.index(0), self.index(len(self._attempts) - 1))


class ConversionsList(QListView):
    """Space or Return plays the row, S its source; with ``reviewing``, A accepts, R rejects, Backspace takes back."""

    play_asked = Signal(object)
    source_asked = Signal(object)
    judged = Signal(object, object)

    def __init__(self, name: str, verdict: Verdict, empty: str, *, reviewing: bool = False) -> None:
        super().__init__()
        self.conversions = ConversionsModel(verdict)
        self.reviewing = reviewing
        self.playing: Path | Clip | None = None
        self.folder: Path | None = None
        self._empty = empty
        self.setModel(self.conversions)
        self.setItemDelegate(ConversionDelegate(self))
        self.setAccessibleName(name)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumHeight(2 * ROW_HEIGHT)

    @property
    def current(self) -> Attempt | None:
        """The attempt of the selected row."""
        return self.conversions.attempt(self.currentIndex().row())

    def select(self, row: int) -> None:
        """Select a row and bring it into view."""
        self.setCurrentIndex(self.conversions.index(row))

    def show_playing(self, item: Path | Clip | None) -> None:
        """Mark the row that is heard."""
        self.playing = item
        self.viewport().update()

    def is_playing(self, attempt: Attempt) -> bool:
        """Whether a row's conversion is what is heard."""
        return self.playing is not None and self.folder is not None and self.playing == audio_of(attempt, self.folder)

    def set_empty(self, text: str) -> None:
        """What to say while there are no rows."""
        self._empty = text
        self.viewport().update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Play and judge by key; everything else as usual."""
        attempt, key = self.current, Qt.Key(event.key())
        if attempt is None or event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            super().keyPressEvent(event)
            return
        verdicts: dict[Qt.Key, bool | None] = {
            Qt.Key.Key_A: True,
            Qt.Key.Key_R: False,
            Qt.Key.Key_Backspace: None,
            Qt.Key.Key_Delete: None,
        }
        if key in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.play_asked.emit(attempt)
        elif key == Qt.Key.Key_S:
            self.source_asked.emit(attempt)
        elif self.reviewing and key in verdicts:
            self.judged.emit(attempt, verdicts[key])
        else:
            super().keyPressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click on the play button plays."""
        super().mouseReleaseEvent(event)
        index = self.indexAt(event.position().toPoint())
        attempt = self.conversions.attempt(index.row())
        if attempt is not None and event.position().x() < self.visualRect(index).left() + 32:
            self.play_asked.emit(attempt)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """A double click plays."""
        attempt = self.conversions.attempt(self.indexAt(event.position().toPoint()).row())
        if attempt is not None and event.position().x() >= 32:
            self.play_asked.emit(attempt)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the rows, or say why there are none."""
        super().paintEvent(event)
        if not self.conversions.rowCount():
            painter = QPainter(self.viewport())
            painter.setPen(QColor(theme.current().muted))
            painter.drawText(
                self.viewport().rect().adjusted(16, 12, -16, -12),
                Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignHCenter | Qt.TextFlag.TextWordWrap,
                self._empty,
            )


class ConversionDelegate(QStyledItemDelegate):
    """One line: play, target, recording, text, what the judge heard, verdict."""

    def __init__(self, view: ConversionsList) -> None:
        super().__init__(view)
        self._view = view

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        """Every row alike."""
        return QSize(400, ROW_HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Draw the row."""
        attempt: Attempt = index.data(_ATTEMPT)
        colours = theme.current()
        row: QRect = option.rect
        state: QStyle.StateFlag = option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        selected = bool(state & QStyle.StateFlag.State_Selected)
        if selected or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(QColor(colours.accent) if selected else Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.control))
            painter.drawRoundedRect(QRectF(row).adjusted(1.5, 1.5, -1.5, -1.5), 4, 4)
        if attempt.audio is not None:
            playing = self._view.is_playing(attempt)
            icon("stop" if playing else "play", active=playing).paint(painter, row.left() + 8, row.top() + 8, 16, 16)
        badge = QRectF(row.left() + 32, row.top() + 7, 18, 18)
        paint_badge(painter, badge, INITIALS[attempt.emotion], COLOURS[attempt.emotion])
        right = self._paint_verdict(painter, row, attempt, colours)
        left = row.left() + 58
        share = attempt.judged.get(attempt.emotion)
        heard = "" if share is None else f"{attempt.emotion} {percent(share)}"
        if right - left > 480:
            right -= 112
            _write(painter, QRect(right, row.top(), 104, row.height()), heard, colours.muted, right=True)
        _write(painter, QRect(left, row.top(), 96, row.height()), Path(attempt.source).stem, colours.muted)
        _write(painter, QRect(left + 104, row.top(), right - left - 112, row.height()), attempt.text, colours.text)
        painter.restore()

    def _paint_verdict(self, painter: QPainter, row: QRect, attempt: Attempt, colours: theme.Colours) -> int:
        """Draw the verdict at the right end; returns where it begins."""
        human = self._view.conversions.verdict(attempt)
        width = min(176, row.width() // 4)
        left = row.right() - width - 8
        if human is not None:
            word, name = ("accepted by you", "accept") if human else ("rejected by you", "reject")
            tint = colours.accent if human else colours.danger
        else:
            word, name = ("success", "success") if attempt.success else (attempt.reason, "failure")
            tint = colours.text if attempt.success else colours.muted
        icon(name, active=bool(human)).paint(painter, left, row.top() + 8, 16, 16)
        _write(painter, QRect(left + 22, row.top(), width - 22, row.height()), word, tint)
        return left - 8


def _write(painter: QPainter, box: QRect, text: str, colour: str, *, right: bool = False) -> None:
    painter.setFont(theme.font())
    painter.setPen(QColor(colour))
    metrics = QFontMetrics(painter.font())
    side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
    shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, box.width())
    painter.drawText(box, side | Qt.AlignmentFlag.AlignVCenter, shown)


def audio_of(attempt: Attempt, folder: Path) -> Path | None:
    """The sound file of a conversion; None when there is none."""
    return folder / attempt.audio if attempt.audio is not None else None


def describe(attempt: Attempt, human: bool | None) -> str:
    """A conversion in one line."""
    said = "success" if attempt.success else attempt.reason
    own = "" if human is None else ", accepted by you" if human else ", rejected by you"
    return f"{Path(attempt.source).stem} to {attempt.emotion}: “{attempt.text}”, {said}{own}"


def help_of(attempt: Attempt) -> str:
    """All that is known about a conversion."""
    words = "" if attempt.wer is None else f"Words: WER {percent(attempt.wer)}"
    heard = ", ".join(f"{emotion} {percent(share)}" for emotion, share in attempt.judged.items())
    lines = (
        f"{Path(attempt.source).stem} to {attempt.emotion}",
        f"“{attempt.text}”" if attempt.text else "",
        words,
        f"Judge: {heard}" if heard else "",
        "" if attempt.success else f"Rejected: {attempt.reason}",
    )
    return "\n".join(filter(None, lines))
