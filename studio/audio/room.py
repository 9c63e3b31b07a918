"""Room for samples that arrive piece by piece, made ready ahead of them."""

from __future__ import annotations

from concurrent.futures import Executor, Future

import numpy as np

from studio.audio.clip import FloatArray

_AHEAD_FRAMES = 1 << 22


class Room:
    """``frames`` of float32, filled from the front; ``samples`` are those that came.

    Memory that was never used takes as long to be handed out as its samples take to be decoded. ``helper`` asks for it
    meanwhile, never more than 16 MB ahead: a length that a header only claims takes no memory.
    """

    def __init__(self, frames: int, helper: Executor) -> None:
        self._all = np.empty(frames, np.float32)
        self._filled = 0
        self._ready = 0 if frames > _AHEAD_FRAMES else frames
        self._helper = helper
        self._coming: Future[None] | None = None

    @property
    def samples(self) -> FloatArray:
        """What came so far, [n]; a view."""
        return self._all[: self._filled]

    def takes(self, count: int) -> bool:
        """Whether so many more find room."""
        return self._filled + count <= len(self._all)

    def append(self, block: FloatArray) -> None:
        """Take the next samples, [n]; there must be room."""
        stop = self._filled + len(block)
        while self._ready < stop:
            self._prepare()
        self._all[self._filled : stop] = block
        self._filled = stop

    def _prepare(self) -> None:
        """Wait for the part under way, and let the helper begin with the one after it."""
        if self._coming is not None:
            self._coming.result()
            self._ready = min(self._ready + _AHEAD_FRAMES, len(self._all))
        part = self._all[self._ready : self._ready + _AHEAD_FRAMES]
        self._coming = self._helper.submit(part.fill, 0.0) if len(part) else None
