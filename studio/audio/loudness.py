"""Programme loudness (ITU-R BS.1770) and the gains that make clips equally loud for a fair comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pyloudnorm

from studio.audio.clip import Clip

GATING_BLOCK_SECONDS = 0.4
PEAK_CEILING_DB = -1.0
MAX_BOOST_DB = 24.0
"""A nearly silent take is not lifted further than this: its noise would be all there is to hear."""


def integrated_loudness(clip: Clip) -> float:
    """Integrated gated loudness in LUFS; -inf for silence and for anything below the absolute gate of -70.

    A clip shorter than one gating block (0.4 s) is measured as if it were repeated until it fills one.
    """
    samples = clip.samples.astype(np.float64)
    if not np.any(samples):
        return -math.inf
    block = math.ceil(GATING_BLOCK_SECONDS * clip.rate)
    if len(samples) < block:
        samples = np.tile(samples, -(-block // len(samples)))
    return float(pyloudnorm.Meter(clip.rate, block_size=GATING_BLOCK_SECONDS).integrated_loudness(samples))


def peak_db(clip: Clip) -> float:
    """Highest sample magnitude in dBFS; -inf for silence."""
    peak = float(np.max(np.abs(clip.samples), initial=0.0))
    return 20.0 * math.log10(peak) if peak > 0.0 else -math.inf


def match_gains(clips: Sequence[Clip]) -> list[float]:
    """Gain in dB per clip that brings all to one loudness with no sample above -1 dBFS.

    The common target is the loudest clip's own loudness, or lower where a clip would exceed the ceiling on its way
    there. Silent clips get 0 dB and do not take part.
    """
    loudness = [integrated_loudness(clip) for clip in clips]
    headroom = [PEAK_CEILING_DB - peak_db(clip) for clip in clips]
    audible = [index for index, level in enumerate(loudness) if math.isfinite(level)]
    if not audible:
        return [0.0] * len(clips)
    loudest = max(loudness[i] for i in audible)
    target = min(loudest, *(loudness[i] + headroom[i] for i in audible))
    return [min(target - level, MAX_BOOST_DB) if math.isfinite(level) else 0.0 for level in loudness]
