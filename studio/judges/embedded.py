"""The embedded emotion judge: a small classifier on how a clip sounds, best against its neutral source.

Trained on emotional renderings of lines kept apart from the embedded model's training data; it hears audio and knows
nothing of how the audio was made.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file

from studio.audio.clip import Clip
from studio.emotions import EMOTIONS
from studio.errors import StudioError
from studio.judges.acoustics import measure
from studio.judges.base import EmotionJudge
from studio.paths import resources_dir

FILE = "judge.safetensors"
VERSION = 1
_KEPT = 4096

Array = npt.NDArray[np.float64]


class EmbeddedJudge:
    """Two layers of a perceptron over :class:`studio.judges.acoustics.Acoustics`.

    ``difference`` judges a clip minus its neutral reference, ``alone`` a clip by itself; each is a set of arrays
    ``mean``, ``spread`` [28], ``weight1`` [28, H], ``bias1`` [H], ``weight2`` [H, 5], ``bias2`` [5].
    """

    name = f"embedded-{VERSION}"

    def __init__(self, difference: dict[str, Array], alone: dict[str, Array]) -> None:
        self._difference = difference
        self._alone = alone
        self._measured: OrderedDict[str, Array] = OrderedDict()

    def judge(self, clip: Clip, reference: Clip | None = None) -> dict[str, float]:
        """See :meth:`studio.judges.base.EmotionJudge.judge`."""
        heard = measure(clip).vector()
        if reference is None:
            scores = classify(self._alone, heard)
        else:
            scores = classify(self._difference, heard - self._of_source(reference))
        return {emotion: float(score) for emotion, score in zip(EMOTIONS, scores, strict=True)}

    def _of_source(self, reference: Clip) -> Array:
        """Many takes share one source: the numbers of those heard last are kept."""
        key = reference.fingerprint()
        vector = self._measured.pop(key, None)
        if vector is None:
            vector = measure(reference).vector()
            if len(self._measured) == _KEPT:
                self._measured.popitem(last=False)
        self._measured[key] = vector
        return vector


def classify(layers: dict[str, Array], vector: Array) -> Array:
    """Probabilities [..., 5] of vectors [..., 28]."""
    normal = np.clip((vector - layers["mean"]) / layers["spread"], -4, 4)
    hidden = np.tanh(normal @ layers["weight1"] + layers["bias1"])
    scores = hidden @ layers["weight2"] + layers["bias2"]
    raised = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True))


def load(folder: Path | None = None) -> EmotionJudge:
    """Load the judge from ``folder`` (default: what ships). Raises StudioError when it cannot be read."""
    path = (folder or resources_dir() / "embedded") / FILE
    try:
        arrays = {key: value.astype(np.float64) for key, value in load_file(path).items()}
        sets = [
            {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}
            for prefix in ("difference.", "alone.")
        ]
        for layers in sets:
            classify(layers, np.zeros(len(layers["mean"])))
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise StudioError(f"The embedded judge '{path}' cannot be read; check the project out again.") from error
    return EmbeddedJudge(*sets)
