"""Cut a recording into stretches of speech the model can take, leaving long silences out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from studio.lalm.embedded.vocoder import RATE

LONGEST = 4.5
"""Seconds of one segment; the training lines are hardly longer."""

_STEP = 320
_QUIET_DB = 40.0
_MARGIN = int(0.2 * RATE) // _STEP * _STEP


@dataclass(frozen=True)
class Segment:
    """Samples ``start`` to ``stop`` are converted; ``lead`` ones before and ``tail`` ones after are kept as they are.

    Starts are multiples of 20 ms.
    """

    start: int
    stop: int
    lead: int = 0
    tail: int = 0


def split(signal: npt.NDArray[np.float64]) -> list[Segment]:
    """Segments of a 16 kHz signal, in order, that cover it without gap or overlap."""
    count = len(signal) // _STEP
    level = 10 * np.log10((signal[: count * _STEP].reshape(count, _STEP) ** 2).mean(1) + 1e-12)
    loud = np.flatnonzero(level > level.max() - _QUIET_DB)
    start = max(0, int(loud[0]) * _STEP - _MARGIN)
    stop = min(len(signal), (int(loud[-1]) + 1) * _STEP + _MARGIN)
    cuts = [start]
    while stop - cuts[-1] > LONGEST * RATE:
        # The quietest moment of the second half keeps words whole and pieces long.
        low = (cuts[-1] + int(LONGEST * RATE / 2)) // _STEP
        high = min((cuts[-1] + int(LONGEST * RATE)) // _STEP, (stop - RATE // 2) // _STEP)
        smooth = np.convolve(level, np.ones(5) / 5, "same")
        cuts.append((low + int(np.argmin(smooth[low : max(high, low + 1)]))) * _STEP)
    cuts.append(stop)
    last = len(cuts) - 2
    return [
        Segment(first, after, start if at == 0 else 0, len(signal) - stop if at == last else 0)
        for at, (first, after) in enumerate(pairwise(cuts))
    ]
