"""The tour: five callouts that show a newcomer around, once; afterwards only from the Help menu."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QRectF, QSettings, QSize, Qt
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from studio.gui import theme
from studio.gui.widgets.layout import link, small

_SEEN = "tour/seen"
_WIDTH = 320
_GAP = 16
_OUTLINE = 3


@dataclass(frozen=True, eq=False)
class Stop:
    """A callout: a title and a sentence or two about some widgets of the window."""

    title: str
    text: str
    about: tuple[QWidget, ...]


class Tour(QObject):
    """Shows one callout after another over ``window``, which stays usable; it counts as seen once it was shown."""

    def __init__(self, window: QWidget, stops: Callable[[], Sequence[Stop]], settings: QSettings) -> None:
        super().__init__(window)
        self._window = window
        self._make_stops = stops
        self._settings = settings
        self._stops: Sequence[Stop] = ()
        self.at = 0
        self.outline = _Outline(window)
        self.callout = Callout(window)
        self.callout.back.clicked.connect(lambda: self._go(self.at - 1))
        self.callout.next.clicked.connect(lambda: self._go(self.at + 1))
        self.callout.skip.clicked.connect(self.end)
        self.callout.left = self.end
        window.installEventFilter(self)

    @property
    def active(self) -> bool:
        """Whether a callout is shown."""
        return bool(self._stops)

    @property
    def about(self) -> tuple[QWidget, ...]:
        """What the callout that is shown is about."""
        return self._stops[self.at].about if self._stops else ()

    def offer(self) -> None:
        """Begin if nobody has seen it yet."""
        if not self._settings.value(_SEEN, False, type=bool):
            self.begin()

    def begin(self) -> None:
        """Show the first callout."""
        self._settings.setValue(_SEEN, True)
        self._stops = self._make_stops()
        self._go(0)

    def end(self) -> None:
        """Put the callout away."""
        self._stops = ()
        self.callout.hide()
        self.outline.hide()
        self._window.setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep to the widgets when the window changes."""
        if self.active and event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest):
            self._place()
        return False

    def _go(self, place: int) -> None:
        if place >= len(self._stops):
            self.end()
            return
        self.at = max(0, place)
        self.callout.show_stop(self._stops[self.at], self.at, len(self._stops))
        self._place()
        for widget in (self.outline, self.callout):
            widget.show()
            widget.raise_()
        self.callout.next.setFocus(Qt.FocusReason.OtherFocusReason)

    def _place(self) -> None:
        """Beside what it is about, where there is room, and always within the window."""
        about = QRect()
        for widget in self._stops[self.at].about:
            about |= QRect(widget.mapTo(self._window, QPoint(0, 0)), widget.size())
        within = self._window.rect()
        self.outline.setGeometry(within)
        self.outline.show_around(about.adjusted(-6, -6, 6, 6) & within.adjusted(2, 2, -2, -2))
        size = QSize(_WIDTH, self.callout.sizeHint().height())
        if about.right() + _GAP + size.width() < within.right():
            corner = QPoint(about.right() + _GAP, about.top())
        elif about.left() - _GAP - size.width() > 0:
            corner = QPoint(about.left() - _GAP - size.width(), about.top())
        elif about.top() > size.height() + 2 * _GAP:
            corner = QPoint(about.center().x() - size.width() // 2, about.top() - _GAP - size.height())
        else:
            corner = QPoint(about.center().x() - size.width() // 2, about.bottom() - _GAP - size.height())
        left = min(max(corner.x(), _GAP), within.width() - _GAP - size.width())
        top = min(max(corner.y(), _GAP), within.height() - _GAP - size.height())
        self.callout.setGeometry(left, top, size.width(), size.height())


class Callout(QFrame):
    """A card with a title, a text, where in the tour it is, and the buttons; Escape skips the rest."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.setObjectName("callout")
        self.setFixedWidth(_WIDTH)
        self.setAccessibleName("Tour")
        self.left: Callable[[], None] = self.hide
        self.title, self.text, self.place = QLabel(), QLabel(), small()
        self.title.setProperty("role", "title")
        self.text.setWordWrap(True)
        self.skip = link("skip the tour", "Skip the tour")
        self.back, self.next = QPushButton("Back"), QPushButton("Next")
        self.next.setObjectName("primary")
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.place)
        buttons.addWidget(self.skip)
        buttons.addStretch(1)
        buttons.addWidget(self.back)
        buttons.addWidget(self.next)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(8)
        layout.addWidget(self.title)
        layout.addWidget(self.text)
        layout.addSpacing(8)
        layout.addLayout(buttons)
        self.hide()

    def show_stop(self, stop: Stop, place: int, count: int) -> None:
        """Show one stop of ``count``."""
        self.title.setText(stop.title)
        self.text.setText(stop.text)
        self.setAccessibleDescription(f"{stop.title}. {stop.text}")
        self.place.setText(f"{place + 1} of {count}")
        last = place + 1 == count
        self.back.setVisible(place > 0)
        self.skip.setVisible(not last)
        self.next.setText("Done" if last else "Next")
        # A wrapped text tells its height only for a width that is known, and never less than the last one's.
        self.text.setMinimumHeight(0)
        self.text.setFixedHeight(self.text.heightForWidth(_WIDTH - 32))
        self.adjustSize()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape skips; Enter presses the button that has the focus."""
        focused = self.focusWidget()
        if event.key() == Qt.Key.Key_Escape:
            self.left()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and isinstance(focused, QPushButton):
            focused.click()
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        """Escape and Enter are the callout's, whatever they mean in the window."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            keys = (Qt.Key.Key_Escape, Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)
            if event.key() in keys:
                event.accept()
                return True
        return super().event(event)


class _Outline(QWidget):
    """A line in the accent around what a callout is about; the mouse goes through it."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._around = QRect()
        self.hide()

    def show_around(self, around: QRect) -> None:
        """Draw around a rectangle of the window."""
        self._around = around
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the line."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theme.current().accent), _OUTLINE))
        painter.drawRoundedRect(QRectF(self._around), 8, 8)
