"""A picture of a demo run, painted without a window: waveforms, pitch lines, judge bars and the map of the neurons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyqtgraph as pg
from PySide6.QtCore import QBuffer, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QApplication

from studio.atomic import write_bytes
from studio.audio.clip import Clip
from studio.audio.peaks import PeakPyramid
from studio.audio.pitch import pitch_track
from studio.emotions import COLOURS, EMOTIONS, INITIALS
from studio.esn.mask import EsnMask
from studio.gui.theme import BODY_PX, DARK, SMALL_PX, font
from studio.session.take import Take

_WIDTH, _MARGIN, _ROW = 1480, 24, 128
_WAVE, _BARS = 400, 104
_HEAD = 40
_GAP = 16
_PITCH_HERTZ = (60.0, 600.0)
_PITCH_PEN = 1.6


def draw_demo(path: Path, source: Clip, takes: Sequence[Take], mask: EsnMask) -> None:
    """Paint the source and ``takes`` (one row per target, baseline beside steered) and save a PNG at ``path``.

    Needs no screen when ``QT_QPA_PLATFORM=offscreen``. Raises StudioError when the file cannot be written.
    """
    _app = QApplication.instance() or QApplication([])
    rows: dict[str, list[Take]] = {}
    for take in takes:
        rows.setdefault(take.settings.target, []).append(take)
    height = 2 * _MARGIN + _HEAD + (1 + len(rows)) * (_ROW + _GAP)
    image = QImage(_WIDTH, height, QImage.Format.Format_RGB32)
    image.fill(QColor(DARK.window))
    painter = QPainter(image)
    try:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        _paint(painter, height, source, rows, mask)
    finally:
        # An image that goes away under an active painter takes the process with it.
        painter.end()
    buffer = QBuffer()
    buffer.open(QBuffer.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]
    write_bytes(path, bytes(buffer.data().data()))


def _paint(painter: QPainter, height: int, source: Clip, rows: Mapping[str, Sequence[Take]], mask: EsnMask) -> None:
    takes = [take for row in rows.values() for take in row]
    seconds = max([source.seconds, *(take.audio.seconds for take in takes)])
    text = (takes[0].reference or takes[0].text) if takes else ""
    _write(painter, QRectF(_MARGIN, _MARGIN, 900, 24), f"{source.name}   “{text}”", DARK.text, BODY_PX, bold=True)
    top = float(_MARGIN + _HEAD)
    _lane(painter, QRectF(_MARGIN, top, _WAVE, _ROW), source, seconds, DARK.source, "source, neutral")
    column_width = _WAVE + _BARS + 2 * _GAP
    for number, target in enumerate(rows):
        y = top + (number + 1) * (_ROW + _GAP)
        for column, take in enumerate(rows[target]):
            x = _MARGIN + column * column_width
            strength = take.settings.strengths.get(target, 0.0)
            steered = f"{take.settings.mode} {strength:.2f}" if strength else "as asked, strength 0.00"
            _lane(painter, QRectF(x, y, _WAVE, _ROW), take.audio, seconds, COLOURS[target], f"{target}, {steered}")
            _judge_bars(painter, QRectF(x + _WAVE + _GAP, y, _BARS, _ROW), take)
    left = _MARGIN + 2 * column_width + _GAP
    _neurons(painter, QRectF(left, top, _WIDTH - left - _MARGIN, height - top - _MARGIN - _GAP), mask)


def _lane(painter: QPainter, area: QRectF, clip: Clip, seconds: float, colour: str, title: str) -> None:
    """A waveform and its pitch line on a time axis of ``seconds``."""
    painter.fillRect(area, QColor(DARK.canvas))
    inner = area.adjusted(0, 20, 0, 0)
    columns = max(1, round(inner.width() * clip.seconds / seconds))
    low, high = PeakPyramid(clip.samples).slice(0, len(clip.samples), columns)
    loudest = max(1e-6, float(np.max(np.abs(clip.samples), initial=0.0)))
    middle, half = inner.center().y(), inner.height() / 2 - 4
    wave = QColor(colour)
    wave.setAlphaF(0.55)
    painter.setPen(QPen(wave, 1))
    for column in range(columns):
        x = inner.left() + column
        painter.drawLine(
            QPointF(x, middle - half * high[column] / loudest), QPointF(x, middle - half * low[column] / loudest)
        )
    track = pitch_track(clip)
    painter.setPen(QPen(QColor(DARK.text), _PITCH_PEN))
    for stretch in _voiced(track.times, track.hertz):
        share = np.log(track.hertz[stretch] / _PITCH_HERTZ[0]) / np.log(_PITCH_HERTZ[1] / _PITCH_HERTZ[0])
        xs = inner.left() + inner.width() * track.times[stretch] / seconds
        ys = inner.bottom() - inner.height() * np.clip(share, 0, 1)
        painter.drawPolyline(QPolygonF([QPointF(*point) for point in zip(xs.tolist(), ys.tolist(), strict=True)]))
    voiced = track.hertz[np.isfinite(track.hertz)]
    pitch = f"{np.median(voiced):.0f} Hz" if len(voiced) else "unvoiced"
    _write(painter, area.adjusted(8, 4, -8, 0), title, DARK.text, SMALL_PX)
    _write(painter, area.adjusted(8, 4, -8, 0), f"{pitch}   {clip.seconds:.2f} s", DARK.muted, SMALL_PX, right=True)


def _voiced(times: npt.NDArray[np.floating], hertz: npt.NDArray[np.floating]) -> list[slice]:
    """The stretches of two or more voiced frames."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.isfinite(hertz), [False]]).astype(int)))
    return [slice(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 1 and b <= len(times)]


def _judge_bars(painter: QPainter, area: QRectF, take: Take) -> None:
    """What the judge hears: a bar per emotion, named by its initial."""
    if not take.judged:
        return
    step = area.height() / len(EMOTIONS)
    for number, emotion in enumerate(EMOTIONS):
        line = QRectF(area.left(), area.top() + number * step, area.width(), step).adjusted(0, 3, 0, -3)
        share = take.judged.get(emotion, 0.0)
        bar = line.adjusted(16, 0, -32, 0)
        painter.fillRect(bar, QColor(DARK.panel))
        painter.fillRect(QRectF(bar.left(), bar.top(), bar.width() * share, bar.height()), QColor(COLOURS[emotion]))
        bold = emotion == take.verdict
        colour = DARK.text if bold else DARK.muted
        _write(painter, line, INITIALS[emotion], colour, SMALL_PX, bold=bold, middle=True)
        _write(painter, line, f"{share:.0%}", colour, SMALL_PX, bold=bold, right=True, middle=True)


def _neurons(painter: QPainter, area: QRectF, mask: EsnMask) -> None:
    """Emotion-sensitive neurons per layer (rows) and emotion (columns), as counts on viridis."""
    _write(painter, area, "Emotion-sensitive neurons per layer", DARK.text, SMALL_PX)
    counts = np.stack([mask.histogram(emotion) for emotion in mask.emotions], axis=1)
    grid = area.adjusted(24, 44, 0, 0)
    wide, high = grid.width() / counts.shape[1], min(64.0, grid.height() / counts.shape[0])
    colours = pg.colormap.get("viridis").map((counts / max(1, counts.max())).ravel(), mode="qcolor")
    for column, emotion in enumerate(mask.emotions):
        head = QRectF(grid.left() + column * wide, grid.top() - 20, wide, 16)
        _write(painter, head, f"{INITIALS[emotion]} {emotion}", COLOURS[emotion], SMALL_PX)
        for layer in range(len(counts)):
            cell = QRectF(grid.left() + column * wide, grid.top() + layer * high, wide - 2, high - 2)
            painter.fillRect(cell, colours[layer * counts.shape[1] + column])
            bright = counts[layer, column] > 0.6 * counts.max()
            number = cell.adjusted(6, 0, -6, 0)
            text = "#000000" if bright else "#FFFFFF"
            _write(painter, number, str(counts[layer, column]), text, SMALL_PX, right=True, middle=True)
    for layer in range(len(counts)):
        row = QRectF(area.left(), grid.top() + layer * high, 20, high - 2)
        _write(painter, row, str(layer), DARK.muted, SMALL_PX, middle=True)


def _write(
    painter: QPainter,
    area: QRectF,
    text: str,
    colour: str,
    pixels: int,
    *,
    bold: bool = False,
    right: bool = False,
    middle: bool = False,
) -> None:
    painter.setFont(font(pixels, bold=bold))
    painter.setPen(QColor(colour))
    sideways = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
    painter.drawText(area, sideways | (Qt.AlignmentFlag.AlignVCenter if middle else Qt.AlignmentFlag.AlignTop), text)
