"""Is it the same speaker? Cosine similarity of WavLM x-vectors (microsoft/wavlm-base-plus-sv), beside Resemblyzer.

Its model card takes 0.86 as the threshold for the same speaker.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import numpy.typing as npt

from studio.audio.clip import Clip
from studio.errors import StudioError
from studio.lalm.reading import PROBLEMS, require_whole, unreadable

MODEL = "wavlm"
"""In the catalog of models."""

RATE = 16_000
_SHORTEST_SECONDS = 0.3
_SILENCE = 1e-4

Embedding = npt.NDArray[np.float32]


class WavlmSpeakers:
    """``model``: a WavLMForXVector; ``extractor``: its feature extractor."""

    def __init__(self, model: Any, extractor: Any) -> None:
        self._model = model.eval()
        self._extractor = extractor

    def similarity(self, first: Clip, second: Clip) -> float:
        """Cosine similarity of two voices, -1 to 1; raises StudioError where there is too little to hear."""
        return float(np.dot(self.embedding(first), self.embedding(second)))

    def embedding(self, clip: Clip) -> Embedding:
        """The voice as a unit vector, float32 [xvector]; raises StudioError for silence and for less than 0.3 s."""
        import torch

        samples = clip.at_rate(RATE).samples
        if len(samples) < _SHORTEST_SECONDS * RATE or float(np.abs(samples).max()) < _SILENCE:
            raise StudioError(f"'{clip.name or 'The clip'}' holds too little voice to tell its speaker.")
        given = self._extractor(samples, sampling_rate=RATE, return_tensors="pt")
        with torch.inference_mode():
            vector = self._model(given["input_values"]).embeddings[0].float()
            unit: Embedding = torch.nn.functional.normalize(vector, dim=0).numpy()
        return unit


@cache
def load(folder: Path) -> WavlmSpeakers:
    """Load from a folder, once; raises StudioError when it cannot be read."""
    from transformers import Wav2Vec2FeatureExtractor, WavLMForXVector

    where = str(folder)
    try:
        extractor = Wav2Vec2FeatureExtractor.from_pretrained(where, local_files_only=True)
        # The repository may hold a pickle only; such a file may bring tensors and nothing that runs.
        kind: Any = WavLMForXVector
        model, report = kind.from_pretrained(where, local_files_only=True, weights_only=True, output_loading_info=True)
    except UnpicklingError as error:
        # torch's own words advise to read it without that guard.
        raise StudioError(
            f"WavLM's speaker model in '{where}' holds more than tensors, which could run anything; download it again."
        ) from error
    except PROBLEMS as error:
        raise unreadable("WavLM's speaker model", where, error) from error
    require_whole(where, report)
    return WavlmSpeakers(model, extractor)
