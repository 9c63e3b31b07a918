"""How strongly a take is steered over its time: a curve of shares of the strengths that are set."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

from studio.errors import StudioError

Point = tuple[float, float]
"""Seconds into the source, and the share of every strength there (0 to 1)."""


@dataclass(frozen=True)
class Automation:
    """Straight lines between ``points``, level before the first and after the last.

    Raises StudioError when there is no point, times do not rise, or a number is out of range.
    """

    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        if not self.points:
            raise StudioError("An intensity curve needs at least one point; draw one, or clear the curve.")
        for seconds, share in self.points:
            if not (math.isfinite(seconds) and seconds >= 0 and 0 <= share <= 1):
                raise StudioError(
                    f"The intensity curve has a point at {seconds} s with share {share}; "
                    "times are 0 or more and shares from 0 to 1."
                )
        if any(second[0] <= first[0] for first, second in pairwise(self.points)):
            raise StudioError("The points of the intensity curve are not in order of time; sort them.")

    @property
    def is_silent(self) -> bool:
        """Whether the curve is 0 everywhere, which is the baseline."""
        return not any(share for _, share in self.points)

    @property
    def level(self) -> float | None:
        """The share that the curve has everywhere; None when it changes."""
        first = self.points[0][1]
        return first if all(share == first for _, share in self.points) else None

    def at(self, seconds: float) -> float:
        """The share at a time."""
        after = bisect_right(self.points, (seconds, math.inf))
        if after == 0:
            return self.points[0][1]
        if after == len(self.points):
            return self.points[-1][1]
        (start, low), (stop, high) = self.points[after - 1], self.points[after]
        return low + (high - low) * (seconds - start) / (stop - start)

    def least(self, start: float, stop: float) -> float:
        """The smallest share from ``start`` to ``stop`` (seconds).

        For positions that serve this stretch as a whole (the prompt, the words before the speech): more of it would be
        heard where the curve is 0.
        """
        return min(self.at(seconds) for seconds in (start, *self._times_between(start, stop), stop))

    def _times_between(self, start: float, stop: float) -> list[float]:
        return [seconds for seconds, _ in self.points if start < seconds < stop]
