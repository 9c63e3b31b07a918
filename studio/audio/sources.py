"""One source of the player: samples at their own rate, whole or still arriving, kept ready at the device's rate."""

from __future__ import annotations

import numpy as np
import soxr

from studio.audio.clip import FloatArray
from studio.audio.mixer import SampleBuffer


class Source:
    """Samples at ``rate`` Hz, resampled as they arrive into ``buffer`` at ``device_rate``."""

    def __init__(self, rate: int, device_rate: int, gain: float) -> None:
        self.rate = rate
        self.finished = False
        self._chunks: list[FloatArray] = []
        self.buffer = self._begin(device_rate, gain)

    @property
    def seconds(self) -> float:
        """Length of what has arrived."""
        return sum(len(chunk) for chunk in self._chunks) / self.rate

    def append(self, samples: FloatArray) -> None:
        """Take the next samples (copied)."""
        chunk = np.array(samples, dtype=np.float32)
        self._chunks.append(chunk)
        self._convert(chunk, last=False)

    def finish(self) -> None:
        """No more samples will come."""
        if self.finished:
            return
        self.finished = True
        self._convert(np.zeros(0, np.float32), last=True)
        self.buffer.finish()

    def at_device_rate(self, device_rate: int) -> Source:
        """A source of the same samples, ready for a device of another rate; this one stays as it is."""
        other = Source(self.rate, device_rate, self.buffer.gain)
        for chunk in self._chunks:
            other.append(chunk)
        if self.finished:
            other.finish()
        return other

    def refit(self, device_rate: int) -> None:
        """Make ``buffer`` anew for a device of another rate."""
        self.buffer = self._begin(device_rate, self.buffer.gain)
        if self._chunks:
            self._convert(np.concatenate(self._chunks), last=self.finished)
        if self.finished:
            self.buffer.finish()

    def _begin(self, device_rate: int, gain: float) -> SampleBuffer:
        self._resampler = None
        if device_rate != self.rate:
            self._resampler = soxr.ResampleStream(self.rate, device_rate, 1, dtype="float32")
        return SampleBuffer(finished=False, gain=gain)

    def _convert(self, samples: FloatArray, last: bool) -> None:
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples, last=last)
        self.buffer.append(samples)
