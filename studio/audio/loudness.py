"""Programme loudness (ITU-R BS.1770) and the gains that make clips equally loud for a fair comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

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


@dataclass(frozen=True, eq=False)
class Levelled:
    """A clip brought towards a loudness: the ``gain`` in dB it got, and the ``loudness`` in LUFS it has now.

    ``limit`` says in words what kept it from the target; empty when it was reached.
    """

    clip: Clip
    gain: float
    loudness: float
    limit: str


def true_peak_db(clip: Clip) -> float:
    """Highest level between the samples as well, in dBTP: sampled four times as densely (BS.1770, annex 2)."""
    return max(peak_db(clip), peak_db(clip.at_rate(4 * clip.rate)))


def to_loudness(clip: Clip, target: float) -> Levelled:
    """``clip`` at ``target`` LUFS, or as near to it as goes with no peak above -1 dBTP and no boost above 24 dB.

    Nothing is compressed or limited: one gain for the whole clip. Silence stays as it is.
    """
    loudness = integrated_loudness(clip)
    if not math.isfinite(loudness):
        return Levelled(clip, 0.0, loudness, "next to nothing is heard in it")
    wanted = target - loudness
    headroom = PEAK_CEILING_DB - true_peak_db(clip)
    gain = min(wanted, headroom, MAX_BOOST_DB)
    limit = ""
    if gain < wanted:
        limit = "its peaks would pass \u22121 dBTP" if gain == headroom else "it is too quiet to be lifted further"
    samples = (clip.samples * np.float32(10.0 ** (gain / 20.0))).astype(np.float32)
    return Levelled(replace(clip, samples=samples), gain, loudness + gain, limit)
