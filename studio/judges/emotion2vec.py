"""emotion2vec+large (Ma et al., 2024), the acoustic judge of arXiv 2603.17231, through funasr. Optional package."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from studio.audio.clip import Clip, FloatArray
from studio.emotions import EMOTIONS, other_emotion, parse_emotion
from studio.errors import StudioError
from studio.judges.base import EmotionJudge
from studio.judges.optional import require, require_weights

MODEL = "emotion2vec"
"""In the catalog of models."""

RATE = 16_000
PACKAGE = "funasr"
INSTALL = '"funasr>=1.4"'

_SHORTEST_SECONDS = 0.1
_UNKNOWN = "unknown"

Classifier = Callable[[FloatArray], tuple[Sequence[str], Sequence[float]]]
"""Labels and their probabilities for mono float32 samples at 16 kHz."""


class Emotion2vecJudge:
    """Judges a clip by itself; ``classify`` is the model.

    It tells nine labels apart. Those outside the five keep probabilities of their own, under their names, so that the
    verdict is the model's predicted label, as in the paper, and a fearful clip counts for none of the five.
    """

    name = "emotion2vec-plus-large"

    def __init__(self, classify: Classifier) -> None:
        self._classify = classify

    def judge(self, clip: Clip, reference: Clip | None = None) -> dict[str, float]:
        """See :meth:`studio.judges.base.EmotionJudge.judge`; ``reference`` is not listened to."""
        if clip.seconds < _SHORTEST_SECONDS:
            raise StudioError(f"'{clip.name or 'The clip'}' is too short to be judged ({clip.seconds:.2f} s).")
        samples = np.ascontiguousarray(clip.at_rate(RATE).samples, dtype=np.float32)
        return by_emotion(*self._classify(samples))


def by_emotion(labels: Sequence[str], scores: Sequence[float]) -> dict[str, float]:
    """Probabilities by emotion, the five first, of labels such as ``angry``, ``生气/angry`` or ``<unk>`` in any order.

    Raises StudioError when one of the five has no label: some releases of the model were limited to fewer, and a judge
    that can never say surprise would reject every surprised conversion.
    """
    found: dict[str, float] = {}
    for label, score in zip(labels, scores, strict=True):
        # Labels on the hub are bilingual; the English word comes last.
        word = label.rpartition("/")[2].strip("<> ")
        emotion = parse_emotion(word) or other_emotion(word)
        emotion = _UNKNOWN if emotion in ("", "unk") else emotion
        found[emotion] = found.get(emotion, 0.0) + float(score)
    missing = [emotion for emotion in EMOTIONS if emotion not in found]
    if missing:
        raise StudioError(
            f"This copy of emotion2vec+large does not tell {' and '.join(missing)}; delete it with: esn-studio models "
            f"remove {MODEL}, update with: pip install -U {INSTALL}, and download it again."
        )
    rest = [emotion for emotion in found if emotion not in EMOTIONS]
    return {emotion: found[emotion] for emotion in (*EMOTIONS, *rest)}


def load() -> EmotionJudge:
    """Load the model from its folder alone. Raises StudioError without the package or the weights."""
    # What it says of itself would end up among a verb's results.
    with contextlib.redirect_stdout(io.StringIO()):
        package = require(PACKAGE, "The judge emotion2vec", INSTALL)
        folder = require_weights(MODEL, "The judge emotion2vec")
        try:
            model: Any = package.AutoModel(model=str(folder), disable_update=True, disable_pbar=True)
        except Exception as error:  # whatever the framework comes up with
            lines = str(error).strip().splitlines()
            raise StudioError(
                f"emotion2vec+large cannot be loaded from '{folder}': {lines[0] if lines else type(error).__name__}"
            ) from error
    return Emotion2vecJudge(classifier(model))


def classifier(model: Any) -> Classifier:
    """A funasr ``AutoModel`` as a classifier."""

    def classify(samples: FloatArray) -> tuple[Sequence[str], Sequence[float]]:
        [result] = model.generate(samples, granularity="utterance", extract_embedding=False, disable_pbar=True)
        return result["labels"], result["scores"]

    return classify
