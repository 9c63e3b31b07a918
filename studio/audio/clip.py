"""A clip: mono samples, their rate and a name."""

from __future__ import annotations

import hashlib
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from hashlib import _Hash as HASH

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Clip:
    """Mono audio: ``samples`` float32 [n] in -1..1, ``rate`` in Hz."""

    samples: FloatArray
    rate: int
    name: str = ""

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate

    def at_rate(self, rate: int) -> Clip:
        """The same clip resampled to ``rate`` Hz (itself when the rate is already right)."""
        if rate == self.rate:
            return self
        import soxr  # here, because the environments of hosted models hold clips but not soxr

        return replace(self, samples=soxr.resample(self.samples, self.rate, rate).astype(np.float32), rate=rate)

    def fingerprint(self) -> str:
        """SHA-256 over rate and samples, as hex; names do not enter it."""
        digest = _digest(self.rate)
        _take_in(digest, self.samples)
        return digest.hexdigest()


class ArrivingDigest:
    """The fingerprint of a clip whose samples are still coming, worked out by ``helper`` meanwhile (one thread)."""

    def __init__(self, helper: Executor) -> None:
        self._helper = helper
        self._digest: HASH | None = None
        self._taken = 0
        self._last: Future[None] | None = None

    def take(self, clip: Clip) -> None:
        """The clip as far as it came; it begins with what was there the time before."""
        self._digest = self._digest or _digest(clip.rate)
        self._last = self._helper.submit(_take_in, self._digest, clip.samples[self._taken :])
        self._taken = len(clip.samples)

    def fingerprint(self, clip: Clip) -> str:
        """``clip.fingerprint()``, of a clip that is complete."""
        self.take(clip)
        assert self._digest is not None
        assert self._last is not None
        self._last.result()
        return self._digest.hexdigest()


def _digest(rate: int) -> HASH:
    return hashlib.sha256(str(rate).encode())


def _take_in(digest: HASH, samples: FloatArray) -> None:
    digest.update(np.ascontiguousarray(samples, dtype="<f4").data)
