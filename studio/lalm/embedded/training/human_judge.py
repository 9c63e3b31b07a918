"""A judge trained on human speech, to hold the renderings and the model's takes against people.

Logistic regression on openSMILE eGeMAPSv02 functionals of a clip (16 kHz, trimmed at 35 dB, RMS 0.05) minus the same
speaker's neutral speech. The training table (one row a clip: speaker, emotion, 88 functionals) does not ship.
Needs ``opensmile`` and ``scikit-learn``.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt

from studio.audio.clip import Clip
from studio.emotions import EMOTIONS, NEUTRAL

Array = npt.NDArray[np.float64]

_RATE = 16_000
_TRIM_DB = 35.0
_LEVEL = 0.05
_FOLDS = 6


class HumanJudge:
    """Fit on the table at once; ``recall`` holds its recall per emotion on speakers left out of training."""

    name = "human-egemaps"

    def __init__(self, table: Path) -> None:
        import opensmile
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import recall_score
        from sklearn.model_selection import GroupKFold, cross_val_predict
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        vectors, labels, speakers = _read(table)
        for speaker in np.unique(speakers):
            own = speakers == speaker
            vectors[own] -= np.median(vectors[own & (labels == EMOTIONS.index(NEUTRAL))], axis=0)
        self._model = make_pipeline(
            StandardScaler(), LogisticRegression(C=0.05, max_iter=3000, class_weight="balanced")
        )
        guesses = cross_val_predict(self._model, vectors, labels, groups=speakers, cv=GroupKFold(_FOLDS))
        scores = recall_score(labels, guesses, average=None)
        self.recall = {emotion: float(score) for emotion, score in zip(EMOTIONS, scores, strict=True)}
        self._model.fit(vectors, labels)
        self._smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)

    def judge(self, clip: Clip, reference: Clip | None = None) -> dict[str, float]:
        """Probabilities of the five emotions of ``clip`` against its neutral ``reference``."""
        assert reference is not None, "this judge only hears differences"
        difference = self.functionals(clip) - self.functionals(reference)
        scores = self._model.predict_proba(difference[None])[0]
        return {emotion: float(score) for emotion, score in zip(EMOTIONS, scores, strict=True)}

    def functionals(self, clip: Clip) -> Array:
        """The 88 functionals of a clip."""
        samples = _trim(clip.at_rate(_RATE).samples.astype(np.float64))
        samples *= _LEVEL / (np.sqrt((samples**2).mean()) + 1e-9)
        return np.asarray(self._smile.process_signal(samples.astype(np.float32), _RATE).to_numpy()[0], np.float64)


def _trim(samples: Array) -> Array:
    """Cut silence at both ends: frames of 128 ms more than 35 dB under the loudest."""
    frame, hop = 2048, 512
    padded = np.pad(samples, frame // 2)
    power = (np.lib.stride_tricks.sliding_window_view(padded, frame)[::hop] ** 2).mean(1)
    loud = np.flatnonzero(power > power.max() * 10 ** (-_TRIM_DB / 10))
    return samples[loud[0] * hop : min(len(samples), (loud[-1] + 1) * hop)]


def _read(table: Path) -> tuple[Array, npt.NDArray[np.int64], npt.NDArray[np.str_]]:
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    columns = [name for name in rows[0] if name not in ("speaker", "emotion")]
    vectors = np.array([[float(row[name]) for name in columns] for row in rows])
    labels = np.array([EMOTIONS.index(row["emotion"]) for row in rows])
    return vectors, labels, np.array([row["speaker"] for row in rows])
