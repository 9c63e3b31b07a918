"""Streaming, mergeable gate statistics: K and T of the paper's eqs. 2-3, and the moments beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import torch

from studio import atomic
from studio.emotions import in_order
from studio.esn import tensorfile
from studio.esn.activity import brief, counted, part_of, require_same, require_vector
from studio.esn.errors import StatisticsError

_IDENTITY_KEYS = ("model_id", "model_revision", "config_digest", "module")
_PARTS = ("active", "sum", "sumsq", "tokens")


@dataclass(frozen=True, eq=False)
class GateStatistics:
    """Counts and moments of every gate over a number of tokens.

    ``widths``: neurons per layer, N their sum. ``active`` int64 [N]: tokens with g > 0; ``total`` and ``total_sq``
    float64 [N]: sums of g and of g squared; ``tokens``: positions counted, prompt and generated alike, padding never.
    Layers are concatenated in order. Merging is associative and commutative (moments up to rounding), so conversions
    can be counted one by one, in any grouping, on any machine. Raises StatisticsError when a tensor does not fit.
    """

    widths: tuple[int, ...]
    active: torch.Tensor
    total: torch.Tensor
    total_sq: torch.Tensor
    tokens: int

    def __post_init__(self) -> None:
        for name, dtype in (("active", "int64"), ("total", "float64"), ("total_sq", "float64")):
            require_vector(name, getattr(self, name), dtype, self.widths)

    @classmethod
    def zeros(cls, widths: Iterable[int]) -> GateStatistics:
        """Nothing counted yet."""
        widths = tuple(widths)
        neurons = sum(widths)
        moments = torch.zeros(2, neurons, dtype=torch.float64)
        return cls(widths, torch.zeros(neurons, dtype=torch.int64), moments[0], moments[1], 0)

    def merge(self, other: GateStatistics) -> GateStatistics:
        """The statistics of both sets of tokens together."""
        return GateStatistics.sum((self, other))

    @classmethod
    def sum(cls, parts: Iterable[GateStatistics]) -> GateStatistics:
        """All of ``parts`` merged in their order, in the memory of two; raises as ``merge`` does, ValueError for none.

        Adding further parts to a sum gives what one sum over all of them gives, bit for bit.
        """
        parts = iter(parts)
        first = next(parts, None)
        if first is None:
            raise ValueError("There is nothing to sum.")
        active, total, total_sq = first.active.clone(), first.total.clone(), first.total_sq.clone()
        tokens = first.tokens
        for part in parts:
            require_same(first.widths, part.widths)
            active += part.active
            total += part.total
            total_sq += part.total_sq
            tokens += part.tokens
        return cls(first.widths, active, total, total_sq, tokens)

    def __add__(self, other: GateStatistics) -> GateStatistics:
        return self.merge(other)

    def probability(self) -> torch.Tensor:
        """P = K / T (paper section 3.3.1), float64 [N]; zeros when no token was counted."""
        return self.active.to(torch.float64) / max(self.tokens, 1)


@dataclass(frozen=True, eq=False)
class EmotionStatistics:
    """Gate statistics of each emotion's success set, with what they were taken from.

    ``metadata`` is JSON-able and follows DESIGN's list (model_id, module, cap, wer_threshold, judge,
    success_counts, ...); statistics of foreign tools may leave it empty. Emotions keep the project's order.
    """

    widths: tuple[int, ...]
    by_emotion: dict[str, GateStatistics]
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for emotion, statistics in self.by_emotion.items():
            if statistics.widths != self.widths:
                raise StatisticsError(
                    f"The statistics of {emotion} cover layers of widths {brief(statistics.widths)}, "
                    f"not {brief(self.widths)} as the others."
                )
        object.__setattr__(self, "by_emotion", {emotion: self.by_emotion[emotion] for emotion in self.emotions})

    @property
    def emotions(self) -> tuple[str, ...]:
        """Emotions present: the five in their order, others after them by name."""
        return in_order(self.by_emotion)

    def merge(self, other: EmotionStatistics) -> EmotionStatistics:
        """Both sets of successes together.

        Success counts add up, the cap no longer holds, other metadata is kept where both agree. Raises
        StatisticsError when the two come from different models or modules.
        """
        require_same(self.widths, other.widths)
        for key in _IDENTITY_KEYS:
            mine, theirs = self.metadata.get(key), other.metadata.get(key)
            if mine is not None and theirs is not None and mine != theirs:
                raise StatisticsError(
                    f"Statistics of different models cannot be merged: {key} is {mine!r} here, {theirs!r} there."
                )
        merged = {
            emotion: GateStatistics.sum(
                part.by_emotion[emotion] for part in (self, other) if emotion in part.by_emotion
            )
            for emotion in {**self.by_emotion, **other.by_emotion}
        }
        return EmotionStatistics(self.widths, merged, _merge_metadata(self.metadata, other.metadata))

    def save(self, path: Path) -> None:
        """Write a ``*.stats.safetensors`` file atomically; raises StudioError when it cannot be written."""
        arrays: dict[str, tensorfile.Array] = {}
        for emotion, statistics in self.by_emotion.items():
            arrays[f"active.{emotion}"] = statistics.active.cpu().numpy()
            arrays[f"sum.{emotion}"] = statistics.total.cpu().numpy()
            arrays[f"sumsq.{emotion}"] = statistics.total_sq.cpu().numpy()
            arrays[f"tokens.{emotion}"] = np.array([statistics.tokens], dtype=np.int64)
        data = tensorfile.to_bytes(arrays, {**self.metadata, "widths": list(self.widths)})
        atomic.write_bytes(Path(path), data)

    @classmethod
    def load(cls, path: Path) -> EmotionStatistics:
        """Read a statistics file of this or any other tool; raises StatisticsError saying what is wrong with it."""
        path = Path(path)
        arrays, widths, metadata = tensorfile.read(path, "statistics", StatisticsError)
        named = [name.partition(".") for name in arrays]
        emotions = in_order(emotion for part, _, emotion in named if part in _PARTS and emotion)
        if not emotions:
            raise StatisticsError(f"'{path}' is not a statistics file: it holds no 'active.<emotion>'.")
        by_emotion = {}
        for emotion in emotions:
            try:
                by_emotion[emotion] = _from_arrays(arrays, emotion, widths)
            except StatisticsError as problem:
                raise StatisticsError(f"'{path}' cannot be used: for {emotion}, {problem}") from problem
        return cls(widths, by_emotion, metadata)


def _from_arrays(arrays: Mapping[str, tensorfile.Array], emotion: str, widths: tuple[int, ...]) -> GateStatistics:
    active, total, total_sq, tokens = (part_of(arrays, part, emotion) for part in _PARTS)
    statistics = GateStatistics(
        widths, torch.from_numpy(active), torch.from_numpy(total), torch.from_numpy(total_sq), tokens=0
    )
    if not (np.isfinite(total).all() and np.isfinite(total_sq).all()):
        raise StatisticsError("a sum is not a finite number.")
    if (total_sq < 0).any():
        raise StatisticsError("a sum of squares is negative.")
    return replace(statistics, tokens=counted(active, tokens))


def _merge_metadata(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    # Two capped sets together are no longer capped.
    merged = {key: value for key, value in mine.items() if key != "cap" and key in theirs and theirs[key] == value}
    first, second = mine.get("success_counts"), theirs.get("success_counts")
    if _is_counts(first) and _is_counts(second):
        merged["success_counts"] = {
            emotion: first.get(emotion, 0) + second.get(emotion, 0) for emotion in in_order([*first, *second])
        }
    return merged


def _is_counts(value: object) -> TypeGuard[dict[str, int]]:
    return isinstance(value, dict) and all(type(count) is int for count in value.values())
