"""The range of each intervention mode's strength and where it is safe, strong or destructive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_NARROWEST, _STEP = 0.02, 1.25

ZONE_EDGES = (0.0, 0.36, 0.7, 1.0)
"""Where the zones begin and end on a slider."""


@dataclass(frozen=True)
class IntensityRange:
    """Strengths from 0 to ``maximum``: up to ``safe`` content survives, up to ``strong`` it suffers, then breaks."""

    maximum: float
    safe: float
    strong: float

    def share(self, value: float) -> float:
        """Where a strength sits on a slider, 0..1: the useful zones get more room than the destructive one."""
        return float(np.interp(value, (0.0, self.safe, self.strong, self.maximum), ZONE_EDGES))

    def value(self, share: float) -> float:
        """The strength at a place on a slider; inverse of ``share``."""
        return float(np.interp(share, ZONE_EDGES, (0.0, self.safe, self.strong, self.maximum)))

    def zone(self, value: float) -> str:
        """``off``, ``safe``, ``strong`` or ``destructive``."""
        if value <= 0.0:
            return "off"
        if value <= self.safe:
            return "safe"
        return "strong" if value <= self.strong else "destructive"


def measured_range(mode: str, safe: float, strong: float) -> IntensityRange:
    """The range of a mode with zones that were measured: each is wide enough to be aimed at.

    Where a sweep ended with nothing lost, the strengths above it are strong, not safe.
    """
    safe = max(safe, _NARROWEST)
    strong = max(strong, round(_STEP * safe, 2), safe + _NARROWEST)
    return IntensityRange(max(RANGES[mode].maximum, round(_STEP * strong, 2)), safe, strong)


# Gain: arXiv 2603.17231, word errors near the baseline up to 0.5, about eleven points more at 1.0, broken at 2.0. Add
# and clamp: the same zones scaled by the strengths the paper calls comparable to gain 1.0 (0.30 and 0.10).
RANGES: dict[str, IntensityRange] = {
    "gain": IntensityRange(maximum=2.0, safe=0.5, strong=1.0),
    "add": IntensityRange(maximum=1.0, safe=0.15, strong=0.30),
    "clamp": IntensityRange(maximum=0.5, safe=0.05, strong=0.10),
    # Alpha of learned vectors: arXiv 2601.22873, figure 3: accuracy rises up to 3 and drops at 4.
    "learned": IntensityRange(maximum=4.0, safe=1.5, strong=3.0),
}
"""Modes with a strength; ``deactivate`` has none, it is on or off."""

MODES: tuple[str, ...] = ("gain", "add", "clamp", "deactivate", "learned")

MODE_HELP: dict[str, str] = {
    "gain": "Scale the neurons: g becomes (1 + a) g",
    "add": "Shift the neurons: g becomes g + a",
    "clamp": "Hold the neurons up: g becomes max(g, a)",
    "deactivate": "Silence the neurons: g becomes 0",
    "learned": "Shift a hidden state by learned vectors, a file of its own: h becomes h + alpha eps h W",
}
