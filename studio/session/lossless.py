"""Clips kept bit for bit: FLAC where it loses nothing, else float WAV.

FLAC holds whole numbers of at most 24 bits. Recordings of 16 or 24 bits fit; what a model renders is float32 with finer
steps near zero, and rounding it would make a reopened take another one than was heard. So those are float WAV.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from studio.audio.clip import Clip
from studio.audio.files import save_flac, save_wav

_FULL_SCALE = 2.0**23


def save_lossless(folder: Path, stem: str, clip: Clip) -> Path:
    """Write ``clip`` into ``folder`` as ``stem.flac`` or ``stem.wav`` and return the path.

    What ``load_clip`` reads from it is the same bit for bit. Raises AudioFileError as ``save_wav`` does.
    """
    if fits_flac(clip):
        path = folder / f"{stem}.flac"
        save_flac(path, clip, "PCM_24")
    else:
        path = folder / f"{stem}.wav"
        save_wav(path, clip, "FLOAT")
    return path


def fits_flac(clip: Clip) -> bool:
    """Whether every sample is a whole number of 24 bits, with none of them the negative zero only floats have."""
    scaled = clip.samples.astype(np.float64) * _FULL_SCALE
    whole = bool((scaled == np.rint(scaled)).all())
    inside = bool((scaled >= -_FULL_SCALE).all() and (scaled <= _FULL_SCALE - 1).all())
    return whole and inside and not bool(np.signbit(clip.samples[clip.samples == 0]).any())
