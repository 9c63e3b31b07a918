"""Log-mel spectrogram and level over time, for looking at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studio.audio.clip import Clip

HOP_SECONDS = 0.01
BANDS = 80
LOW_HERTZ, HIGH_HERTZ = 50.0, 8000.0
FLOOR_DB = -80.0

_WINDOW_SECONDS = 0.025
_AT_ONCE = 4096
"""Frames transformed together, so that memory does not grow with the clip."""

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Spectrogram:
    """``power`` float32 [T, 80] in dB re the loudest band of the clip, from -80 to 0, every 10 ms from 0 s on; mel
    bands evenly from 50 Hz to 8 kHz (or half the rate). ``level`` float32 [T]: RMS in dB re full scale, at least -80.
    """

    power: FloatArray
    level: FloatArray


def spectrogram(clip: Clip) -> Spectrogram:
    """Analyse a clip: frames of 25 ms (Hann) around every 10 ms."""
    hop, window = round(HOP_SECONDS * clip.rate), round(_WINDOW_SECONDS * clip.rate)
    size = 1 << (window - 1).bit_length()
    padded = np.pad(clip.samples, (window // 2, window))
    count = len(clip.samples) // hop + 1
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop][:count]
    filters = _filters(clip.rate, size)
    taper = np.hanning(window).astype(np.float32)
    power, level = np.empty((count, BANDS), np.float32), np.empty(count, np.float32)
    for start in range(0, count, _AT_ONCE):
        part = frames[start : start + _AT_ONCE]
        spectrum = np.abs(np.fft.rfft(part * taper, size)) ** 2
        power[start : start + _AT_ONCE] = spectrum @ filters
        level[start : start + _AT_ONCE] = np.square(part, dtype=np.float32).mean(1)
    loudest = max(float(power.max(initial=0.0)), 1e-12)
    return Spectrogram(_decibels(power / loudest), _decibels(level))


def _decibels(power: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(10 * np.log10(np.maximum(power, 1e-12)), FLOOR_DB), np.float32)


def _filters(rate: int, size: int) -> npt.NDArray[np.float64]:
    """Triangles of equal area on the mel scale, [size // 2 + 1, 80]."""

    def mel(hertz: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return 1127.0 * np.log1p(np.asarray(hertz, np.float64) / 700.0)

    edges = 700.0 * np.expm1(np.linspace(mel(LOW_HERTZ), mel(min(HIGH_HERTZ, rate / 2)), BANDS + 2) / 1127.0)
    bins = np.arange(size // 2 + 1)[:, None] * rate / size
    rising, falling = (bins - edges[:-2]) / np.diff(edges[:-1]), (edges[2:] - bins) / np.diff(edges[1:])
    # Low bands are narrower than a bin: each keeps at least the bin nearest to its middle.
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    nearest = np.abs(bins - edges[1:-1]).argmin(0)
    triangles[nearest, np.arange(BANDS)] = np.maximum(triangles[nearest, np.arange(BANDS)], 1e-3)
    return np.asarray(triangles / triangles.sum(0))
