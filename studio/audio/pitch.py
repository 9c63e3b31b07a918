"""Pitch and level over time, as drawn over a waveform and reported for a take."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyworld

from studio.audio.clip import Clip

PITCH_RATE = 16_000
FRAME_SECONDS = 0.005
FLOOR_HERTZ = 60.0
CEILING_HERTZ = 600.0
LEVEL_WINDOW_SECONDS = 0.025
SILENCE_DB = -100.0

# WORLD reads beyond the end of signals shorter than a few pitch periods; silence is added up to this length.
_SHORTEST_SECONDS = 0.1

Track = npt.NDArray[np.float64]


class PitchTrack(NamedTuple):
    """Fundamental frequency: ``times`` in seconds, ``hertz`` with NaN where unvoiced, both float64 [frames]."""

    times: Track
    hertz: Track


class LevelTrack(NamedTuple):
    """Energy: ``times`` in seconds, ``decibels`` (RMS, dBFS, never below -100), both float64 [frames]."""

    times: Track
    decibels: Track


def pitch_track(clip: Clip) -> PitchTrack:
    """Fundamental frequency every 5 ms between 60 and 600 Hz (WORLD: DIO refined by StoneMask, at 16 kHz)."""
    frames = _frame_count(clip)
    if frames == 0:
        return PitchTrack(np.zeros(0), np.zeros(0))
    samples = clip.at_rate(PITCH_RATE).samples.astype(np.float64)
    shortest = round(_SHORTEST_SECONDS * PITCH_RATE)
    samples = np.pad(samples, (0, max(0, shortest - len(samples))))
    coarse, times = pyworld.dio(
        samples, PITCH_RATE, f0_floor=FLOOR_HERTZ, f0_ceil=CEILING_HERTZ, frame_period=FRAME_SECONDS * 1000.0
    )
    refined = np.asarray(pyworld.stonemask(samples, coarse, times, PITCH_RATE), dtype=np.float64)
    voiced = (refined >= FLOOR_HERTZ) & (refined <= CEILING_HERTZ)
    hertz = np.where(voiced, refined, np.nan)[:frames]
    return PitchTrack(_times(len(hertz)), hertz)


def median_hertz(track: PitchTrack) -> float:
    """Median over the voiced frames in Hz; NaN when nothing is voiced."""
    voiced = track.hertz[~np.isnan(track.hertz)]
    return float(np.median(voiced)) if len(voiced) else math.nan


def level_track(clip: Clip) -> LevelTrack:
    """RMS level over 25 ms centred on every 5 ms; its times are those of ``pitch_track``."""
    frames = _frame_count(clip)
    times = _times(frames)
    energy = np.concatenate([[0.0], np.cumsum(np.square(clip.samples, dtype=np.float64))])
    centre = times * clip.rate
    half = LEVEL_WINDOW_SECONDS * clip.rate / 2.0
    first = np.clip(np.floor(centre - half), 0, len(clip.samples)).astype(np.int64)
    last = np.clip(np.ceil(centre + half), 0, len(clip.samples)).astype(np.int64)
    power = np.maximum(energy[last] - energy[first], 0.0) / np.maximum(last - first, 1)
    return LevelTrack(times, 10.0 * np.log10(np.maximum(power, 10.0 ** (SILENCE_DB / 10.0))))


def _times(frames: int) -> Track:
    return np.arange(frames, dtype=np.float64) * np.float64(FRAME_SECONDS)


def _frame_count(clip: Clip) -> int:
    # WORLD's own count: one frame at 0 and one more for every full frame period.
    return int(clip.seconds / FRAME_SECONDS + 1e-9) + 1 if len(clip.samples) else 0
