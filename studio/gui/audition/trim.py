"""Trimming: the whole recording in a slim strip with two handles, between which lies the region that is converted."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from studio.gui import theme
from studio.gui.analysis import Drawing
from studio.gui.audition.waveform import wave_image
from studio.gui.formats import clock
from studio.gui.shown import Source
from studio.gui.sources import SHORTEST_REGION, fitting_region
from studio.gui.state import StudioState
from studio.gui.timeaxis import TimeAxis
from studio.gui.widgets.layout import explain, link, set_role, small

REST_MILLISECONDS = 400
"""How long a handle that is moved by key must rest before the region is taken."""

HANDLE_WIDTH = 10
_STRIP_HEIGHT = 32
_STEP_SECONDS = 0.1


class TrimHandle(QWidget):
    """One end of the region; arrows move it by 0.1 s, with Shift by 1 s, with Ctrl by 0.01 s."""

    moved_by = Signal(float)
    dragged_to = Signal(float)
    released = Signal()

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.SplitHCursor)
        self.setFixedWidth(HANDLE_WIDTH)
        self.setToolTip(f"{name}: drag, or move by 0.1 s with the arrow keys (Shift 1 s, Ctrl 0.01 s)")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move; Home and End go as far as possible."""
        steps = {Qt.Key.Key_Left: -1.0, Qt.Key.Key_Right: 1.0, Qt.Key.Key_Home: -1e9, Qt.Key.Key_End: 1e9}
        step = steps.get(Qt.Key(event.key()))
        if step is None:
            super().keyPressEvent(event)
            return
        modifiers = event.modifiers()
        if modifiers & Qt.KeyboardModifier.ShiftModifier:
            step *= 10.0
        elif modifiers & Qt.KeyboardModifier.ControlModifier:
            step *= 0.1
        self.moved_by.emit(step * _STEP_SECONDS)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take hold."""
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag along."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.dragged_to.emit(self.mapToParent(event.position().toPoint()).x())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        self.released.emit()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the focus."""
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Show that it is gone; what was moved by key is taken."""
        super().focusOutEvent(event)
        self.update()
        self.released.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """A grip in the accent, brighter with the focus."""
        colours = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(colours.text), 1.5) if self.hasFocus() else Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.accent))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 3, 3)
        painter.setPen(QPen(QColor(colours.on_accent), 1))
        middle = self.width() / 2
        painter.drawLine(round(middle), self.height() // 3, round(middle), 2 * self.height() // 3)


class TrimStrip(QWidget):
    """The whole recording, what is outside the region dimmed; ``region_chosen`` carries a region once it is let go.

    Dragging within the region moves it; a press elsewhere brings it there.
    """

    region_chosen = Signal(object)
    region_moved = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(_STRIP_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("The whole recording")
        self.setToolTip("Drag the handles to choose what is converted; press elsewhere to bring the region there")
        self.first, self.last = TrimHandle("Region start", self), TrimHandle("Region end", self)
        self._drawing: Drawing | None = None
        self._drawn = (QImage(), QImage())
        self._drawn_look: tuple[object, ...] = ()
        self._limit: float | None = None
        self.region = (0.0, 1.0)
        self._taken = self.region
        self._held: float | None = None
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MILLISECONDS)
        self._rest.timeout.connect(self._take)
        for handle, end in ((self.first, 0), (self.last, 1)):
            handle.moved_by.connect(lambda seconds, end=end: self._nudge(end, seconds))
            handle.dragged_to.connect(lambda x, end=end: self._set_end(end, self.seconds_at(x)))
            handle.released.connect(self._take)

    def show_recording(self, drawing: Drawing, region: tuple[float, float], limit: float | None) -> None:
        """Show a recording and its region; ``limit`` is how many seconds the model converts."""
        self._rest.stop()
        if drawing is not self._drawing:
            self._drawn_look = ()
        self._drawing, self._limit = drawing, limit
        self.region = self._taken = region
        self._place()

    def x_of(self, seconds: float) -> float:
        """Pixel of a time."""
        return HANDLE_WIDTH + seconds / self._seconds * self._span

    def seconds_at(self, x: float) -> float:
        """Time under a pixel."""
        return (x - HANDLE_WIDTH) / self._span * self._seconds

    @property
    def _seconds(self) -> float:
        return max(self._drawing.seconds if self._drawing is not None else 1.0, 1e-6)

    @property
    def _span(self) -> int:
        return max(1, self.width() - 2 * HANDLE_WIDTH)

    def _nudge(self, end: int, seconds: float) -> None:
        self._set_end(end, self.region[end] + seconds)
        self._rest.start()

    def _set_end(self, end: int, seconds: float) -> None:
        start, stop = self.region
        if end == 0:
            start = min(max(seconds, 0.0), max(0.0, stop - SHORTEST_REGION))
        else:
            stop = max(min(seconds, self._seconds), min(self._seconds, start + SHORTEST_REGION))
        self._move((start, stop))

    def _move(self, region: tuple[float, float]) -> None:
        self.region = fitting_region(region, self._seconds)
        self._place()
        self.region_moved.emit()

    def _take(self) -> None:
        self._rest.stop()
        if self.region != self._taken:
            self._taken = self.region
            self.region_chosen.emit(self.region)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take hold of the region, or bring it here."""
        if event.button() != Qt.MouseButton.LeftButton or self._drawing is None:
            return
        at = self.seconds_at(event.position().x())
        start, stop = self.region
        length = stop - start
        if self._limit is not None and length > self._limit:
            # Nothing that could be converted is chosen yet: begin where the press is.
            start, length = at, self._limit
        elif not start <= at <= stop:
            start = at - length / 2
        start = min(max(start, 0.0), max(0.0, self._seconds - length))
        self._held = at - start
        self._move((start, start + length))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move the region along."""
        if self._held is None:
            return
        start, stop = self.region
        length = stop - start
        start = min(max(self.seconds_at(event.position().x()) - self._held, 0.0), max(0.0, self._seconds - length))
        self._move((start, start + length))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Take the region."""
        self._held = None
        self._take()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the handles where they belong."""
        super().resizeEvent(event)
        self._place()

    def sizeHint(self) -> QSize:
        """As wide as there is room for."""
        return QSize(320, _STRIP_HEIGHT)

    def _place(self) -> None:
        left, right = (self.x_of(edge) for edge in self.region)
        self.first.setGeometry(round(left) - HANDLE_WIDTH, 0, HANDLE_WIDTH, self.height())
        self.last.setGeometry(round(right), 0, HANDLE_WIDTH, self.height())
        for handle, edge in ((self.first, self.region[0]), (self.last, self.region[1])):
            handle.setAccessibleDescription(clock(edge))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the waveform, the region's ground and what is outside dimmed."""
        colours = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor(colours.canvas))
        if self._drawing is None:
            return
        left, right = (self.x_of(edge) for edge in self.region)
        inside = QRectF(left, 0, right - left, self.height())
        painter.fillRect(inside, theme.blend(colours.accent, colours.canvas, 0.16))
        dimmed, bright = self._waves(self._drawing, colours)
        painter.drawImage(QPointF(HANDLE_WIDTH, 0), dimmed)
        painter.setClipRect(inside)
        painter.drawImage(QPointF(HANDLE_WIDTH, 0), bright)

    def _waves(self, drawing: Drawing, colours: theme.Colours) -> tuple[QImage, QImage]:
        """The recording's waveform, as outside and as inside the region; drawn anew only when it looks otherwise."""
        ratio = self.devicePixelRatioF()
        columns, height = max(1, round(self._span * ratio)), round(self.height() * ratio)
        look = (drawing, columns, height, ratio, colours)
        if look != self._drawn_look:
            lowest, highest = drawing.peaks.slice(0, len(drawing.clip.samples), columns)
            scale = np.float32(1 / max(drawing.peak, 1e-3))
            shades = theme.blend(colours.source, colours.canvas, 0.35), QColor(colours.source)
            dimmed, bright = (wave_image(lowest * scale, highest * scale, height, 3 * ratio, each) for each in shades)
            for image in (dimmed, bright):
                image.setDevicePixelRatio(ratio)
            self._drawn, self._drawn_look = (dimmed, bright), look
        return self._drawn


