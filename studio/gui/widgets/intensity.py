"""One emotion's intensity: a slider with its zones on the track, a typed value, and an on/off switch for deactivate."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QHBoxLayout,
    QSizePolicy,
    QSlider,
    QStackedWidget,
    QWidget,
)

from studio.emotions import COLOURS, INITIALS
from studio.gui import theme
from studio.gui.formats import strength
from studio.gui.intensity import RANGES, ZONE_EDGES, IntensityRange
from studio.gui.widgets.decimals import DecimalBox
from studio.gui.widgets.switch import Switch
from studio.gui.widgets.toggles import paint_badge

_STEPS_PER_UNIT = 100
KNOB = 7.0
_TRACK = 6.0

LABEL_WIDTH = 80
VALUE_WIDTH = 48
SPACING = 8


class ZonedSlider(QSlider):
    """A slider from 0 to a range's maximum in steps of 0.01; a double click asks for a reset."""

    reset_asked = Signal()

    def __init__(self, colour: str) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._colour = colour
        self._bypassed = False
        self._range = RANGES["gain"]
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.use_range(self._range)

    def use_range(self, intensity: IntensityRange) -> None:
        """Show another mode's range and zones."""
        self._range = intensity
        self.setRange(0, round(intensity.maximum * _STEPS_PER_UNIT))
        self.setSingleStep(max(1, round(intensity.maximum * _STEPS_PER_UNIT / 40)))
        self.setPageStep(max(1, round(intensity.maximum * _STEPS_PER_UNIT / 8)))
        self.update()

    def show_bypassed(self, bypassed: bool) -> None:
        """Draw the value hollow: it is set, and not heard."""
        self._bypassed = bypassed
        self.update()

    @property
    def strength(self) -> float:
        """The strength shown."""
        return self.value() / _STEPS_PER_UNIT

    def show_strength(self, value: float) -> None:
        """Move to a strength (clipped to the range)."""
        self.setValue(round(value * _STEPS_PER_UNIT))

    def x_of(self, value: float) -> float:
        """Horizontal pixel of a strength, for tests and the zone scale."""
        return KNOB + self._range.share(value) * (self.width() - 2 * KNOB)

    def sizeHint(self) -> QSize:
        """A comfortable track."""
        return QSize(120, 24)

    def minimumSizeHint(self) -> QSize:
        """Never too short to aim at."""
        return QSize(72, 24)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Jump to where the mouse is and follow it."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.setSliderDown(True)
            self._follow(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Follow the mouse while it is down."""
        if self.isSliderDown():
            self._follow(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        self.setSliderDown(False)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Ask for a reset."""
        self.setSliderDown(False)
        self.reset_asked.emit()

    def _follow(self, event: QMouseEvent) -> None:
        share = (event.position().x() - KNOB) / max(1.0, self.width() - 2 * KNOB)
        self.show_strength(self._range.value(min(1.0, max(0.0, share))))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the zones, the fill up to the value in the emotion's colour, and the knob."""
        colours = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        middle = self.height() / 2
        edges = (0.0, self._range.safe, self._range.strong, self._range.maximum)
        fills = (
            QBrush(theme.blend(colours.text, colours.panel, 0.30)),
            QBrush(theme.blend(colours.warning, colours.panel, 0.45)),
            QBrush(theme.blend(colours.danger, colours.panel, 0.85), Qt.BrushStyle.BDiagPattern),
        )
        painter.setPen(Qt.PenStyle.NoPen)
        for index, fill in enumerate(fills):
            left = self.x_of(edges[index]) + (1 if index else -KNOB + 1)
            right = self.x_of(edges[index + 1]) - (1 if index < 2 else -KNOB + 1)
            if index == 2:
                painter.setBrush(theme.blend(colours.danger, colours.panel, 0.25 if self.isEnabled() else 0.08))
                painter.drawRoundedRect(QRectF(left, middle - _TRACK / 2, right - left, _TRACK), 2, 2)
            painter.setBrush(fill if self.isEnabled() else QBrush(QColor(colours.border)))
            painter.drawRoundedRect(QRectF(left, middle - _TRACK / 2, right - left, _TRACK), 2, 2)
        knob_x = self.x_of(self.strength)
        if not self.isEnabled():
            painter.setBrush(QColor(colours.border))
            painter.drawEllipse(QRectF(knob_x - 5, middle - 5, 10, 10))
            return
        if self.value() and not self._bypassed:
            painter.setBrush(QColor(self._colour))
            painter.drawRoundedRect(QRectF(1, middle - _TRACK / 2, knob_x - 1, _TRACK), 2, 2)
        coloured = self.value() and not self._bypassed
        painter.setBrush(QColor(self._colour) if coloured else theme.blend(colours.text, colours.panel, 0.75))
        ring = colours.text if self.hasFocus() else colours.panel
        painter.setPen(QPen(QColor(ring), 2))
        radius = KNOB - 1
        painter.drawEllipse(QRectF(knob_x - radius, middle - radius, 2 * radius, 2 * radius))


class EmotionLabel(QAbstractButton):
    """An emotion's initial on its colour, and its name; pressing it mutes the emotion, with Shift all others."""

    mute_asked = Signal()
    solo_asked = Signal()

    def __init__(self, emotion: str) -> None:
        super().__init__()
        self._emotion = emotion
        self._muted = False
        self.setFixedSize(LABEL_WIDTH, 24)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.clicked.connect(self._ask)
        self.show_muted(muted=False)

    def show_muted(self, *, muted: bool) -> None:
        """Strike the name through, or not."""
        self._muted = muted
        self.setAccessibleName(f"Hear {self._emotion} again" if muted else f"Mute {self._emotion}")
        state = f"{self._emotion} is muted: its intensity counts as zero. " if muted else ""
        self.setToolTip(f"{state}Click to {'hear it again' if muted else 'mute'}, Shift+click for solo")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw badge and name."""
        heard = self.isEnabled() and not self._muted
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint_badge(painter, QRectF(0, 3, 18, 18), INITIALS[self._emotion], COLOURS[self._emotion], enabled=heard)
        colours = theme.current()
        font = theme.font()
        font.setStrikeOut(self._muted)
        font.setUnderline(self.isEnabled() and (self.underMouse() or self.hasFocus()))
        painter.setFont(font)
        painter.setPen(QColor(colours.text if heard else colours.faint))
        painter.drawText(self.rect().adjusted(26, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, self._emotion)

    def _ask(self) -> None:
        shift = bool(QApplication.keyboardModifiers() & Qt.KeyboardModifier.ShiftModifier)
        (self.solo_asked if shift else self.mute_asked).emit()


class IntensityRow(QWidget):
    """Label, slider and value of one emotion; ``edited`` carries every strength the user chooses."""

    edited = Signal(str, float)

    def __init__(self, emotion: str) -> None:
        super().__init__()
        self.emotion = emotion
        self.slider = ZonedSlider(COLOURS[emotion])
        self.slider.setAccessibleName(f"Intensity of {emotion}")
        self.value = DecimalBox()
        self.value.setDecimals(2)
        self.value.setButtonSymbols(DecimalBox.ButtonSymbols.NoButtons)
        self.value.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.value.setFixedWidth(VALUE_WIDTH)
        self.value.setKeyboardTracking(False)
        self.value.setAccessibleName(f"Intensity of {emotion}, typed")
        self.switch = Switch(COLOURS[emotion])
        self.switch.setAccessibleName(f"Deactivate {emotion} neurons")
        self.label = EmotionLabel(emotion)
        strength_page = QWidget()
        page_layout = QHBoxLayout(strength_page)
        page_layout.setContentsMargins(0, 0, 0, 0)
        page_layout.setSpacing(SPACING)
        page_layout.addWidget(self.slider)
        page_layout.addWidget(self.value)
        switch_page = QWidget()
        switch_layout = QHBoxLayout(switch_page)
        switch_layout.setContentsMargins(0, 0, 0, 0)
        switch_layout.addStretch(1)
        switch_layout.addWidget(self.switch)
        self._pages = QStackedWidget()
        self._pages.addWidget(strength_page)
        self._pages.addWidget(switch_page)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(SPACING)
        layout.addWidget(self.label)
        layout.addWidget(self._pages, 1)
        self.setFixedHeight(32)
        self.slider.valueChanged.connect(lambda _value: self._edit(self.slider.strength))
        self.value.valueChanged.connect(self._edit)
        self.slider.reset_asked.connect(lambda: self._edit(0.0))
        self.switch.toggled.connect(lambda on: self._edit(1.0 if on else 0.0))
        self._mode = "gain"
        self._intensity: IntensityRange | None = None
        self.show_value("gain", 0.0)

    def show_value(self, mode: str, value: float, intensity: IntensityRange | None = None) -> None:
        """Show a mode and strength without emitting ``edited``; ``intensity`` None: the mode's own range."""
        controls = (self.slider, self.value, self.switch)
        for control in controls:
            control.blockSignals(True)
        intensity = intensity or RANGES.get(mode)
        self._mode, self._intensity = mode, intensity
        self._pages.setCurrentIndex(0 if intensity is not None else 1)
        if intensity is None:
            self.switch.setChecked(value > 0.0)
        else:
            self.slider.use_range(intensity)
            self.value.setRange(0.0, intensity.maximum)
            self.value.setSingleStep(intensity.maximum / 40)
            self.slider.show_strength(value)
            self.value.setValue(value)
            zone = intensity.zone(value)
            self.slider.setAccessibleDescription(f"{strength(value)}, {zone}")
            self.slider.setToolTip(_zone_help(self.emotion, zone, value))
        for control in controls:
            control.blockSignals(False)
        self.slider.update()
        self.switch.update()

    def show_bypassed(self, bypassed: bool) -> None:
        """Show that the strength is set and not heard, or that it is."""
        self.slider.show_bypassed(bypassed)

    def allow(self, reason: str | None) -> None:
        """Enable the row, or disable it with the reason to show on hover."""
        self.setEnabled(reason is None)
        self.setToolTip(reason or "")

    def _edit(self, value: float) -> None:
        self.show_value(self._mode, value, self._intensity)
        self.edited.emit(self.emotion, value)


_MEASURED = "Measured with this mask (evaluate --calibrate): where words and voice suffer, and where they break"
_FROM_THE_PAPER = "As the paper found them for its models; esn-studio evaluate --calibrate measures them for this mask"


class ZoneScale(QWidget):
    """The zones' names under the sliders, aligned with their tracks."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(16)
        self._mode = "gain"

    def show_mode(self, mode: str, *, measured: bool = False) -> None:
        """Show another mode's zones; deactivate has none. ``measured``: in a sweep with the mask that is open."""
        self._mode = mode
        self.setToolTip(_MEASURED if measured else _FROM_THE_PAPER)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the names under their stretch of track."""
        intensity = RANGES.get(self._mode)
        if intensity is None:
            return
        colours = theme.current()
        painter = QPainter(self)
        painter.setFont(theme.font(theme.SMALL_PX))
        left, right = LABEL_WIDTH + SPACING, self.width() - VALUE_WIDTH - SPACING
        names = (("safe", colours.muted), ("strong", colours.warning), ("destructive", colours.danger))
        for (name, colour), edge in zip(names, ZONE_EDGES, strict=False):
            painter.setPen(QColor(colour))
            start = left + KNOB + edge * (right - left - 2 * KNOB)
            painter.drawText(QRectF(start, 0, 80, 16), Qt.AlignmentFlag.AlignLeft, name)


def _zone_help(emotion: str, zone: str, value: float) -> str:
    says = {
        "off": "Off: the instruction alone. Drag, type, or use the arrow keys",
        "safe": "Safe: words stay intact",
        "strong": "Strong: clearer emotion, some words may suffer",
        "destructive": "Destructive: words break",
    }
    return f"{emotion} {strength(value)}. {says[zone]}. Double-click resets."
