"""Naturalness by UTMOS (Saeki et al., 2022), the measure of arXiv 2603.17231, 1 to 5. Optional package.

``utmos-pytorch`` rebuilds the strong learner without fairseq (https://huggingface.co/Blinorot/UTMOS-PyTorch) and reads
its weights with ``weights_only``; they are a model of the catalog.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from studio.audio.clip import Clip
from studio.errors import StudioError
from studio.judges.optional import require, require_weights
from studio.lalm.reading import unreadable

RATE = 16_000
PACKAGE = "utmos_pytorch"
INSTALL = '"utmos-pytorch>=0.1"'
MODEL, WEIGHTS = "utmos", "utmos_state_dict.pt"
"""In the catalog of models, and in its folder."""

_SHORTEST_SECONDS = 0.1


def utmos(clip: Clip) -> float:
    """Predicted mean opinion score, about 1 to 5; raises StudioError without package or weights, or for no sound."""
    import torch

    if clip.seconds < _SHORTEST_SECONDS:
        raise StudioError(f"'{clip.name or 'The clip'}' is too short to be rated ({clip.seconds:.2f} s).")
    samples = np.ascontiguousarray(clip.at_rate(RATE).samples)
    with torch.inference_mode():
        return float(_model().score(torch.from_numpy(samples)[None]).reshape(-1)[0])


def load() -> None:
    """Load the model now rather than with the first clip; raises StudioError without package or weights."""
    _model()


@cache
def _model() -> Any:
    purpose = "Rating naturalness by UTMOS"
    package = require(PACKAGE, purpose, INSTALL)
    folder = require_weights(MODEL, purpose)
    try:
        return package.UTMOSScoreTorch(str(folder / WEIGHTS))
    except Exception as error:  # whatever the package comes up with
        raise unreadable("UTMOS", str(folder), error) from error