class TrimBar(QWidget):
    """The strip with the region's times in words, shown while there is reason to trim or the user asked for it."""

    region_chosen = Signal(object)

    def __init__(self, state: StudioState, axis: TimeAxis) -> None:
        super().__init__()
        self._state = state
        self._axis = axis
        self._asked = False
        self.strip = TrimStrip()
        self.text = small()
        self.marked = link("Take the loop", "Trim to the stretch marked as loop")
        self.whole = link("Take all", "Convert the whole recording")
        words = QHBoxLayout()
        words.setSpacing(8)
        words.addWidget(self.text, 1)
        words.addWidget(self.marked)
        words.addWidget(self.whole)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.strip)
        layout.addLayout(words)
        self.strip.region_chosen.connect(self.region_chosen)
        self.strip.region_moved.connect(self._show_text)
        self.marked.clicked.connect(self.trim_to_loop)
        self.whole.clicked.connect(lambda: self.region_chosen.emit(None))
        state.source_changed.connect(self.refresh)
        state.model_changed.connect(self.refresh)
        axis.loop_changed.connect(self._show_loop)
        self.refresh()

    @property
    def _limit(self) -> float | None:
        return self._state.model.max_seconds if self._state.model is not None else None

    def ask(self, on: bool) -> None:
        """Show it, or leave it to whether there is reason to."""
        self._asked = on
        self.refresh()

    def trim_to_loop(self) -> None:
        """Choose the stretch that is marked as loop, at whatever zoom it was marked."""
        source, loop = self._state.source, self._axis.loop
        if source is not None and loop is not None:
            offset = source.region[0] if source.region is not None else 0.0
            self.region_chosen.emit((loop[0] + offset, loop[1] + offset))

    def refresh(self) -> None:
        """Show the source that is open."""
        source = self._state.source
        self.setVisible(source is not None and (self._asked or self._needed(source)))
        if source is not None:
            recording = source.recording
            self.strip.show_recording(recording, source.region or (0.0, recording.seconds), self._limit)
            explain(self.whole, source.region is not None, "All of it is taken", "Convert the whole recording")
        self._show_text()
        self._show_loop()

    def _needed(self, source: Source) -> bool:
        too_long = self._limit is not None and source.recording.seconds > self._limit
        return source.region is not None or too_long

    def _show_text(self) -> None:
        start, stop = self.strip.region
        limit = self._limit
        most = f" of at most {limit:.0f} s" if limit is not None else ""
        self.text.setText(f"{clock(start)} – {clock(stop)}, {stop - start:.2f} s{most}")
        set_role(self.text, "warning" if limit is not None and stop - start > limit + 1e-6 else "small")

    def _show_loop(self) -> None:
        hint = "Convert the stretch that is marked as loop"
        explain(self.marked, self._axis.loop is not None, "Mark a stretch by dragging over the waveform first", hint)
