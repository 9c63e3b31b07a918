"""What a clip sounds like in numbers: pitch, timing, level, spectrum and breathiness, for judging and for tables."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

from studio.audio.clip import Clip
from studio.audio.pitch import pitch_track
from studio.errors import StudioError

RATE = 16_000
BANDS = 14

_HOP = 160
_WINDOW = 640
_FFT = 1024
_ACTIVE_DB = 35.0
_FEWEST_FRAMES = 20
# Pitch trackers find pitch in noise too; its autocorrelation at that period stays near zero.
_LEAST_HARMONICITY = 0.25

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Acoustics:
    """One clip. Pitch in semitones re 55 Hz, levels in dB re full scale, durations in log2 seconds.

    ``pitch_slope`` and ``pitch_arch`` are the linear and quadratic trend over the clip in semitones;
    ``pitch_movement`` is the mean size of change between 5 ms frames, in semitones per second (log2);
    ``harmonicity`` the mean normalised autocorrelation at the pitch period of voiced frames;
    ``bands`` the mean level of voiced frames in 14 bands of equal mel width from 100 to 7600 Hz, re their mean.
    """

    pitch_median: float
    pitch_spread: float
    pitch_low: float
    pitch_high: float
    pitch_slope: float
    pitch_arch: float
    pitch_end: float
    pitch_movement: float
    voiced_share: float
    duration: float
    level: float
    level_spread: float
    level_peak: float
    harmonicity: float
    bands: tuple[float, ...]

    def vector(self) -> Array:
        """All numbers in a fixed order, float64 [28]."""
        values = astuple(self)
        return np.array([*values[:-1], *values[-1]], dtype=np.float64)


def measure(clip: Clip) -> Acoustics:
    """Measure a clip of any rate; raises StudioError when it holds no voiced speech."""
    clip = clip.at_rate(RATE)
    signal = clip.samples.astype(np.float64)
    frames = _frames(signal)
    level = 10 * np.log10((frames**2).mean(1) + 1e-12)
    active = level > level.max() - _ACTIVE_DB
    first, last = np.flatnonzero(active)[[0, -1]] if active.any() else (0, 0)
    track = pitch_track(clip)
    pitched = np.isfinite(track.hertz)
    silent = StudioError(f"'{clip.name or 'The clip'}' holds no voiced speech, so its emotion cannot be judged.")
    if pitched.sum() < _FEWEST_FRAMES:
        raise silent
    semitones = 12 * np.log2(track.hertz[pitched] / 55.0)
    time = np.linspace(-1, 1, len(track.hertz))[pitched]
    slope, arch = _trend(time, semitones)
    low, median, high = np.percentile(semitones, [10, 50, 90])
    steps = np.abs(np.diff(12 * np.log2(np.where(pitched, track.hertz, 1.0))))[pitched[1:] & pitched[:-1]]
    at = np.minimum(np.arange(len(frames)) * 2, len(track.hertz) - 1)
    voiced = pitched[at] & active
    if not voiced.any():
        voiced = pitched[at]
    harmonicity = _harmonicity(frames[voiced], track.hertz[at][voiced])
    if harmonicity < _LEAST_HARMONICITY:
        raise silent
    spectrum = np.abs(np.fft.rfft(frames[voiced] * np.hanning(_WINDOW), _FFT)) ** 2
    bands = 10 * np.log10(spectrum @ _FILTERS + 1e-10).mean(0)
    return Acoustics(
        pitch_median=float(median),
        pitch_spread=float(semitones.std()),
        pitch_low=float(low),
        pitch_high=float(high),
        pitch_slope=slope,
        pitch_arch=arch,
        pitch_end=float(semitones[-max(4, len(semitones) // 6) :].mean() - median),
        pitch_movement=float(np.log2(np.mean(np.minimum(steps, 3.0)) / 0.005 + 1.0)) if len(steps) else 0.0,
        voiced_share=float(voiced.sum() / max(1, active.sum())),
        duration=float(np.log2(max(1, last - first + 1) * _HOP / RATE)),
        level=float(level[active].mean()),
        level_spread=float(level[active].std()),
        level_peak=float(np.percentile(level, 95)),
        harmonicity=harmonicity,
        bands=tuple(float(value) for value in bands - bands.mean()),
    )


def _frames(signal: Array) -> Array:
    padded = np.pad(signal, (_WINDOW // 2, _WINDOW))
    count = len(signal) // _HOP + 1
    return np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[: count * _HOP : _HOP]


def _trend(time: Array, values: Array) -> tuple[float, float]:
    """Linear and quadratic Legendre coefficients."""
    basis = np.polynomial.legendre.legvander(time, 2)
    coefficients = np.linalg.lstsq(basis, values, rcond=None)[0]
    return float(coefficients[1]), float(coefficients[2])


def _harmonicity(frames: Array, hertz: Array) -> float:
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW), 2 * _FFT)) ** 2
    correlation = np.fft.irfft(spectrum)
    lag = np.clip(np.rint(RATE / hertz).astype(int), 1, _WINDOW - 1)
    peak = correlation[np.arange(len(lag)), lag] / np.maximum(correlation[:, 0], 1e-12)
    return float(np.clip(peak, -1, 1).mean())


def _filterbank() -> Array:
    edges = 700 * np.expm1(np.linspace(np.log1p(100 / 700), np.log1p(7600 / 700), BANDS + 1))
    bins = np.arange(_FFT // 2 + 1) * RATE / _FFT
    inside = (bins[:, None] >= edges[:-1]) & (bins[:, None] < edges[1:])
    return np.asarray(inside / np.maximum(inside.sum(0), 1))


_FILTERS = _filterbank()
