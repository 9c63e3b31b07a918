"""Keeps louder speech than the source's within full scale."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import minimum_filter1d, uniform_filter1d

CEILING = 0.97
_REACH = 160
"""10 ms at 16 kHz: the gain moves more slowly than a voice's period, so that waveforms keep their shape."""

AHEAD_SAMPLES = 2 * _REACH
"""How far behind a sample what follows still changes it."""


def limit(samples: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Turn ``samples`` [n] down around the moments that are louder than the ceiling; the rest is as it was."""
    wanted = CEILING / np.maximum(np.abs(samples), CEILING)
    held = minimum_filter1d(wanted, 2 * _REACH + 1, mode="nearest")
    return (samples * uniform_filter1d(held, 2 * _REACH + 1, mode="nearest")).astype(np.float32)
