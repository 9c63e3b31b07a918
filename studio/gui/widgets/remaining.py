"""How long something under way will take, from the share that is done."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from studio.gui.formats import duration

SHORTEST_SECONDS = 0.5
"""What has not taken this long yet needs no word about the time."""

_LEAST_SHARE = 0.02
"""Before this much is done nobody can tell."""


class Remaining:
    """Estimates the time left as the share of something grows; a share that falls is something new."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._began = now()
        self._share = 0.0

    def restart(self) -> None:
        """Something begins now."""
        self._began, self._share = self._now(), 0.0

    def text(self, share: float) -> str:
        """``3 s left``; empty while it is too early to tell, or nothing is left."""
        if share < self._share:
            self.restart()
        self._share = share
        spent = self._now() - self._began
        if spent < SHORTEST_SECONDS or not _LEAST_SHARE <= share < 1.0:
            return ""
        left = spent * (1.0 - share) / share
        return f"{math.ceil(left)}\u00a0s left" if left <= 10 else f"{duration(left)} left"
