"""Layers x emotions heatmap of emotion-sensitive neurons, with marginal bars; clicking a layer steers only there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from studio.emotions import COLOURS, EMOTIONS
from studio.gui import theme
from studio.gui.formats import percent
from studio.gui.state import ShownMask
from studio.gui.widgets.layout import small

MOST_NUMBERED_CELLS = 90
"""Counts are written into the cells of maps up to this size."""

HINT = "Hover a cell for its count. Click a layer to steer only there, Shift-click for a stretch, again to clear."


class HeatmapView(pg.GraphicsLayoutWidget):
    """The map itself; ``window_chosen`` carries (first, last) or None, ``hovered`` what is under the mouse."""

    window_chosen = Signal(object)
    hovered = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Heatmap of emotion-sensitive neurons, layers by emotions")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._mask: ShownMask | None = None
        self._rows: list[str] = []
        self._window: tuple[int, int] | None = None
        self._counts = np.zeros((0, 0), dtype=np.int64)
        grid: Any = self.ci.layout
        grid.setSpacing(8)
        self.ci.setContentsMargins(0, 0, 0, 0)
        self._over = self.addPlot(0, 0)
        self._map = self.addPlot(1, 0)
        self._beside = self.addPlot(1, 1)
        for plot in (self._over, self._map, self._beside):
            plot.hideButtons()
            plot.setMenuEnabled(False)
            plot.getViewBox().setMouseEnabled(False, False)
            plot.getViewBox().setDefaultPadding(0.0)
        self._over.setXLink(self._map)
        self._beside.setYLink(self._map)
        for plot in (self._map, self._beside):
            plot.getViewBox().invertY(True)
            plot.getAxis("bottom").setHeight(36)
        self._image = pg.ImageItem(axisOrder="row-major")
        self._image.setColorMap(pg.colormap.get("viridis"))
        self._map.addItem(self._image)
        self._texts: list[pg.TextItem] = []
        self._bands: list[pg.LinearRegionItem] = []
        for axis, plot, size in (("left", self._map, 64), ("left", self._over, 64)):
            plot.getAxis(axis).setWidth(size)
        self._over.getAxis("bottom").setStyle(showValues=False)
        self._beside.getAxis("left").setStyle(showValues=False)
        self._map.setLabel("bottom", "layer")
        self._over.setLabel("left", "neurons")
        grid.setRowStretchFactor(0, 2)
        grid.setRowStretchFactor(1, 7)
        grid.setColumnStretchFactor(0, 7)
        grid.setColumnStretchFactor(1, 2)
        scene = self.scene()
        scene.sigMouseMoved.connect(self._hover)
        scene.sigMouseClicked.connect(self._click)
        self.recolour()

    @property
    def counts(self) -> np.ndarray:
        """What is drawn: int64 [emotions, layers]."""
        return self._counts

    def show_mask(self, mask: ShownMask | None) -> None:
        """Draw a mask's counts."""
        self._mask = mask
        self._rows = [emotion for emotion in EMOTIONS if mask is not None and emotion in mask.emotions]
        layers = mask.layers if mask is not None else 0
        rows = [mask.counts[emotion] for emotion in self._rows] if mask is not None else []
        self._counts = np.array(rows, dtype=np.int64).reshape(len(self._rows), layers)
        self._draw()

    def show_window(self, window: tuple[int, int] | None) -> None:
        """Mark the layers that are steered."""
        self._window = window
        self._draw_window()

    def recolour(self) -> None:
        """Draw in the colours of the scheme in use."""
        colours = theme.current()
        self.setBackground(colours.window)
        for plot in (self._over, self._map, self._beside):
            for name in ("left", "bottom"):
                axis = plot.getAxis(name)
                axis.setPen(pg.mkPen(colours.border))
                axis.setTextPen(pg.mkPen(colours.muted))
                axis.setStyle(tickFont=theme.font(theme.SMALL_PX), tickLength=0)
                axis.label.setFont(theme.font(theme.SMALL_PX))
        self._draw()

    def layer_centre(self, layer: int) -> QPointF:
        """Where a layer's column is on the widget, for tests."""
        scene = self._map.getViewBox().mapViewToScene(QPointF(layer + 0.5, max(1, len(self._rows)) / 2))
        return QPointF(self.mapFromScene(scene))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and Right choose a layer, with Shift a stretch, Escape all of them."""
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()), 0)
        last = self._counts.shape[1] - 1
        if event.key() == Qt.Key.Key_Escape:
            self.window_chosen.emit(None)
        elif not step or last < 0:
            super().keyPressEvent(event)
        elif self._window is None:
            self.window_chosen.emit((0, 0) if step > 0 else (last, last))
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.window_chosen.emit((self._window[0], min(max(self._window[1] + step, self._window[0]), last)))
        else:
            layer = min(max(self._window[0] + step, 0), last)
            self.window_chosen.emit((layer, layer))

    def _draw(self) -> None:
        for text in self._texts:
            self._map.removeItem(text)
        self._texts.clear()
        self._over.clear()
        self._beside.clear()
        emotions, layers = self._counts.shape
        shown = emotions > 0 and layers > 0
        for plot in (self._over, self._map, self._beside):
            plot.setVisible(shown)
        if not shown:
            return
        colours = theme.current()
        most = max(1, int(self._counts.max()))
        self._image.setImage(self._counts.astype(np.float32), autoLevels=False, levels=(0.0, float(most)))
        self._image.setRect(QRectF(0, 0, layers, emotions))
        self._map.setRange(xRange=(0, layers), yRange=(0, emotions), padding=0)
        self._map.getAxis("left").setTicks([[(row + 0.5, name) for row, name in enumerate(self._rows)]])
        every = max(1, layers // 18)
        self._map.getAxis("bottom").setTicks([[(n + 0.5, str(n)) for n in range(0, layers, every)]])
        per_layer = self._counts.sum(axis=0)
        bars = pg.BarGraphItem(
            x=np.arange(layers) + 0.5,
            height=per_layer,
            width=0.8,
            pen=None,
            brush=theme.blend(colours.text, colours.window, 0.45),
        )
        self._over.addItem(bars)
        self._over.setYRange(0, max(1, int(per_layer.max())) * 1.05, padding=0)
        per_emotion = self._counts.sum(axis=1)
        self._beside.addItem(
            pg.BarGraphItem(
                x0=0,
                y=np.arange(emotions) + 0.5,
                height=0.6,
                width=per_emotion,
                pen=None,
                brushes=[QColor(COLOURS[name]) for name in self._rows],
            )
        )
        self._beside.setXRange(0, max(1, int(per_emotion.max())) * 1.05, padding=0)
        if emotions * layers <= MOST_NUMBERED_CELLS:
            self._write_numbers(most)
        self._draw_window()

    def _write_numbers(self, most: int) -> None:
        for (row, layer), count in np.ndenumerate(self._counts):
            # Viridis is dark at the low end and bright at the high end.
            colour = "#16171A" if count > 0.6 * most else "#F2F2F2"
            text = pg.TextItem(str(count), color=colour, anchor=(0.5, 0.5))
            text.setFont(theme.font())
            text.setPos(layer + 0.5, row + 0.5)
            self._map.addItem(text)
            self._texts.append(text)

    def _draw_window(self) -> None:
        for band in self._bands:
            band.getViewBox().removeItem(band)
        self._bands.clear()
        if self._window is None or not self._counts.size:
            return
        colours = theme.current()
        edge = pg.mkPen(colours.text, width=2)
        for plot in (self._map, self._over):
            band = pg.LinearRegionItem(
                (self._window[0], self._window[1] + 1), movable=False, brush=QColor(0, 0, 0, 0), pen=edge
            )
            band.setZValue(20)
            plot.addItem(band)
            self._bands.append(band)

    def _cell_at(self, scene: QPointF) -> tuple[int, int] | None:
        """(row or -1 for the bars above, layer) under a scene position."""
        emotions, layers = self._counts.shape
        for plot, rows in ((self._map, emotions), (self._over, 0)):
            box = plot.getViewBox()
            if plot.isVisible() and box.sceneBoundingRect().contains(scene):
                at = box.mapSceneToView(scene)
                layer = int(at.x())
                if 0 <= layer < layers:
                    return (min(max(int(at.y()), 0), emotions - 1) if rows else -1), layer
        return None

    def _hover(self, scene: QPointF) -> None:
        cell = self._cell_at(scene)
        if cell is None or self._mask is None:
            self.hovered.emit(HINT)
            return
        row, layer = cell
        if row < 0:
            self.hovered.emit(f"Layer {layer}: {int(self._counts[:, layer].sum())} neurons over all emotions")
            return
        count, total = int(self._counts[row, layer]), int(self._counts[row].sum())
        width = self._mask.widths[layer]
        self.hovered.emit(
            f"Layer {layer}, {self._rows[row]}: {count} of {width} neurons, "
            f"{percent(count / max(1, total))} of all {self._rows[row]} neurons"
        )

    def _click(self, event: Any) -> None:
        cell = self._cell_at(event.scenePos())
        if cell is None or event.button() != Qt.MouseButton.LeftButton:
            return
        layer = cell[1]
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier and self._window is not None:
            self.window_chosen.emit((min(self._window[0], layer), max(self._window[1], layer)))
        elif self._window is not None and self._window[0] <= layer <= self._window[1]:
            self.window_chosen.emit(None)
        else:
            self.window_chosen.emit((layer, layer))


class LocalizeView(QWidget):
    """The heatmap with what is under the mouse and where the mask comes from."""

    window_chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("localize")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.title = small(role="heading")
        self.heatmap = HeatmapView()
        self.under_mouse = small(HINT)
        self.facts = small()
        self.facts.setWordWrap(True)
        self.facts.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 12, 8)
        layout.setSpacing(8)
        layout.addWidget(self.title)
        layout.addWidget(self.heatmap, 1)
        layout.addWidget(self.under_mouse)
        layout.addWidget(self.facts)
        self.heatmap.window_chosen.connect(self.window_chosen)
        self.heatmap.hovered.connect(self.under_mouse.setText)
        self.show_mask(None)

    def show_mask(self, mask: ShownMask | None) -> None:
        """Show a mask, or say that there is none."""
        self.heatmap.setVisible(mask is not None)
        self.under_mouse.setText(HINT if mask is not None else "")
        if mask is None:
            self.title.setText("No mask is open: choose one in the toolbar to see where its neurons sit.")
            self.facts.setText("")
        else:
            self.title.setText(f"Emotion-sensitive neurons per layer and emotion: {mask.name}")
            self.facts.setText("     ".join(f"{name}: {value}" for name, value in mask.facts))
        self.heatmap.show_mask(mask)
