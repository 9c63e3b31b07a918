"""What one lane draws over time: waveform, pitch line, loop region and playhead."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pyqtgraph.functions import arrayToQPath
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from studio.esn.automation import Point
from studio.gui import theme
from studio.gui.analysis import Drawing
from studio.gui.audition.tracks import draw_energy, draw_spectrogram
from studio.gui.audition.waveform import wave_image
from studio.gui.formats import clock
from studio.gui.timeaxis import TimeAxis

PITCH_LOW, PITCH_HIGH = 60.0, 500.0
"""Hz at the bottom and top of every lane: one scale, so that lanes can be compared."""

PITCH_MARKS = (100.0, 200.0, 400.0)
_PITCH_PIXELS = 3
_WAVE_MARGIN = 4
_DRAG_PIXELS = 4
_FIRST_LABEL = 5
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class TimeCanvas(QWidget):
    """A strip on the shared time axis: maps seconds to pixels, zooms, scrolls, seeks and marks loops."""

    seek_asked = Signal(float)
    pressed = Signal()

    def __init__(self, axis: TimeAxis) -> None:
        super().__init__()
        self.axis = axis
        self._pressed_at: float | None = None
        self._dragging = False
        axis.view_changed.connect(self.redraw)
        axis.loop_changed.connect(self.update)
        axis.playhead_changed.connect(self._move_playhead)
        self._playhead_x = 0.0
        self._still: QPixmap | None = None

    def x_of(self, seconds: float) -> float:
        """Pixel of a time."""
        return (seconds - self.axis.start) / (self.axis.stop - self.axis.start) * self.width()

    def seconds_at(self, x: float) -> float:
        """Time under a pixel."""
        return self.axis.start + x / max(1, self.width()) * (self.axis.stop - self.axis.start)

    def redraw(self) -> None:
        """Draw the still part anew."""
        self._still = None
        self.update()

    def draw_still(self, painter: QPainter) -> None:
        """Draw everything that does not move with the playhead."""
        raise NotImplementedError

    def paintEvent(self, event: QPaintEvent) -> None:
        """Copy the still part, then loop region and playhead over it."""
        ratio = self.devicePixelRatioF()
        if self._still is None or self._still.devicePixelRatio() != ratio:
            self._still = QPixmap(max(1, math.ceil(self.width() * ratio)), max(1, math.ceil(self.height() * ratio)))
            self._still.setDevicePixelRatio(ratio)
            still = QPainter(self._still)
            still.setRenderHint(QPainter.RenderHint.Antialiasing)
            self.draw_still(still)
            still.end()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._still)
        colours = theme.current()
        if self.axis.loop is not None:
            left, right = (self.x_of(edge) for edge in self.axis.loop)
            shade = QColor(colours.accent)
            shade.setAlphaF(0.13)
            painter.fillRect(QRectF(left, 0, right - left, self.height()), shade)
            shade.setAlphaF(0.8)
            painter.setPen(QPen(shade, 1))
            for edge in (left, right):
                painter.drawLine(QPointF(edge, 0), QPointF(edge, self.height()))
        self._playhead_x = self.x_of(self.axis.playhead)
        painter.setPen(QPen(QColor(colours.text), 1))
        x = round(self._playhead_x) + 0.5
        painter.drawLine(QPointF(x, 0), QPointF(x, self.height()))
        if self.hasFocus():
            painter.setPen(QPen(QColor(colours.accent), 1))
            painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw anew at the new size."""
        self.redraw()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom around the mouse; sideways or with Shift, scroll."""
        delta = event.angleDelta()
        sideways = delta.x() or (delta.y() if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 0)
        if sideways:
            self.axis.scroll(-sideways / 120 * 0.1 * (self.axis.stop - self.axis.start))
        elif delta.y():
            self.axis.zoom(0.8 ** (delta.y() / 120), self.seconds_at(event.position().x()))
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Start a click (seek) or a drag (loop region)."""
        if event.button() == Qt.MouseButton.LeftButton:
            self._pressed_at = event.position().x()
            self._dragging = False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Mark a loop region once the mouse has really moved."""
        if self._pressed_at is None:
            return
        x = event.position().x()
        if abs(x - self._pressed_at) > _DRAG_PIXELS:
            self._dragging = True
        if self._dragging:
            self.axis.set_loop((self.seconds_at(self._pressed_at), self.seconds_at(x)))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click seeks."""
        if self._pressed_at is not None and not self._dragging:
            self.seek_asked.emit(min(max(self.seconds_at(event.position().x()), 0.0), self.axis.length))
            self.pressed.emit()
        self._pressed_at = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Clear the loop region."""
        self._pressed_at = None
        self.axis.set_loop(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows move the playhead, Home and End jump, plus and minus zoom, 0 shows everything."""
        key = event.key()
        span = self.axis.stop - self.axis.start
        if key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self.seek_asked.emit(
                min(max(self.axis.playhead + (0.1 if key == Qt.Key.Key_Right else -0.1), 0.0), self.axis.length)
            )
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            self.seek_asked.emit(0.0 if key == Qt.Key.Key_Home else self.axis.length)
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            middle = self.axis.playhead if self.axis.start <= self.axis.playhead <= self.axis.stop else None
            around = middle if middle is not None else self.axis.start + span / 2
            self.axis.zoom(1.25 if key == Qt.Key.Key_Minus else 0.8, around)
        elif key == Qt.Key.Key_0:
            self.axis.show_all()
        else:
            super().keyPressEvent(event)

    def _move_playhead(self, seconds: float) -> None:
        x = self.x_of(seconds)
        if round(x) != round(self._playhead_x):
            for each in (x, self._playhead_x):
                self.update(round(each) - 2, 0, 5, self.height())


