"""Layers as a strip of bars: how many selected neurons each holds, and which of them are steered."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from studio.gui import theme

_LABEL_HEIGHT = 16


class LayerStrip(QWidget):
    """Drag across bars to choose a layer window; ``window_chosen`` carries (first, last) or None for all layers."""

    window_chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._counts: list[int] = []
        self._colour = ""
        self._emotion = ""
        self._window: tuple[int, int] | None = None
        self._anchor: int | None = None
        self.setMinimumHeight(56)
        self.setMaximumHeight(160)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAccessibleName("Layer window")

    def show_counts(self, counts: Sequence[int], colour: str, emotion: str) -> None:
        """Show neurons per layer of one emotion."""
        self._counts, self._colour, self._emotion = list(counts), colour, emotion
        self.update()

    def show_window(self, window: tuple[int, int] | None) -> None:
        """Show the chosen layers; None means all."""
        self._window = window
        chosen = "all layers" if window is None else f"layers {window[0]} to {window[1]}"
        self.setAccessibleDescription(chosen)
        self.update()

    def sizeHint(self) -> QSize:
        """A strip."""
        return QSize(240, 64)

    def layer_at(self, x: float) -> int:
        """The layer under a pixel."""
        return min(max(int(x / self.width() * len(self._counts)), 0), len(self._counts) - 1)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Start choosing."""
        if self._counts and event.button() == Qt.MouseButton.LeftButton:
            self._anchor = self.layer_at(event.position().x())
            already = self._window == (self._anchor, self._anchor)
            self.window_chosen.emit(None if already else (self._anchor, self._anchor))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Widen the choice, or say what is under the mouse."""
        if not self._counts:
            return
        layer = self.layer_at(event.position().x())
        if self._anchor is not None:
            if layer != self._anchor or self._window is not None:
                self.window_chosen.emit((min(layer, self._anchor), max(layer, self._anchor)))
            return
        QToolTip.showText(
            event.globalPosition().toPoint(),
            f"Layer {layer}: {self._counts[layer]} {self._emotion} neurons. Drag to choose layers.",
            self,
        )

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End choosing; all layers chosen means no window."""
        if self._anchor is not None and self._window == (0, len(self._counts) - 1):
            self.window_chosen.emit(None)
        self._anchor = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Steer all layers again."""
        self._anchor = None
        self.window_chosen.emit(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and Right move the window, with Shift they change its end, Escape clears it."""
        last = len(self._counts) - 1
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()), 0)
        if not self._counts or (not step and event.key() != Qt.Key.Key_Escape):
            super().keyPressEvent(event)
        elif not step:
            self.window_chosen.emit(None)
        elif self._window is None:
            self.window_chosen.emit((0, 0) if step > 0 else (last, last))
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.window_chosen.emit((self._window[0], min(max(self._window[1] + step, self._window[0]), last)))
        elif self._window[0] + step >= 0 and self._window[1] + step <= last:
            self.window_chosen.emit((self._window[0] + step, self._window[1] + step))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw one bar per layer, those outside the window faint."""
        colours = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.setPen(QPen(QColor(colours.accent if self.hasFocus() else colours.border), 1))
        painter.setBrush(QColor(colours.canvas))
        painter.drawRoundedRect(box, 4, 4)
        painter.setFont(theme.font(theme.SMALL_PX))
        if not self._counts:
            painter.setPen(QColor(colours.faint))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self.toolTip())
            return
        inner = box.adjusted(4, 4, -4, 0)
        width = inner.width() / len(self._counts)
        most = max(1, *self._counts)
        first, last = self._window or (0, len(self._counts) - 1)
        label_every = max(1, round(24 / width))
        reach = self.height() - _LABEL_HEIGHT - 8
        shade = theme.blend(colours.accent, colours.canvas, 0.16)
        for layer, count in enumerate(self._counts):
            inside = first <= layer <= last and self.isEnabled()
            left = inner.left() + layer * width
            if inside and self._window is not None:
                painter.fillRect(QRectF(left, 1, width, self.height() - 2), shade)
            height = max(2.0, count / most * reach) if count else 1.0
            bar = QRectF(left + 1, 4 + reach - height, max(1.0, width - 2), height)
            fill = QColor(self._colour) if inside else theme.blend(colours.text, colours.canvas, 0.2)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(fill)
            painter.drawRoundedRect(bar, 1, 1)
            if layer % label_every == 0:
                painter.setPen(QColor(colours.text if inside and self._window is not None else colours.muted))
                label = QRectF(left - 10, self.height() - _LABEL_HEIGHT - 1, width + 20, _LABEL_HEIGHT)
                painter.drawText(label, Qt.AlignmentFlag.AlignCenter, str(layer))
