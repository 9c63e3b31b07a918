"""The lane of the intensity curve: points that are set, dragged and removed by mouse or key."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QAction,
    QColor,
    QContextMenuEvent,
    QFocusEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QMenu, QSizePolicy

from studio.esn.automation import Automation, Point
from studio.gui import theme
from studio.gui.audition.canvas import TimeCanvas
from studio.gui.formats import clock, percent
from studio.gui.timeaxis import TimeAxis
from studio.gui.widgets.layout import explain, link

HEIGHT = 44
_MARGIN = 7
_RADIUS = 4.0
_REACH = 9.0
"""Pixels around a point that still mean it."""

_NEAREST = 0.01
"""Seconds that two points keep between them."""

_STEP_SECONDS, _STEP_SHARE = 0.02, 0.05
_HINT = "Intensity curve: click to set points; every strength follows it over the line"
_HELP = (
    "Click to set a point, drag it, double-click or Delete to remove it. By key: arrows move the chosen point, "
    "Page Up and Page Down choose another, Insert sets one at the playhead."
)
_NO_CURVE = "No curve is drawn"


class CurveLane(TimeCanvas):
    """Shows and edits the curve's points (seconds, share of the strengths); ``edited`` with all of them, or None.

    ``clear_button`` belongs beside the lane, where it covers none of it; it and the lane's menu do ``clear_action``.
    """

    edited = Signal(object)

    def __init__(self, axis: TimeAxis) -> None:
        super().__init__(axis)
        self.points: tuple[Point, ...] = ()
        self.chosen: int | None = None
        self._seconds = 0.0
        self._reason: str | None = None
        self._words: tuple[str, ...] = ()
        self._dragged = False
        self._took_press = False
        self.clear_action = QAction("Clear the curve", self)
        self.clear_action.setShortcut(QKeySequence("Shift+Del"))
        # As with Delete: elsewhere it may be meant for something else.
        self.clear_action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        self.addAction(self.clear_action)
        self.clear_action.triggered.connect(self.clear)
        self.clear_button = link("clear curve", "Clear the intensity curve")
        self.clear_button.clicked.connect(self.clear_action.trigger)
        self.menu = QMenu(self)
        self.menu.setToolTipsVisible(True)
        self.menu.addAction(self.clear_action)
        self.setFixedHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAccessibleName("Intensity curve")
        self._hint()
        self._describe()

    def sizeHint(self) -> QSize:
        """A slim strip."""
        return QSize(480, HEIGHT)

    def show_points(self, points: Sequence[Point] | None, seconds: float) -> None:
        """Show a curve, or none, over a recording of so many seconds (0: nothing is open)."""
        points = tuple(points or ())
        if points != self.points or seconds != self._seconds:
            self.points, self._seconds = points, seconds
            self._hint()
            if self.chosen is not None and self.chosen >= len(points):
                self.chosen = None
            self._describe()
            self.redraw()

    def allow(self, reason: str | None) -> None:
        """Let a curve be drawn, or say why the model follows none."""
        if reason != self._reason:
            self._reason = reason
            self._hint()
            self.redraw()

    @property
    def _blocked(self) -> str | None:
        """Why no curve can be drawn now; None when one can."""
        return "Open a recording first" if self._seconds <= 0 else self._reason

    def _hint(self) -> None:
        snaps = " Points snap to words, with which this model keeps step." if self._words else ""
        explain(self, self._blocked is None, self._blocked or "", f"{_HELP}{snaps}")

    def show_words(self, words: Sequence[str]) -> None:
        """Snap to these words, each an equal share of the length; none: points go anywhere in time."""
        if tuple(words) != self._words:
            self._words = tuple(words)
            self._hint()
            self.redraw()

    def clear(self) -> None:
        """Remove every point: full strength throughout."""
        self._apply((), None)

    def x_y(self, point: Point) -> QPointF:
        """Pixel of a point."""
        return QPointF(self.x_of(point[0]), self._y_of(point[1]))

    def draw_still(self, painter: QPainter) -> None:
        """Draw the levels of no and full strength, and the curve over them."""
        colours = theme.current()
        painter.fillRect(self.rect(), QColor(colours.canvas))
        painter.setPen(QPen(QColor(colours.grid), 1))
        for share in (0.0, 1.0):
            y = round(self._y_of(share)) + 0.5
            painter.drawLine(QPointF(0, y), QPointF(self.width(), y))
        painter.setFont(theme.font(theme.SMALL_PX))
        self._draw_words(painter, colours)
        if not self.points:
            painter.setPen(QColor(colours.faint))
            painter.drawText(self.rect().adjusted(8, 0, -8, 0), Qt.AlignmentFlag.AlignCenter, self._blocked or _HINT)
            return
        line = [QPointF(0, self._y_of(self.points[0][1])), *(self.x_y(point) for point in self.points)]
        line.append(QPointF(self.width(), line[-1].y()))
        if line[1].x() < 0:
            line[0].setX(line[1].x())
        if line[-2].x() > self.width():
            line[-1].setX(line[-2].x())
        floor = self._y_of(0.0)
        shade = QColor(colours.accent)
        shade.setAlphaF(0.16)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(shade)
        painter.drawPolygon([QPointF(line[0].x(), floor), *line, QPointF(line[-1].x(), floor)])
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(colours.accent), 2))
        painter.drawPolyline(line)
        for index, point in enumerate(self.points):
            painter.setPen(QPen(QColor(colours.text if index == self.chosen else colours.accent), 1.5))
            painter.setBrush(QColor(colours.accent if index == self.chosen else colours.canvas))
            painter.drawEllipse(self.x_y(point), _RADIUS, _RADIUS)

    def _draw_words(self, painter: QPainter, colours: theme.Colours) -> None:
        """A line where each word begins, and the word where there is room for it."""
        for number, word in enumerate(self._words):
            left, right = (self.x_of(self._boundary(place)) for place in (number, number + 1))
            painter.setPen(QColor(colours.grid))
            painter.drawLine(QPointF(left, 0), QPointF(left, self.height()))
            if self.points and painter.fontMetrics().horizontalAdvance(word) + 6 < right - left:
                painter.setPen(QColor(colours.faint))
                painter.drawText(QPointF(left + 3, self.height() - 4), word)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The curve, then the numbers of the chosen point."""
        super().paintEvent(event)
        if self.chosen is None:
            return
        painter = QPainter(self)
        colours = theme.current()
        at, text = self.x_y(self.points[self.chosen]), self._say(self.chosen)
        painter.setFont(theme.font(theme.SMALL_PX))
        width = painter.fontMetrics().horizontalAdvance(text) + 8
        left = at.x() + 8 if at.x() + 8 + width < self.width() else at.x() - 8 - width
        box = QRectF(left, min(max(at.y() - 8, 1), self.height() - 17), width, 16)
        painter.fillRect(box, QColor(colours.control))
        painter.setPen(QColor(colours.text))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the point under the mouse, or set a new one there; the right button removes it."""
        found = self._under(event.position())
        self._took_press = event.button() == Qt.MouseButton.RightButton and found is not None
        if event.button() == Qt.MouseButton.RightButton and found is not None:
            self._remove(found)
        elif event.button() == Qt.MouseButton.LeftButton and self._seconds > 0:
            if found is None:
                self._set_point(self._point_at(event.position()))
            else:
                self._choose(found)
            self._dragged = self.chosen is not None

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag the chosen point between its neighbours."""
        if self._dragged and self.chosen is not None:
            self._move(self.chosen, self._point_at(event.position()))
        else:
            over = self._under(event.position()) is not None
            self.setCursor(Qt.CursorShape.SizeAllCursor if over else Qt.CursorShape.CrossCursor)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """The drag is over."""
        self._dragged = False

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Remove the point under the mouse."""
        self._dragged = False
        found = self._under(event.position())
        if found is not None:
            self._remove(found)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """The menu, by key or where the right button met no point that it removes."""
        if event.reason() != QContextMenuEvent.Reason.Mouse or not self._took_press:
            self.menu.popup(event.globalPos())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Edit by key; with no point chosen, keys mean what they mean on any lane."""
        key, chosen = event.key(), self.chosen
        if key == Qt.Key.Key_Insert and self._seconds > 0:
            seconds = min(self.axis.playhead, self._seconds)
            self._set_point((seconds, self._share_of(seconds)))
        elif key in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown) and self.points:
            step = 1 if key == Qt.Key.Key_PageDown else -1
            self._choose((chosen + step) % len(self.points) if chosen is not None else 0)
        elif chosen is None:
            super().keyPressEvent(event)
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self._remove(chosen)
        elif key == Qt.Key.Key_Escape:
            self._choose(None)
        elif (move := _MOVES.get(Qt.Key(key))) is not None:
            seconds, share = self.points[chosen]
            along, up = move
            stride = self._seconds / len(self._words) if self._words else _STEP_SECONDS
            self._move(chosen, (seconds + along * stride, share + up * _STEP_SHARE))
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """No point stays chosen that keys no longer reach."""
        self._choose(None)
        super().focusOutEvent(event)

    def _y_of(self, share: float) -> float:
        return _MARGIN + (1 - share) * (self.height() - 2 * _MARGIN)

    def _point_at(self, place: QPointF) -> Point:
        share = 1 - (place.y() - _MARGIN) / (self.height() - 2 * _MARGIN)
        return self.seconds_at(place.x()), share

    def _boundary(self, number: int) -> float:
        """Where a word begins."""
        return number * self._seconds / max(1, len(self._words))

    def _snapped(self, seconds: float) -> float:
        """The nearest time a point may have."""
        if self._words and self._seconds > 0:
            count = len(self._words)
            seconds = self._boundary(round(min(max(seconds / self._seconds, 0.0), 1.0) * count))
        return round(min(max(seconds, 0.0), self._seconds), 3)

    def _share_of(self, seconds: float) -> float:
        return Automation(self.points).at(seconds) if self.points else 1.0

    def _under(self, place: QPointF) -> int | None:
        distances = [(place - self.x_y(point)).manhattanLength() for point in self.points]
        nearest = min(range(len(distances)), key=distances.__getitem__, default=None)
        return nearest if nearest is not None and distances[nearest] <= _REACH else None

    def _set_point(self, point: Point) -> None:
        seconds = self._snapped(point[0])
        place = bisect_left([time for time, _ in self.points], seconds)
        around = self.points[max(0, place - 1) : place + 1]
        if any(abs(time - seconds) < _NEAREST for time, _ in around):
            return
        points = (*self.points[:place], (seconds, _rounded(point[1])), *self.points[place:])
        self._apply(points, place)

    def _move(self, index: int, point: Point) -> None:
        low = self.points[index - 1][0] + _NEAREST if index else 0.0
        high = self.points[index + 1][0] - _NEAREST if index + 1 < len(self.points) else self._seconds
        wanted = self._snapped(point[0])
        # A word whose neighbour has a point already is not free.
        free = low <= wanted <= high or not self._words
        seconds = round(min(max(wanted, low), high), 3) if free else self.points[index][0]
        moved = (seconds, _rounded(point[1]))
        self._apply((*self.points[:index], moved, *self.points[index + 1 :]), index)

    def _remove(self, index: int) -> None:
        self._apply((*self.points[:index], *self.points[index + 1 :]), None)

    def _apply(self, points: tuple[Point, ...], chosen: int | None) -> None:
        changed = points != self.points
        self.points = points
        self._choose(chosen)
        if changed:
            self._describe()
            self.edited.emit(points or None)

    def _choose(self, index: int | None) -> None:
        self.chosen = index
        self._describe()
        self.redraw()

    def _say(self, index: int) -> str:
        seconds, share = self.points[index]
        return f"{clock(seconds)}  {percent(share)}"

    def _describe(self) -> None:
        hint = "Clear the whole curve (Shift+Del)"
        explain(self.clear_button, bool(self.points), _NO_CURVE, hint)
        self.clear_action.setEnabled(bool(self.points))
        self.clear_action.setToolTip(hint if self.points else _NO_CURVE)
        parts = [self._say(index) for index in range(len(self.points))]
        chosen = f"; chosen: {self._say(self.chosen)}" if self.chosen is not None else ""
        self.setAccessibleDescription(f"{', '.join(parts) or 'full strength throughout'}{chosen}. {_HELP}")


_MOVES = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, 1),
    Qt.Key.Key_Down: (0, -1),
}


def _rounded(share: float) -> float:
    return round(min(max(share, 0.0), 1.0), 2)
