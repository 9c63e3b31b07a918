"""16-bit WAV in and out by the standard library, for models that pass sound through files."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from studio.audio.clip import FloatArray
from studio.errors import StudioError

_FULL = 32768.0


def write(path: Path, samples: FloatArray, rate: int) -> None:
    """Write float32 [n] as 16-bit mono; what is beyond full scale is clipped."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.clip(np.round(samples * _FULL), -_FULL, _FULL - 1).astype("<i2").tobytes())


def read(path: Path, rate: int) -> FloatArray:
    """Read 16-bit mono as float32 [n]; raises StudioError when the file is missing, empty or something else."""
    if not path.is_file():
        raise StudioError("No sound file was written.")
    try:
        with wave.open(str(path), "rb") as file:
            form = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError, OSError) as problem:
        raise StudioError(f"The sound file that was written cannot be read ({problem}).") from problem
    if form != (1, 2, rate):
        raise StudioError(
            f"The sound file that was written has {form[0]} channel(s) of {8 * form[1]} bits at {form[2]} Hz instead "
            f"of one of 16 bits at {rate} Hz."
        )
    if not data:
        raise StudioError("The sound file that was written is empty.")
    return (np.frombuffer(data, dtype="<i2") / _FULL).astype(np.float32)
