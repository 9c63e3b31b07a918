"""A clip: mono samples, their rate and a name."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

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
        digest = hashlib.sha256(str(self.rate).encode())
        digest.update(np.ascontiguousarray(self.samples, dtype="<f4").data)
        return digest.hexdigest()
