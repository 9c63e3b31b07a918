"""Keeps louder speech than the source's within full scale."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

CEILING = 0.97
_REACH = 160
"""10 ms at 16 kHz: the gain moves more slowly than a voice's period, so that waveforms keep their shape."""

AHEAD_SAMPLES = 2 * _REACH
"""How far behind a sample what follows still changes it."""


def limit(samples: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Turn ``samples`` [n] down around the moments that are louder than the ceiling; the rest is as it was."""
    loudness = np.abs(samples)
    if loudness.max(initial=0.0) <= CEILING:
        return samples.astype(np.float32)
    excess = torch.from_numpy(np.maximum(loudness / CEILING, 1.0))[None]
    # Pooling computes every sample by itself, so that a beginning gives the same bits as the whole.
    held = F.max_pool1d(excess, 2 * _REACH + 1, 1, _REACH)
    gain = F.avg_pool1d(F.pad(1 / held, (_REACH, _REACH), "replicate"), 2 * _REACH + 1, 1)[0].numpy()
    return (samples * gain).astype(np.float32)
