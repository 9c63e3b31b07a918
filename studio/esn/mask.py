"""ESN masks: which neurons carry which emotion; files, layer histograms, overlap."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from studio import atomic
from studio.emotions import in_order
from studio.esn import tensorfile
from studio.esn.errors import MaskError

HUMAN = "human"
"""The judge named in masks whose successes were chosen by people."""


@dataclass(frozen=True, eq=False)
class EsnMask:
    """Per emotion, the set of selected neurons.

    Plain numpy, so that masks are made, shown and compared without torch, which takes a second to import.

    ``widths``: neurons per layer. ``indices[emotion]`` int32 [n, 2] of (layer, neuron), sorted, each pair once;
    ``scores[emotion]`` float32 [n], what the selector ranked them by (zeros for random); tensors are taken too.
    ``metadata`` is JSON-able: where the mask comes from. Raises MaskError when an array cannot be a selection of those
    layers.
    """

    widths: tuple[int, ...]
    indices: dict[str, npt.NDArray[np.int32]]
    scores: dict[str, npt.NDArray[np.float32]]
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.indices:
            raise MaskError("The mask holds no emotion.")
        if set(self.indices) != set(self.scores):
            odd = ", ".join(in_order(set(self.indices) ^ set(self.scores)))
            raise MaskError(f"The mask holds only one of indices and scores for {odd}.")
        order = in_order(self.indices)
        object.__setattr__(self, "indices", {emotion: np.asarray(self.indices[emotion]) for emotion in order})
        object.__setattr__(self, "scores", {emotion: np.asarray(self.scores[emotion]) for emotion in order})
        for emotion in order:
            problem = _problem(self.indices[emotion], self.scores[emotion], self.widths)
            if problem:
                raise MaskError(f"The mask's neurons for {emotion} cannot be used: {problem}.")

    @property
    def emotions(self) -> tuple[str, ...]:
        """Emotions the mask has neurons for, in the project's order."""
        return tuple(self.indices)

    @property
    def method(self) -> str:
        """What the field calls the way it was made: CAS, MAD, ...; CAS-H when people chose the successes."""
        return method_name(self.metadata)

    def count(self, emotion: str) -> int:
        """How many neurons are selected for ``emotion`` (0 when the mask does not hold it)."""
        return len(self.indices[emotion]) if emotion in self.indices else 0

    def histogram(self, emotion: str) -> npt.NDArray[np.int64]:
        """Selected neurons per layer, int64 [layers]."""
        if emotion not in self.indices:
            return np.zeros(len(self.widths), dtype=np.int64)
        return np.bincount(self.indices[emotion][:, 0], minlength=len(self.widths)).astype(np.int64)

    def flat(self, emotion: str) -> npt.NDArray[np.int64]:
        """Positions in the concatenation of all layers, int64 [n], ascending."""
        offsets = np.cumsum([0, *self.widths[:-1]], dtype=np.int64)
        layer, neuron = self.indices[emotion].T
        return np.asarray(offsets[layer] + neuron)

    def check_fits(self, model_id: str, module: str, widths: tuple[int, ...]) -> None:
        """Raise MaskError, saying what differs, unless the mask was made for this model's module.

        A mask of a foreign tool that names neither model nor module is held to the widths alone.
        """
        if self.widths != tuple(widths):
            raise MaskError(
                f"The mask covers {_layers(self.widths)}, but the {module} module of {model_id} has "
                f"{_layers(tuple(widths))}; choose a mask made for this model."
            )
        for name, mine, theirs in (
            ("model", self.metadata.get("model_id"), model_id),
            ("module", self.metadata.get("module"), module),
        ):
            if mine is not None and mine != theirs:
                raise MaskError(f"The mask was made for the {name} {mine}, not for {theirs}; choose another mask.")

    def to_bytes(self) -> bytes:
        """The mask as a file; the same mask gives the same bytes."""
        arrays: dict[str, tensorfile.Array] = {f"indices.{emotion}": value for emotion, value in self.indices.items()}
        arrays |= {f"scores.{emotion}": value for emotion, value in self.scores.items()}
        return tensorfile.to_bytes(arrays, {**self.metadata, "widths": list(self.widths)})

    def save(self, path: Path) -> None:
        """Write a ``*.esn.safetensors`` file atomically; raises StudioError when it cannot be written."""
        atomic.write_bytes(Path(path), self.to_bytes())

    def fingerprint(self) -> str:
        """SHA-256, as hex, of the file ``save`` writes."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @classmethod
    def load(cls, path: Path) -> EsnMask:
        """Read a mask file; raises MaskError saying what is wrong with it."""
        path = Path(path)
        arrays, widths, metadata = tensorfile.read(path, "mask", MaskError)
        parts: dict[str, dict[str, tensorfile.Array]] = {"indices": {}, "scores": {}}
        for name, value in arrays.items():
            part, _, emotion = name.partition(".")
            if part in parts and emotion:
                parts[part][emotion] = value
        try:
            return cls(widths, parts["indices"], parts["scores"], metadata)
        except MaskError as problem:
            raise MaskError(f"'{path}' cannot be used: {problem}") from problem


def method_name(metadata: Mapping[str, Any]) -> str:
    """As ``EsnMask.method``, from a mask's metadata alone; empty when they do not say."""
    selector = str(metadata.get("selector") or "")
    if selector.lower() == "random":  # draws from all neurons, whoever chose the successes
        return "Random"
    return f"{selector.upper()}-H" if selector and metadata.get("judge") == HUMAN else selector.upper()


