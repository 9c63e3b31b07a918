"""Layers x emotions heatmap of emotion-sensitive neurons, with marginal bars; clicking a layer steers only there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QKeyEvent, QLinearGradient, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from studio.emotions import COLOURS, EMOTIONS
from studio.gui import theme
from studio.gui.formats import percent
from studio.gui.localize.labels import spans
from studio.gui.shown import ShownMask
from studio.gui.widgets.layout import small

MOST_NUMBERED_CELLS = 90
"""Counts are written into the cells of maps up to this size."""

HINT = "Click a layer to steer only there, Shift-click for a stretch, again to clear."


class HeatmapView(pg.GraphicsLayoutWidget):
    """The map itself; ``window_chosen`` carries (first, last) or None, ``hovered`` what is under the mouse."""

    window_chosen = Signal(object)
    hovered = Signal(str)

    def __init__(self, hint: str = HINT) -> None:
        super().__init__()
        self._hint = hint
        self.setAccessibleName("Heatmap of emotion-sensitive neurons, layers by emotions")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._mask: ShownMask | None = None
        self._rows: list[str] = []
        self._labels: tuple[str, ...] = ()
        self._window: tuple[int, int] | None = None
        self._counts = np.zeros((0, 0), dtype=np.int64)
        # Plain view boxes and axes: plot items bring menus and controls of their own, which nothing here needs.
        self._over, self._map, self._beside = (
            pg.ViewBox(enableMenu=False, enableMouse=False, defaultPadding=0.0) for _ in range(3)
        )
        self._axes = {
            name: pg.AxisItem(side, linkView=view)
            for name, side, view in (
                ("neurons", "left", self._over),
                ("emotions", "left", self._map),
                ("layers", "bottom", self._map),
                ("totals", "bottom", self._beside),
            )
        }
        for name, row, column in (("neurons", 0, 0), ("emotions", 1, 0), ("layers", 2, 1), ("totals", 2, 2)):
            self.addItem(self._axes[name], row, column)
        for view, row, column in ((self._over, 0, 1), (self._map, 1, 1), (self._beside, 1, 2)):
            self.addItem(view, row, column)
        self._over.setXLink(self._map)
        self._beside.setYLink(self._map)
        for view in (self._map, self._beside):
            view.invertY(True)
        for name in ("neurons", "emotions"):
            self._axes[name].setWidth(64)
        for name in ("layers", "totals"):
            self._axes[name].setHeight(36)
        self._axes["layers"].setLabel("layer")
        self._axes["totals"].setLabel("neurons")
        self._axes["totals"].setStyle(hideOverlappingLabels=False)
        self._axes["neurons"].setLabel("neurons")
        self._image = pg.ImageItem(axisOrder="row-major")
        self._image.setColorMap(pg.colormap.get("viridis"))
        self._map.addItem(self._image)
        self._texts: list[pg.TextItem] = []
        self._bars: list[tuple[pg.ViewBox, pg.BarGraphItem]] = []
        self._bands: list[tuple[pg.ViewBox, pg.LinearRegionItem]] = []
        grid: Any = self.ci.layout
        grid.setSpacing(8)
        self.ci.setContentsMargins(0, 0, 0, 0)
        for row, stretch in enumerate((2, 7, 0)):
            grid.setRowStretchFactor(row, stretch)
        for column, stretch in enumerate((0, 7, 2)):
            grid.setColumnStretchFactor(column, stretch)
        scene = self.scene()
        scene.sigMouseMoved.connect(self._hover)
        scene.sigMouseClicked.connect(self._click)
        self._map.sigResized.connect(self._fit_numbers)
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

    def name_layers(self, labels: tuple[str, ...]) -> None:
        """Say beside the layers' numbers what the model says of them, one label each; none without labels."""
        self._labels = labels
        self._axes["layers"].setLabel(f"layer ({spans(labels)})" if labels else "layer")

    def show_window(self, window: tuple[int, int] | None) -> None:
        """Mark the layers that are steered."""
        if window != self._window:
            self._window = window
            self._draw_window()

    def recolour(self) -> None:
        """Draw in the colours of the scheme in use."""
        colours = theme.current()
        self.setBackground(colours.window)
        for axis in self._axes.values():
            axis.setPen(pg.mkPen(colours.border))
            axis.setTextPen(pg.mkPen(colours.muted))
            axis.setStyle(tickFont=theme.font(theme.SMALL_PX), tickLength=0)
            axis.label.setFont(theme.font(theme.SMALL_PX))
        self._draw()

    def layer_centre(self, layer: int) -> QPointF:
        """Where a layer's column is on the widget, for tests."""
        scene = self._map.mapViewToScene(QPointF(layer + 0.5, max(1, len(self._rows)) / 2))
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
        for view, bars in self._bars:
            view.removeItem(bars)
        self._bars.clear()
        emotions, layers = self._counts.shape
        shown = emotions > 0 and layers > 0
        for item in (self._over, self._map, self._beside, *self._axes.values()):
            item.setVisible(shown)
        if not shown:
            return
        colours = theme.current()
        most = max(1, int(self._counts.max()))
        self._image.setImage(self._counts.astype(np.float32), autoLevels=False, levels=(0.0, float(most)))
        self._image.setRect(QRectF(0, 0, layers, emotions))
        self._map.setRange(xRange=(0, layers), yRange=(0, emotions), padding=0)
        self._axes["emotions"].setTicks([[(row + 0.5, name) for row, name in enumerate(self._rows)]])
        every = max(1, layers // 18)
        self._axes["layers"].setTicks([[(n + 0.5, str(n)) for n in range(0, layers, every)]])
        per_layer = self._counts.sum(axis=0)
        self._add_bars(
            self._over,
            x=np.arange(layers) + 0.5,
            height=per_layer,
            width=0.8,
            brush=theme.blend(colours.text, colours.window, 0.45),
        )
        self._over.setYRange(0, max(1, int(per_layer.max())) * 1.2, padding=0)
        per_emotion = self._counts.sum(axis=1)
        self._add_bars(
            self._beside,
            x0=0,
            y=np.arange(emotions) + 0.5,
            height=0.6,
            width=per_emotion,
            brushes=[QColor(COLOURS[name]) for name in self._rows],
        )
        largest = max(1, int(per_emotion.max()))
        self._beside.setXRange(0, largest * 1.4, padding=0)
        self._axes["totals"].setTicks([[(0, "0"), (largest, str(largest))]])
        if emotions * layers <= MOST_NUMBERED_CELLS:
            self._write_numbers(most)
        self._draw_window()

    def _add_bars(self, view: pg.ViewBox, **shape: Any) -> None:
        bars = pg.BarGraphItem(pen=None, **shape)
        view.addItem(bars)
        self._bars.append((view, bars))

    def _write_numbers(self, most: int) -> None:
        for (row, layer), count in np.ndenumerate(self._counts):
            # Viridis is dark at the low end and bright at the high end.
            colour = "#16171A" if count > 0.6 * most else "#F2F2F2"
            text = pg.TextItem(str(count), color=colour, anchor=(0.5, 0.5))
            text.setFont(theme.font())
            text.setPos(layer + 0.5, row + 0.5)
            self._map.addItem(text)
            self._texts.append(text)
        self._fit_numbers()

    def _fit_numbers(self) -> None:
        """Numbers that would run into each other are left to the line below."""
        room = self._map.height() / max(1, len(self._rows))
        for text in self._texts:
            text.setVisible(room >= QFontMetrics(theme.font()).height())

    def _draw_window(self) -> None:
        for view, band in self._bands:
            view.removeItem(band)
        self._bands.clear()
        if self._window is None or not self._counts.size:
            return
        colours = theme.current()
        # White shows on all of viridis but its very end, whatever the scheme.
        for view, colour in ((self._map, "#FFFFFF"), (self._over, colours.text)):
            edge = pg.mkPen(colour, width=2)
            band = pg.LinearRegionItem(
                (self._window[0], self._window[1] + 1), movable=False, brush=QColor(0, 0, 0, 0), pen=edge
            )
            band.setZValue(20)
            view.addItem(band)
            self._bands.append((view, band))

    def _cell_at(self, scene: QPointF) -> tuple[int, int] | None:
        """(row or -1 for the bars above, layer) under a scene position."""
        emotions, layers = self._counts.shape
        for view, rows in ((self._map, emotions), (self._over, 0)):
            if view.isVisible() and view.sceneBoundingRect().contains(scene):
                at = view.mapSceneToView(scene)
                layer = int(at.x())
                if 0 <= layer < layers:
                    return (min(max(int(at.y()), 0), emotions - 1) if rows else -1), layer
        return None

    def _hover(self, scene: QPointF) -> None:
        cell = self._cell_at(scene)
        if cell is None or self._mask is None:
            self.hovered.emit(self._hint)
            return
        row, layer = cell
        if row < 0:
            self.hovered.emit(f"{self._name(layer)}: {int(self._counts[:, layer].sum())} neurons over all emotions")
            return
        count, total = int(self._counts[row, layer]), int(self._counts[row].sum())
        width = self._mask.widths[layer]
        self.hovered.emit(
            f"{self._name(layer)}, {self._rows[row]}: {count} of {width} neurons, "
            f"{percent(count / max(1, total))} of all {self._rows[row]} neurons"
        )

    def _name(self, layer: int) -> str:
        return f"Layer {layer}" + (f" ({self._labels[layer]})" if layer < len(self._labels) else "")

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


class ColourScale(QWidget):
    """What the heatmap's colours mean: from 0 to the largest count."""

    def __init__(self) -> None:
        super().__init__()
        self._most = 0
        self.setFixedSize(200, 16)

    def show_range(self, most: int) -> None:
        """Show another largest count; nothing while there is none."""
        self._most = most
        self.setAccessibleName(f"Colours from 0 to {most} neurons" if most else "Colours")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the colours between their numbers."""
        if not self._most:
            return
        painter = QPainter(self)
        painter.setFont(theme.font(theme.SMALL_PX))
        painter.setPen(QColor(theme.current().muted))
        right = self.width() - painter.fontMetrics().horizontalAdvance(str(self._most))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, str(self._most))
        bar = QRectF(right - 128, 4, 120, 8)
        painter.drawText(
            QRectF(bar.left() - 24, 0, 16, 16), Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, "0"
        )
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        for place, colour in enumerate(pg.colormap.get("viridis").getLookupTable(nPts=9)):
            gradient.setColorAt(place / 8, QColor(*(int(part) for part in colour[:3])))
        painter.fillRect(bar, gradient)


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
        for label in (self.title, self.under_mouse):
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.scale = ColourScale()
        self.facts = small()
        self.facts.setWordWrap(True)
        self.facts.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 8, 12, 8)
        layout.setSpacing(8)
        layout.addWidget(self.title)
        layout.addWidget(self.heatmap, 1)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.under_mouse, 1)
        row.addWidget(self.scale)
        layout.addLayout(row)
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
            # A name and its value stay in one line.
            facts = (f"{name}: {value}".replace(" ", "\N{NO-BREAK SPACE}") for name, value in mask.facts)
            self.facts.setText("     ".join(facts))
        self.heatmap.show_mask(mask)
        self.scale.show_range(int(self.heatmap.counts.max(initial=0)))
