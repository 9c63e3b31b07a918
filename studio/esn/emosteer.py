"""Learned steering: h' = h + alpha * eps * h W_e (EmoShift, arXiv 2601.22873, section 3.2).

W_e is one matrix per emotion, h a hidden state before an output projection, eps = 0.001 and alpha the strength at
inference. Here are the matrices as a file, and what one row of a batch asks for; the hook that applies it is in
:mod:`studio.esn.emosteer_hook`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from studio import atomic
from studio.emotions import EMOTIONS, in_order
from studio.errors import StudioError
from studio.esn import tensorfile
from studio.esn.automation import Automation
from studio.esn.errors import EmoSteerError

EPSILON = 0.001
SUFFIX = ".emosteer.safetensors"
KIND = "emosteer"

FloatArray = npt.NDArray[np.float32]

_PREFIX = "weights"


@dataclass(frozen=True, eq=False)
class EmoVectors:
    """What EmoShift learns: per emotion a matrix W_e, float32 [dim, dim], that h (a row) is multiplied by.

    ``site`` is the path of the module, within its model, whose input h is; ``metadata`` is JSON-able: model, training.
    Plain numpy, so that files are shown without torch. Raises EmoSteerError when a matrix cannot be one of the site's.
    """

    dim: int
    site: str
    weights: dict[str, FloatArray]
    eps: float = EPSILON
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.weights:
            raise EmoSteerError("They hold no emotion.")
        if not (self.site and isinstance(self.site, str)):
            raise EmoSteerError("They do not say which module's input they shift ('site').")
        if isinstance(self.eps, bool) or not isinstance(self.eps, int | float) or not 0 < self.eps <= 1:
            raise EmoSteerError(f"Their eps is {self.eps!r}; it must be a number above 0 and at most 1.")
        unknown = [emotion for emotion in self.weights if emotion not in EMOTIONS]
        if unknown:
            raise EmoSteerError(f"They hold '{unknown[0]}', which is none of {', '.join(EMOTIONS)}.")
        object.__setattr__(self, "weights", {emotion: self.weights[emotion] for emotion in in_order(self.weights)})
        for emotion, matrix in self.weights.items():
            if matrix.dtype != np.float32 or matrix.shape != (self.dim, self.dim):
                raise EmoSteerError(
                    f"Their matrix for {emotion} is {matrix.dtype} {list(matrix.shape)} instead of float32 "
                    f"[{self.dim}, {self.dim}]."
                )
            if not np.isfinite(matrix).all():
                raise EmoSteerError(f"Their matrix for {emotion} holds numbers that are not finite.")

    @property
    def emotions(self) -> tuple[str, ...]:
        """Emotions that were learned, in the project's order."""
        return tuple(self.weights)

    def check_fits(self, model_id: str, sites: Mapping[str, int]) -> None:
        """Raise EmoSteerError, saying what differs, unless the model has this site in this width."""
        if not sites:
            raise EmoSteerError(f"{model_id} has no site for learned vectors; steer it with a mask instead.")
        theirs = self.metadata.get("model_id")
        if theirs is not None and theirs != model_id:
            raise EmoSteerError(f"The learned vectors were trained on {theirs}, not on {model_id}; choose others.")
        if sites.get(self.site) != self.dim:
            known = ", ".join(f"{site} ({width} wide)" for site, width in sites.items())
            raise EmoSteerError(
                f"The learned vectors shift the input of {self.site} ({self.dim} wide), but {model_id} offers {known}; "
                "train vectors for this model."
            )

    def to_bytes(self) -> bytes:
        """The vectors as a file; the same vectors give the same bytes."""
        arrays = {f"{_PREFIX}.{emotion}": matrix for emotion, matrix in self.weights.items()}
        facts = {"kind": KIND, "widths": [self.dim], "site": self.site, "eps": self.eps}
        return tensorfile.to_bytes(arrays, self.metadata | facts)

    def save(self, path: Path) -> None:
        """Write a ``*.emosteer.safetensors`` file atomically; raises StudioError when it cannot be written."""
        atomic.write_bytes(Path(path), self.to_bytes())

    def fingerprint(self) -> str:
        """SHA-256, as hex, of the file ``save`` writes."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @classmethod
    def load(cls, path: Path) -> EmoVectors:
        """Read a file of learned vectors; raises EmoSteerError saying what is wrong with it."""
        path = Path(path)
        arrays, widths, metadata = tensorfile.read(path, "learned-vectors", EmoSteerError)
        if metadata.pop("kind", None) != KIND or len(widths) != 1:
            raise EmoSteerError(
                f"'{path}' is no learned-vectors file; choose one that esn-studio emosteer train wrote."
            )
        split = {name: name.partition(".") for name in arrays}
        weights = {emotion: arrays[name] for name, (part, _, emotion) in split.items() if part == _PREFIX}
        try:
            return cls(widths[0], metadata.pop("site", ""), weights, metadata.pop("eps", None), metadata)
        except EmoSteerError as problem:
            raise EmoSteerError(f"The learned vectors in '{path}' cannot be used: {_lower(str(problem))}") from problem


@dataclass(frozen=True, eq=False)
class EmoSteering:
    """How one row of a batch is steered by learned vectors: ``alphas`` emotion -> alpha >= 0; several add up.

    ``automation``: shares of the alphas over the source's time. Raises StudioError for an alpha that makes no sense,
    EmoSteerError for an emotion that was not learned.
    """

    vectors: EmoVectors
    alphas: Mapping[str, float]
    automation: Automation | None = None

    def __post_init__(self) -> None:
        for emotion, alpha in self.alphas.items():
            if not (math.isfinite(alpha) and alpha >= 0):
                raise StudioError(f"The alpha of {emotion} must be a number of at least 0; it is {alpha}.")
            if alpha > 0 and emotion not in self.vectors.weights:
                raise EmoSteerError(
                    f"There is no learned vector for {emotion} (learned: {', '.join(self.vectors.emotions)}); "
                    "set its alpha to 0 or choose other vectors."
                )

    @property
    def active(self) -> dict[str, float]:
        """The alphas above 0."""
        return {emotion: alpha for emotion, alpha in self.alphas.items() if alpha > 0}

    @property
    def is_identity(self) -> bool:
        """True when nothing is shifted: the row is the baseline."""
        return not self.active or (self.automation is not None and self.automation.is_silent)

    def matrix(self) -> npt.NDArray[np.float64]:
        """What h is multiplied by and shifted with at full alphas: the sum of alpha * eps * W_e, [dim, dim]."""
        total = np.zeros((self.vectors.dim, self.vectors.dim))
        for emotion, alpha in self.active.items():
            total += alpha * self.vectors.eps * self.vectors.weights[emotion].astype(np.float64)
        return total


def rotated(vectors: EmoVectors, seed: int) -> EmoVectors:
    """A random control of the same size at the same place: each W_e behind a random rotation of h.

    Singular values and the space it shifts within stay; what in h it answers to becomes arbitrary.
    """
    weights = {}
    for emotion, matrix in vectors.weights.items():
        draw = np.random.default_rng([seed, EMOTIONS.index(emotion)]).standard_normal(matrix.shape)
        orthogonal, triangle = np.linalg.qr(draw)
        # With the signs of the diagonal the rotation is drawn uniformly.
        turn = orthogonal * np.sign(np.diag(triangle))
        weights[emotion] = (turn @ matrix.astype(np.float64)).astype(np.float32)
    metadata = vectors.metadata | {"rotated": seed}
    return EmoVectors(vectors.dim, vectors.site, weights, vectors.eps, metadata)


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
