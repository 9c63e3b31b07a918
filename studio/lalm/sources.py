"""What every model asks of a recording before it listens to it."""

from __future__ import annotations

import numpy as np

from studio.audio.clip import Clip
from studio.errors import StudioError

SHORTEST_SECONDS = 0.1
_SILENCE = 1e-4
"""-80 dB of full scale."""


def require_speech(source: Clip) -> None:
    """Raise StudioError for a recording that is too short or too quiet to hold a word."""
    if source.seconds < SHORTEST_SECONDS or np.abs(source.samples).max() <= _SILENCE:
        raise StudioError(f"'{source.name or 'The source'}' holds no speech; choose another recording.")