@dataclass(frozen=True)
class Overlap:
    """How alike two masks are for one emotion (METHOD section 5; paper table 5).

    ``jaccard``: shared neurons over neurons in either. ``direct_match``: share of the first mask's neurons that the
    second has too. ``jsd``: Jensen-Shannon divergence of the two layer histograms in bits (logarithm to base 2), 0 for
    equal, 1 for disjoint layers. Two empty sets are alike (1, 1, 0); an empty one and another are not (0, 0, 1).
    """

    jaccard: float
    direct_match: float
    jsd: float


def compare(a: EsnMask, b: EsnMask) -> dict[str, Overlap]:
    """Overlap per emotion that both masks hold; raises MaskError when their layers differ or none is shared."""
    if a.widths != b.widths:
        raise MaskError(f"The masks cannot be compared: one covers {_layers(a.widths)}, the other {_layers(b.widths)}.")
    shared = [emotion for emotion in a.emotions if emotion in b.indices]
    if not shared:
        raise MaskError(
            f"The masks cannot be compared: they share no emotion ({', '.join(a.emotions)} in one, "
            f"{', '.join(b.emotions)} in the other)."
        )
    return {emotion: _overlap(a, b, emotion) for emotion in shared}


def average(overlaps: Mapping[str, Overlap]) -> Overlap:
    """Mean over emotions."""
    values = np.array([(each.jaccard, each.direct_match, each.jsd) for each in overlaps.values()]).mean(axis=0)
    return Overlap(*(float(value) for value in values))


def jensen_shannon(p: npt.NDArray[np.int64], q: npt.NDArray[np.int64]) -> float:
    """Jensen-Shannon divergence of two histograms, in bits, 0..1."""
    if not p.sum() or not q.sum():
        return float(bool(p.sum()) != bool(q.sum()))
    shares = np.stack([p / p.sum(), q / q.sum()])
    middle = shares.mean(axis=0)
    logs = np.log2(np.divide(shares, middle, out=np.ones_like(shares), where=shares > 0))
    return min(1.0, max(0.0, float((shares * logs).sum() / 2)))


def _overlap(a: EsnMask, b: EsnMask, emotion: str) -> Overlap:
    first, second = a.flat(emotion), b.flat(emotion)
    common = len(np.intersect1d(first, second, assume_unique=True))
    either = len(first) + len(second) - common
    direct = common / len(first) if len(first) else float(not len(second))
    jsd = jensen_shannon(a.histogram(emotion), b.histogram(emotion))
    return Overlap(common / either if either else 1.0, direct, jsd)


def _problem(indices: tensorfile.Array, scores: tensorfile.Array, widths: tuple[int, ...]) -> str | None:
    if indices.dtype != np.int32 or indices.ndim != 2 or indices.shape[1] != 2:
        return f"indices are {indices.dtype} {list(indices.shape)} instead of int32 [n, 2]"
    if scores.dtype != np.float32 or scores.shape != indices.shape[:1]:
        return f"scores are {scores.dtype} {list(scores.shape)} instead of float32 [{len(indices)}]"
    if not len(indices):
        return None
    layer, neuron = indices.astype(np.int64).T
    if layer.min() < 0 or layer.max() >= len(widths):
        worst = layer.min() if layer.min() < 0 else layer.max()
        return f"there is no layer {worst} among {len(widths)} layers (0 to {len(widths) - 1})"
    outside = (neuron < 0) | (neuron >= np.array(widths)[layer])
    if outside.any():
        at = int(outside.argmax())
        width = widths[layer[at]]
        return f"layer {layer[at]} has no neuron {neuron[at]} (it has {width}, 0 to {width - 1})"
    position = layer * max(widths) + neuron
    if (np.diff(position) <= 0).any():
        return "they are not sorted by layer and neuron, or some appear twice"
    if not np.isfinite(scores).all():
        return "a score is not a finite number"
    return None


def _layers(widths: tuple[int, ...]) -> str:
    if len(set(widths)) == 1:
        return f"{len(widths)} layers of {widths[0]} neurons"
    return f"layers of {', '.join(map(str, widths))} neurons"
