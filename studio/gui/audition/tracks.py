"""What a lane can draw over its waveform, each switched on and off: spectrogram, energy and pitch."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
import numpy.typing as npt
import pyqtgraph
from pyqtgraph.functions import arrayToQPath
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen
from PySide6.QtWidgets import QHBoxLayout, QToolButton, QWidget

from studio.audio.spectrogram import FLOOR_DB, HOP_SECONDS, Spectrogram
from studio.gui import theme
from studio.gui.icons import icon
from studio.gui.shown import TRACKS
from studio.gui.state import StudioState
from studio.gui.widgets.layout import tight

_SHOWN_DB = 60.0
"""Range of the spectrogram's colours and of the energy line, from 0 dB down."""

_HINTS = {
    "waveform": "Waveform (W)",
    "pitch": "Pitch (P)",
    "energy": f"Energy: level in dB over the lane's height, from 0 down to {-_SHOWN_DB:.0f} (E)",
    "spectrogram": "Spectrogram: 80 mel bands from 50 Hz to 8 kHz (G)",
}


def draw_spectrogram(painter: QPainter, found: Spectrogram, span: tuple[float, float], size: tuple[int, int]) -> None:
    """Fill a lane of ``size`` pixels with the part of a spectrogram from ``span[0]`` to ``span[1]`` seconds."""
    width, height = size
    start, stop = span
    first, last = max(0, int(start / HOP_SECONDS) - 1), min(len(found.power), int(stop / HOP_SECONDS) + 2)
    if last <= first:
        return
    shares = 1 + found.power[first:last].T[::-1] / _SHOWN_DB
    levels = np.ascontiguousarray(np.clip(shares * 255, 0, 255).astype(np.uint8))
    pixels = np.ascontiguousarray(_colours()[levels])
    image = QImage(pixels.data, pixels.shape[1], pixels.shape[0], pixels.shape[1] * 4, QImage.Format.Format_RGBA8888)
    scale = width / (stop - start)
    left = ((first - 0.5) * HOP_SECONDS - start) * scale
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawImage(QRectF(left, 0, (last - first) * HOP_SECONDS * scale, height), image)


def draw_energy(
    painter: QPainter, level: npt.NDArray[np.float32], span: tuple[float, float], size: tuple[int, int]
) -> None:
    """Draw a level in dB every 10 ms as a line: 0 dB at the top."""
    width, height = size
    start, stop = span
    first, last = max(0, int(start / HOP_SECONDS) - 1), min(len(level), int(stop / HOP_SECONDS) + 2)
    times = np.arange(first, last) * HOP_SECONDS
    xs = (times - start) / (stop - start) * width
    shares = np.clip(-level[first:last].astype(np.float64) / _SHOWN_DB, 0, 1)
    colours = theme.current()
    painter.setBrush(Qt.BrushStyle.NoBrush)
    path = arrayToQPath(xs, 3 + shares * (height - 6))
    for colour, breadth in ((colours.canvas, 3.5), (colours.warning, 1.5)):
        painter.setPen(QPen(QColor(colour), breadth))
        painter.drawPath(path)


def level_at(found: Spectrogram | None, seconds: float) -> float | None:
    """The level in dB at a time; None without one, or where next to nothing is heard."""
    if found is None or not 0 <= seconds <= (len(found.level) - 1) * HOP_SECONDS:
        return None
    level = float(found.level[round(seconds / HOP_SECONDS)])
    return level if level > FLOOR_DB else None


class TrackToggles(QWidget):
    """Small buttons that switch what all lanes draw."""

    def __init__(self, state: StudioState) -> None:
        super().__init__()
        self._state = state
        self.buttons = {track: self._button(track) for track in TRACKS}
        layout = QHBoxLayout(self)
        tight(layout, spacing=0)
        for button in self.buttons.values():
            layout.addWidget(button)
        state.options_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show what is on, in the scheme's colours."""
        for track, button in self.buttons.items():
            on = track in self._state.tracks
            button.blockSignals(True)
            button.setChecked(on)
            button.setIcon(icon(track, active=on))
            button.blockSignals(False)

    def _button(self, track: str) -> QToolButton:
        button = QToolButton()
        button.setObjectName("bare")
        button.setCheckable(True)
        button.setFixedSize(24, 24)
        button.setAccessibleName(f"Show {track}")
        button.setToolTip(_HINTS[track])
        button.toggled.connect(lambda on: self._state.show_tracks(_switched(self._state.tracks, track, on=on)))
        return button


def _switched(tracks: Iterable[str], track: str, *, on: bool) -> frozenset[str]:
    return frozenset(tracks) | {track} if on else frozenset(tracks) - {track}


@cache
def _colours() -> npt.NDArray[np.uint8]:
    """256 colours from the dark ground up, RGBA."""
    table = pyqtgraph.colormap.get("inferno").getLookupTable(nPts=256, alpha=True)
    return np.ascontiguousarray(table, dtype=np.uint8)
