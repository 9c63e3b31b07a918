"""What is wrong with a recording that opens: nothing in it, too loud for its format, the same as another."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass

import numpy as np

from studio.audio.clip import FloatArray
from studio.audio.files import open_sound

_FRAME_SECONDS = 0.02
_LOUD_SHARE = 0.05
_FULL_SCALE = 32767 / 32768
"""The largest sample of a 16-bit file."""
_CLIPPED_RUN = 3
"""Samples at full scale in a row: a peak that was scaled to fit has one or two, one that was cut off has more."""


@dataclass(frozen=True)
class Soundness:
    """A recording as it was decoded.

    ``level``: dB re full scale that its loudest 5 % of 20 ms frames reach (-inf for digital silence); ``clipped``:
    places where three or more samples in a row are at full scale; ``digest``: equal for equal samples, whatever the
    container.
    """

    seconds: float
    rate: int
    channels: int
    level: float
    clipped: int
    digest: bytes


def examine(path: str | os.PathLike[str]) -> Soundness:
    """Decode a whole sound file, in memory that does not grow with it; raises AudioFileError when it cannot be read."""
    with open_sound(path) as sound:
        digest = hashlib.blake2b(f"{sound.rate} {sound.channels} ".encode(), digest_size=16)
        frame = max(1, round(_FRAME_SECONDS * sound.rate))
        powers = []
        samples = clipped = 0
        for block in sound.blocks():
            digest.update(np.ascontiguousarray(block, dtype="<f4").data)
            samples += len(block)
            powers.append(_frame_powers(block, frame))
            clipped += _clipped_places(block)
        loud = float(np.quantile(np.concatenate(powers), 1 - _LOUD_SHARE))
        level = 10 * math.log10(loud) if loud > 0 else -math.inf
        return Soundness(samples / sound.rate, sound.rate, sound.channels, level, clipped, digest.digest())


def _frame_powers(block: FloatArray, frame: int) -> FloatArray:
    """Mean square of each whole frame of a block, or of all of it where it is shorter; the rest is dropped."""
    power: FloatArray = np.square(block).mean(axis=1)
    whole = len(power) // frame
    frames: FloatArray = power[: whole * frame].reshape(whole, frame) if whole else power[None]
    return np.asarray(frames.mean(axis=1))


def _clipped_places(block: FloatArray) -> int:
    full = np.abs(block) >= _FULL_SCALE
    if not full.any():
        return 0
    runs = full[: 1 - _CLIPPED_RUN] & full[1:-1] & full[_CLIPPED_RUN - 1 :]
    return int(np.count_nonzero(runs[1:] & ~runs[:-1]) + np.count_nonzero(runs[:1]))
