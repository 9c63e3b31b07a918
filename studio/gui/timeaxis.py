"""The one time axis all lanes share: how much of it is visible, the playhead and the loop."""

from __future__ import annotations

import math

from PySide6.QtCore import QObject, Signal

SHORTEST_VIEW = 0.05
"""Seconds; closer than this there is nothing more to see."""


class TimeAxis(QObject):
    """Visible stretch ``start..stop`` of ``0..length`` seconds, the playhead, and an optional loop region."""

    view_changed = Signal()
    playhead_changed = Signal(float)
    loop_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.length = 1.0
        self.start = 0.0
        self.stop = 1.0
        self.playhead = 0.0
        self.loop: tuple[float, float] | None = None

    @property
    def zoomed(self) -> bool:
        """Whether less than everything is visible."""
        return self.stop - self.start < self.length - 1e-9

    def set_length(self, seconds: float) -> None:
        """Follow the longest clip; a view that showed everything keeps doing so."""
        seconds = max(seconds, SHORTEST_VIEW)
        everything = not self.zoomed
        self.length = seconds
        self.show(0.0, seconds) if everything else self.show(self.start, self.stop)

    def show(self, start: float, stop: float) -> None:
        """Show this stretch, moved and shortened to fit."""
        span = min(max(stop - start, SHORTEST_VIEW), self.length)
        self.start = min(max(start, 0.0), self.length - span)
        self.stop = self.start + span
        self.view_changed.emit()

    def zoom(self, factor: float, around: float) -> None:
        """Show ``factor`` times as much, keeping the second ``around`` where it is on screen."""
        span = min(max((self.stop - self.start) * factor, SHORTEST_VIEW), self.length)
        share = (around - self.start) / (self.stop - self.start)
        self.show(around - share * span, around + (1.0 - share) * span)

    def scroll(self, seconds: float) -> None:
        """Move the view."""
        self.show(self.start + seconds, self.stop + seconds)

    def show_all(self) -> None:
        """Show everything."""
        self.show(0.0, self.length)

    def set_playhead(self, seconds: float) -> None:
        """Move the playhead; a zoomed view follows by turning the page."""
        self.playhead = min(max(seconds, 0.0), self.length)
        if self.zoomed and not self.start <= self.playhead <= self.stop:
            span = self.stop - self.start
            self.show(self.playhead, self.playhead + span)
        self.playhead_changed.emit(self.playhead)

    def set_loop(self, region: tuple[float, float] | None) -> None:
        """Loop this region (ordered and clipped to the axis), or nothing."""
        if region is not None:
            low, high = sorted(region)
            region = (max(low, 0.0), min(high, self.length))
            if region[1] - region[0] < SHORTEST_VIEW:
                region = None
        if region != self.loop:
            self.loop = region
            self.loop_changed.emit()

    def ticks(self, most: int) -> list[float]:
        """Round times within the view, at most ``most`` of them."""
        span = self.stop - self.start
        step = next(step for step in _tick_steps() if span / step <= max(1, most))
        first = math.ceil(self.start / step - 1e-9)
        last = math.floor(self.stop / step + 1e-9)
        return [index * step for index in range(first, last + 1)]


def _tick_steps() -> list[float]:
    return [0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600, 36000, 360000]
