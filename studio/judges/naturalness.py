"""Naturalness of speech as listeners would rate it: DistillMOS, 1 (bad) to 5 (excellent). Optional package."""

from __future__ import annotations

import contextlib
import io
from functools import cache
from typing import Any

import numpy as np

from studio.audio.clip import Clip
from studio.errors import StudioError
from studio.judges.optional import require

RATE = 16_000
INSTALL = "--no-deps distillmos xls-r-sqa (in a checkout: make eval)"


def naturalness(clip: Clip) -> float:
    """Predicted mean opinion score, about 1 to 5; raises StudioError without the package or for an empty clip."""
    import torch

    samples = clip.at_rate(RATE).samples
    if not len(samples):
        raise StudioError(f"'{clip.name or 'The clip'}' is empty; there is nothing to rate.")
    with torch.inference_mode():
        return float(_model()(torch.from_numpy(np.ascontiguousarray(samples))[None])[0])


def load() -> None:
    """Load the model now rather than with the first clip; raises StudioError without the package."""
    _model()


@cache
def _model() -> Any:
    # Its module imports torchaudio, which only its own command line uses and which CPU builds cannot load.
    package = require("distillmos", "Rating naturalness", INSTALL, stub="torchaudio")
    with contextlib.redirect_stdout(io.StringIO()):
        return package.ConvTransformerSQAModel().eval()
