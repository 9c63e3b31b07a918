"""One line of the takes list: painted, clicked and renamed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QMouseEvent, QPainter, QPixmap
from PySide6.QtWidgets import QLineEdit, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from studio.emotions import COLOURS, EMOTIONS, INITIALS
from studio.gui import theme
from studio.gui.audition.arrange import Row
from studio.gui.shown import TAKE_LANES, ShownTake
from studio.gui.widgets.toggles import paint_badge
from studio.gui.words import take_flags, take_measures, take_wer

ROW_HEIGHT = 72
NOTE_HEIGHT = 16
"""How much higher a row with a note is."""

TITLE_HEIGHT = 24
STARS = 5
STAR_WIDTH = 13
_FULL, _EMPTY = "\u2605", "\u2606"
_Index = QModelIndex | QPersistentModelIndex


class TakeRole:
    """Roles of the model beyond Qt's own."""

    ROW = Qt.ItemDataRole.UserRole


class TakeDelegate(QStyledItemDelegate):
    """Paints a take in four short lines: name and stars, changes and the judge, words and lanes, flags and numbers.

    A note is a fifth; it and the fourth have the whole width.

    ``assign_asked`` and ``rate_asked`` tell of clicks on A, B and the stars.
    """

    assign_asked = Signal(int, str)
    rate_asked = Signal(object, int)

    def __init__(self, lanes_of: Callable[[ShownTake], list[str]]) -> None:
        super().__init__()
        self._lanes_of = lanes_of
        # A line is much text: painted once, not again with every take that comes.
        self._pictures: WeakKeyDictionary[ShownTake, tuple[tuple[Any, ...], QPixmap]] = WeakKeyDictionary()

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        """Takes alike but for a line for the note, titles lower."""
        row: Row = index.data(TakeRole.ROW)
        if row.shown is None:
            return QSize(200, TITLE_HEIGHT)
        return QSize(200, ROW_HEIGHT + (NOTE_HEIGHT if row.shown.take.note else 0))

    def note_box(self, row: QRect) -> QRect:
        """Where the note is within a row that has one."""
        return QRect(row.left() + 10, row.top() + 69, row.width() - 20, NOTE_HEIGHT)

    def words_box(self, row: QRect) -> QRect:
        """Where the word error rates are within a row, beside the lanes."""
        return QRect(row.left() + 10, row.top() + 38, row.width() - 76, 16)

    def numbers_box(self, row: QRect) -> QRect:
        """Where flags and the other numbers are within a row."""
        return QRect(row.left() + 10, row.top() + 53, row.width() - 20, 16)

    def lane_box(self, row: QRect, lane: str) -> QRect:
        """Where the button of a lane is within a row."""
        return QRect(row.right() - (52 if lane == "A" else 28), row.top() + 38, 20, 17)

    def star_box(self, row: QRect, star: int) -> QRect:
        """Where a star (1 to 5) is within a row."""
        return QRect(row.right() - 8 - (STARS - star + 1) * STAR_WIDTH, row.top() + 4, STAR_WIDTH, 17)

    def control_at(self, row: QRect, position: QPoint) -> str | int | None:
        """The lane whose button, or the star, that is at a place of a row."""
        for lane in TAKE_LANES:
            if self.lane_box(row, lane).contains(position):
                return lane
        return next((star for star in range(1, STARS + 1) if self.star_box(row, star).contains(position)), None)

    def name_box(self, row: QRect, *, stars: bool) -> QRect:
        """Where the name is within a row, beside the stars where there are any."""
        return QRect(row.left() + 52, row.top() + 4, row.width() - 66 - (STARS * STAR_WIDTH if stars else 0), 18)

    def editorEvent(self, event: QEvent, model: Any, option: QStyleOptionViewItem, index: _Index) -> bool:
        """A click on A or B sends the take there, one on a star rates it."""
        row: Row = index.data(TakeRole.ROW)
        pressed = QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonDblClick, QEvent.Type.MouseButtonRelease
        if row.shown is None or not isinstance(event, QMouseEvent) or event.type() not in pressed:
            return False
        if event.button() != Qt.MouseButton.LeftButton:
            return False
        control = self.control_at(option.rect, event.position().toPoint())
        if event.type() == QEvent.Type.MouseButtonRelease:
            if isinstance(control, str):
                self.assign_asked.emit(row.shown.number, control)
            elif control is not None:
                self.rate_asked.emit(row.shown, control)
        return control is not None

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: _Index) -> QWidget:
        """A field for the name."""
        edit = QLineEdit(parent)
        edit.setObjectName("rename")
        edit.setAccessibleName("Name of the take")
        edit.setMaxLength(80)
        return edit

    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: _Index) -> None:
        """Over the whole first line."""
        row = option.rect
        editor.setGeometry(QRect(row.left() + 44, row.top() + 2, row.width() - 52, 24))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Draw the row."""
        row: Row = index.data(TakeRole.ROW)
        box: QRect = option.rect
        if row.shown is not None:
            ratio = painter.device().devicePixelRatioF()
            painter.drawPixmap(box.topLeft(), self._picture(row, row.shown, option, ratio))
            return
        painter.save()
        self._paint_title(painter, box, row.text)
        painter.restore()

    def _picture(self, row: Row, shown: ShownTake, option: QStyleOptionViewItem, ratio: float) -> QPixmap:
        """A take's lines as they were painted last, or anew where something about them is different."""
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        hovered = bool(option.state & QStyle.StateFlag.State_MouseOver)
        held = self._lanes_of(shown)
        size = option.rect.size()
        look = (shown.take, row.text, selected, hovered, held, size, ratio, option.font.key(), theme.current())
        known = self._pictures.get(shown)
        if known is not None and known[0] == look:
            return known[1]
        picture = QPixmap(size * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_take(painter, QRect(QPoint(), size), row, shown, selected=selected, offered=selected or hovered)
        painter.end()
        self._pictures[shown] = look, picture
        return picture

    def _paint_title(self, painter: QPainter, box: QRect, text: str) -> None:
        painter.setFont(theme.font(theme.SMALL_PX, bold=True))
        painter.setPen(QColor(theme.current().muted))
        within = box.adjusted(8, 4, -8, 0)
        shown = QFontMetrics(painter.font()).elidedText(text, Qt.TextElideMode.ElideMiddle, within.width())
        painter.drawText(within, Qt.AlignmentFlag.AlignVCenter, shown)

    def _paint_take(
        self, painter: QPainter, box: QRect, row: Row, shown: ShownTake, *, selected: bool, offered: bool
    ) -> None:
        colours = theme.current()
        painter.setPen(QColor(colours.accent) if selected else Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.control if offered else colours.panel))
        painter.drawRoundedRect(QRectF(box).adjusted(4.5, 1.5, -4.5, -1.5), 4, 4)
        take, left = shown.take, box.left() + 10
        painter.setFont(theme.font(theme.SMALL_PX))
        painter.setPen(QColor(colours.muted))
        painter.drawText(QRect(left, box.top() + 4, 20, 18), Qt.AlignmentFlag.AlignVCenter, str(shown.number))
        target = take.settings.target
        paint_badge(painter, QRectF(left + 20, box.top() + 5, 16, 16), INITIALS[target], COLOURS[target])
        painter.setFont(theme.font())
        painter.setPen(QColor(colours.text))
        _draw_elided(painter, self.name_box(box, stars=offered or take.stars > 0), take.name or target)
        self._paint_stars(painter, box, take.stars, offered=offered)
        painter.setFont(theme.font(theme.SMALL_PX))
        painter.setPen(QColor(colours.text))
        _draw_elided(painter, QRect(left, box.top() + 23, box.width() - 76, 16), row.text)
        painter.setPen(QColor(colours.muted))
        _draw_elided(painter, self.words_box(box), take_wer(take)[0])
        place = self.numbers_box(box)
        flags = take_flags(take)
        if flags:
            painter.setPen(QColor(colours.warning))
            _draw_elided(painter, place, flags)
            place.setLeft(place.left() + painter.fontMetrics().horizontalAdvance(flags) + 8)
        painter.setPen(QColor(colours.muted))
        _draw_elided(painter, place, take_measures(take))
        if take.note:
            painter.setFont(_slanted(painter.font()))
            painter.setPen(QColor(colours.text))
            _draw_elided(painter, self.note_box(box), " ".join(take.note.split()))
        self._paint_judge(painter, QRect(box.right() - 60, box.top() + 23, 54, 13), shown, colours)
        held = self._lanes_of(shown)
        for lane in TAKE_LANES:
            self._paint_lane(painter, self.lane_box(box, lane), lane, lane in held, colours)

    def _paint_stars(self, painter: QPainter, row: QRect, stars: int, *, offered: bool) -> None:
        colours = theme.current()
        painter.setFont(theme.font())
        for star in range(1, STARS + 1):
            if star <= stars or offered:
                painter.setPen(QColor(colours.warning if star <= stars else colours.faint))
                glyph = _FULL if star <= stars else _EMPTY
                painter.drawText(self.star_box(row, star), Qt.AlignmentFlag.AlignCenter, glyph)

    def _paint_judge(self, painter: QPainter, box: QRect, shown: ShownTake, colours: theme.Colours) -> None:
        """Five bars in the emotions' order, the verdict's initial after them."""
        take = shown.take
        if not take.judged:
            return
        painter.setPen(Qt.PenStyle.NoPen)
        for place, emotion in enumerate(EMOTIONS):
            share = take.judged.get(emotion, 0.0)
            left = box.left() + place * 8
            painter.setBrush(QColor(colours.border))
            painter.drawRect(QRectF(left, box.top(), 6, box.height()))
            painter.setBrush(QColor(COLOURS[emotion]))
            painter.drawRect(QRectF(left, box.top() + box.height() * (1 - share), 6, box.height() * share))
        painter.setFont(theme.font(theme.SMALL_PX, bold=True))
        painter.setPen(QColor(colours.text))
        verdict = INITIALS.get(take.verdict or "", "?")
        painter.drawText(QRectF(box.left() + 40, box.top(), 14, box.height()), Qt.AlignmentFlag.AlignCenter, verdict)

    def _paint_lane(self, painter: QPainter, box: QRect, lane: str, held: bool, colours: theme.Colours) -> None:
        painter.setPen(QColor(colours.lane(lane)))
        painter.setBrush(QColor(colours.lane(lane)) if held else Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(QRectF(box).adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)
        painter.setFont(theme.font(theme.SMALL_PX, bold=True))
        painter.setPen(QColor(colours.window) if held else QColor(colours.lane(lane)))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, lane)


def _slanted(font: QFont) -> QFont:
    result = QFont(font)
    result.setItalic(True)
    return result


def _draw_elided(painter: QPainter, box: QRect, text: str) -> None:
    if box.width() <= 0:
        return
    shown = QFontMetrics(painter.font()).elidedText(text, Qt.TextElideMode.ElideRight, box.width())
    painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, shown)
