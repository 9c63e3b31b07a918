"""Groups of buttons of which exactly one is down, moved through with the arrow keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QHBoxLayout, QSizePolicy, QWidget

from studio.emotions import COLOURS, EMOTIONS, INITIALS
from studio.gui import theme


class SegmentButton(QAbstractButton):
    """One part of a segmented control; ``badge`` is an initial drawn on a disc of ``badge_colour``."""

    def __init__(
        self, text: str, *, badge: str = "", badge_colour: str = "", tall: bool = False, small: bool = False
    ) -> None:
        super().__init__()
        self.setText(text)
        self._px = theme.SMALL_PX if tall or small else theme.BODY_PX
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._badge = badge
        self._badge_colour = badge_colour
        self._tall = tall
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)

    def sizeHint(self) -> QSize:
        """Room for the text, and for the badge above it."""
        width = QFontMetrics(theme.font(self._px, bold=True)).horizontalAdvance(self.text()) + 12
        return QSize(width, 52 if self._tall else 28)

    minimumSizeHint = sizeHint

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the segment."""
        colours = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        checked = self.isChecked()
        fill = QColor(colours.hover if self.underMouse() and self.isEnabled() else colours.control)
        edge = QColor(colours.border)
        if checked:
            fill = theme.blend(self._badge_colour or colours.accent, colours.panel, 0.28)
            edge = QColor(self._badge_colour or colours.accent)
        if not self.isEnabled():
            fill = QColor(colours.panel)
        painter.setPen(QPen(edge, 1))
        painter.setBrush(fill)
        painter.drawRoundedRect(box, 4, 4)
        if self.hasFocus():
            painter.setPen(QPen(QColor(colours.text), 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box.adjusted(1.5, 1.5, -1.5, -1.5), 3, 3)
        text_colour = QColor(colours.text if self.isEnabled() else colours.faint)
        text_box = self.rect()
        if self._badge:
            disc = QRectF(self.width() / 2 - 10, 6, 20, 20)
            paint_badge(painter, disc, self._badge, self._badge_colour, enabled=self.isEnabled())
            text_box = self.rect().adjusted(0, 28, 0, -3)
        painter.setFont(theme.font(self._px, bold=checked))
        painter.setPen(text_colour)
        painter.drawText(text_box, Qt.AlignmentFlag.AlignCenter, self.text())


def paint_badge(painter: QPainter, disc: QRectF, initial: str, colour: str, *, enabled: bool = True) -> None:
    """An emotion's initial on a disc of its colour, in black or white, whichever reads better."""
    fill = QColor(colour)
    if not enabled:
        fill.setAlphaF(0.35)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(fill)
    painter.drawEllipse(disc)
    painter.setFont(theme.font(theme.SMALL_PX, bold=True))
    painter.setPen(QColor("#FFFFFF" if _luminance(fill) < 0.3 else "#16171A"))
    painter.drawText(disc, Qt.AlignmentFlag.AlignCenter, initial)


class Segments(QWidget):
    """A row of segments; ``chosen`` carries the key of the one the user presses."""

    chosen = Signal(str)

    def __init__(self, labels: Mapping[str, str], *, name: str, hints: Mapping[str, str] | None = None) -> None:
        super().__init__()
        # More than four would widen the panel they stand in.
        buttons = {key: SegmentButton(label, small=len(labels) > 4) for key, label in labels.items()}
        for key, button in buttons.items():
            button.setToolTip((hints or {}).get(key, ""))
        self._build(buttons, name)

    def _build(self, buttons: dict[str, SegmentButton], name: str) -> None:
        self._name = name
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(name)
        self._buttons = buttons
        self._hints = {key: button.toolTip() for key, button in buttons.items()}
        self._group = QButtonGroup(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for key, button in buttons.items():
            button.setAccessibleName(f"{name}: {button.text()}")
            button.clicked.connect(lambda _checked=False, key=key: self.chosen.emit(key))
            self._group.addButton(button)
            layout.addWidget(button)

    def button(self, key: str) -> SegmentButton:
        """The button of a key."""
        return self._buttons[key]

    @property
    def value(self) -> str | None:
        """The key that is down, or None."""
        return next((key for key, button in self._buttons.items() if button.isChecked()), None)

    def show_value(self, key: str | None) -> None:
        """Put the button of ``key`` down (none for None) without emitting ``chosen``."""
        self._group.setExclusive(False)
        for each, button in self._buttons.items():
            button.setChecked(each == key)
        self._group.setExclusive(True)

    def allow(self, keys: Sequence[str], reason: str) -> None:
        """Enable the buttons of ``keys``; the others say ``reason`` on hover."""
        for key, button in self._buttons.items():
            button.setEnabled(key in keys)
            button.setToolTip(self._hints[key] if key in keys else reason)


class EmotionButtons(Segments):
    """The five emotions, each with its colour and initial."""

    def __init__(self, name: str) -> None:
        QWidget.__init__(self)
        self._build(
            {
                emotion: SegmentButton(emotion, badge=INITIALS[emotion], badge_colour=COLOURS[emotion], tall=True)
                for emotion in EMOTIONS
            },
            name,
        )


def _luminance(colour: QColor) -> float:
    def linear(part: float) -> float:
        return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)

    return 0.2126 * linear(colour.redF()) + 0.7152 * linear(colour.greenF()) + 0.0722 * linear(colour.blueF())