class Ruler(TimeCanvas):
    """Times above the lanes; dragging over them scrubs."""

    scrub_asked = Signal(float)

    def __init__(self, axis: TimeAxis) -> None:
        super().__init__(axis)
        self.setFixedHeight(24)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Time ruler")
        self.setToolTip("Drag to move the playhead and hear it, double-click to clear the loop, wheel to zoom")

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Scrub from here on."""
        super().mousePressEvent(event)
        self._scrub(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Scrub along."""
        self._scrub(event.position().x())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """The playhead stays where it was dragged to."""
        self._pressed_at = None

    def _scrub(self, x: float) -> None:
        if self._pressed_at is not None:
            self.scrub_asked.emit(min(max(self.seconds_at(x), 0.0), self.axis.length))

    def draw_still(self, painter: QPainter) -> None:
        """Draw ticks and round times."""
        colours = theme.current()
        painter.fillRect(self.rect(), QColor(colours.window))
        painter.setFont(theme.font(theme.SMALL_PX))
        metrics = painter.fontMetrics()
        for seconds in self.axis.ticks(self.width() // 72):
            x = round(self.x_of(seconds)) + 0.5
            painter.setPen(QPen(QColor(colours.border), 1))
            painter.drawLine(QPointF(x, 18), QPointF(x, 24))
            label = clock(seconds)
            width = metrics.horizontalAdvance(label)
            # The first label keeps clear of a playhead at 0.
            left = min(max(x - width / 2, _FIRST_LABEL), self.width() - width)
            painter.setPen(QColor(colours.muted))
            painter.drawText(QRectF(left, 2, width + 1, 16), Qt.AlignmentFlag.AlignLeft, label)


class WaveCanvas(TimeCanvas):
    """Waveform and pitch line of one lane, or a sentence that says how to fill it."""

    def __init__(self, axis: TimeAxis, lane: str) -> None:
        super().__init__(axis)
        self._lane = lane
        self._drawing: Drawing | None = None
        self._curve: list[tuple[float, float]] = []
        self._tracks: frozenset[str] = frozenset()
        self._hint = ""
        self._heard = False
        self._scale = 1.0
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:
        """Room for a readable pitch line."""
        return QSize(480, 120)

    def minimumSizeHint(self) -> QSize:
        """Still readable."""
        return QSize(240, 56)

    def show_drawing(self, drawing: Drawing | None, hint: str = "") -> None:
        """Draw a clip, or the hint in its place."""
        self._drawing = drawing
        self._hint = hint
        self.redraw()

    def show_curve(self, points: Sequence[Point] | None, seconds: float) -> None:
        """Draw the intensity curve a take was made with, from 0 at the bottom to 1 at the top.

        ``seconds`` is the length of the source its times are of; the take's own length stretches with them.
        """
        curve = [(time / seconds, share) for time, share in points or ()]
        if curve != self._curve:
            self._curve = curve
            self.redraw()

    def show_tracks(self, tracks: frozenset[str]) -> None:
        """Draw other tracks."""
        if tracks != self._tracks:
            self._tracks = tracks
            self.redraw()

    def show_scale(self, scale: float) -> None:
        """Draw the waveform this many times as high; all lanes share one scale."""
        if scale != self._scale:
            self._scale = scale
            self.redraw()

    def show_heard(self, heard: bool) -> None:
        """Draw brighter while this lane is the one that is heard."""
        if heard != self._heard:
            self._heard = heard
            self.redraw()

    def draw_still(self, painter: QPainter) -> None:
        """Draw grid, waveform and pitch."""
        colours = theme.current()
        painter.fillRect(self.rect(), QColor(colours.canvas))
        grid = QColor(colours.grid)
        for seconds in self.axis.ticks(self.width() // 72):
            painter.fillRect(round(self.x_of(seconds)), 0, 1, self.height(), grid)
        if self._drawing is None:
            painter.setFont(theme.font())
            painter.setPen(QColor(colours.muted))
            painter.drawText(
                self.rect().adjusted(16, 0, -16, 0), Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self._hint
            )
            return
        drawing, tracks = self._drawing, self._tracks
        span, size = (self.axis.start, self.axis.stop), (self.width(), self.height())
        if "spectrogram" in tracks and drawing.spectrum is not None:
            draw_spectrogram(painter, drawing.spectrum, span, size)
        if "pitch" in tracks:
            self._draw_pitch_marks(painter, colours)
        if "waveform" in tracks:
            self._draw_wave(painter, drawing, colours)
        if "energy" in tracks and drawing.spectrum is not None:
            draw_energy(painter, drawing.spectrum.level, span, size)
        if "pitch" in tracks and drawing.pitch is not None:
            self._draw_pitch(painter, drawing, colours)
        if self._curve:
            self._draw_curve(painter, self._drawing.seconds, colours)
        if "pitch" in tracks:
            self._name_pitch_marks(painter, colours)

    def pitch_ys(self, hertz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Pixels of pitches on the lanes' common logarithmic scale; NaN stays NaN."""
        shares = np.log(np.clip(hertz, PITCH_LOW, PITCH_HIGH) / PITCH_LOW) / math.log(PITCH_HIGH / PITCH_LOW)
        return 6 + (1 - shares) * (self.height() - 12)

    def _draw_pitch_marks(self, painter: QPainter, colours: theme.Colours) -> None:
        grid = QColor(colours.grid)
        for at in self.pitch_ys(np.array(PITCH_MARKS)).tolist():
            painter.fillRect(0, round(at), self.width(), 1, grid)

    def _name_pitch_marks(self, painter: QPainter, colours: theme.Colours) -> None:
        painter.setFont(theme.font(theme.SMALL_PX))
        ground = QColor(colours.canvas)
        ground.setAlphaF(0.75)
        for hertz, at in zip(PITCH_MARKS, self.pitch_ys(np.array(PITCH_MARKS)).tolist(), strict=True):
            box = QRectF(self.width() - 46, round(at) - 8, 46, 16)
            painter.fillRect(box, ground)
            painter.setPen(QColor(colours.muted))
            painter.drawText(box.adjusted(0, 0, -4, 0), _RIGHT, f"{hertz:.0f} Hz")

    def _draw_wave(self, painter: QPainter, drawing: Drawing, colours: theme.Colours) -> None:
        ratio = self.devicePixelRatioF()
        rate, total = drawing.clip.rate, len(drawing.clip.samples)
        start = min(max(int(self.axis.start * rate), 0), total)
        stop = min(math.ceil(self.axis.stop * rate), total)
        if stop <= start:
            return
        left, right = self.x_of(start / rate), self.x_of(stop / rate)
        columns = max(1, round((right - left) * ratio))
        lowest, highest = drawing.peaks.slice(start, stop, columns)
        colour = theme.blend(colours.lane(self._lane), colours.canvas, 0.72 if self._heard else 0.40)
        scale = np.float32(self._scale)
        image = wave_image(lowest * scale, highest * scale, round(self.height() * ratio), _WAVE_MARGIN * ratio, colour)
        image.setDevicePixelRatio(ratio)
        painter.drawImage(QPointF(round(left * ratio) / ratio, 0), image)

    def _draw_curve(self, painter: QPainter, seconds: float, colours: theme.Colours) -> None:
        ends = ((0.0, self._curve[0][1]), *self._curve, (1.0, self._curve[-1][1]))
        line = [QPointF(self.x_of(place * seconds), 4 + (1 - share) * (self.height() - 8)) for place, share in ends]
        painter.setBrush(Qt.BrushStyle.NoBrush)
        ground = QColor(colours.canvas)
        ground.setAlphaF(0.75)
        # As with the pitch, the ground's colour first: the line lies over waveform and spectrogram.
        for pen in (QPen(ground, 4), QPen(QColor(colours.accent), 1.5, Qt.PenStyle.DashLine)):
            painter.setPen(pen)
            painter.drawPolyline(line)

    def _draw_pitch(self, painter: QPainter, drawing: Drawing, colours: theme.Colours) -> None:
        assert drawing.pitch is not None
        times, hertz = drawing.pitch
        span = self.axis.stop - self.axis.start
        first, last = np.searchsorted(times, (self.axis.start - 0.02, self.axis.stop + 0.02))
        # Broad lines through many points take long to draw: a few pixels apart is enough.
        step = round(_PITCH_PIXELS * span / self.width() / (times[1] - times[0])) if len(times) > 1 else 1
        times, hertz = thinned(times, hertz, int(first), int(last), max(1, step))
        xs = (times - self.axis.start) / span * self.width()
        line = arrayToQPath(xs, self.pitch_ys(hertz), connect="finite")
        painter.setBrush(Qt.BrushStyle.NoBrush)
        # A broad line in the ground's colour first keeps the pitch readable over the waveform.
        for pen in (QPen(QColor(colours.canvas), 4.5), QPen(QColor(colours.text), 2)):
            pen.setCapStyle(Qt.PenCapStyle.FlatCap)
            pen.setJoinStyle(Qt.PenJoinStyle.BevelJoin)
            painter.setPen(pen)
            painter.drawPath(line)


def thinned(
    times: npt.NDArray[np.float64], values: npt.NDArray[np.float64], first: int, last: int, step: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Points ``first`` up to ``last`` of a line, every ``step`` of them as their mean; NaN only where all are NaN.

    Which points go together does not depend on ``first``: a line that is scrolled keeps its shape.
    """
    first, last = first // step * step, min(-(-last // step) * step, len(times))
    if step == 1 or first >= last:
        return times[first:last], values[first:last]
    begins = np.arange(0, last - first, step)
    known = np.isfinite(values[first:last])
    sums = np.add.reduceat(np.where(known, values[first:last], 0.0), begins)
    counts = np.add.reduceat(known, begins, dtype=np.int64)
    sizes = np.diff(np.append(begins, last - first))
    middles = np.add.reduceat(times[first:last], begins) / sizes
    return middles, np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
