"""Streaming, mergeable gate statistics: K and T of the paper's eqs. 2-3, and the moments beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

import torch

from studio import atomic
from studio.emotions import EMOTIONS
from studio.esn import tensorfile
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
        neurons = sum(self.widths)
        for name, dtype in (("active", torch.int64), ("total", torch.float64), ("total_sq", torch.float64)):
            value = getattr(self, name)
            if value.dtype != dtype or value.shape != (neurons,):
                raise StatisticsError(
                    f"'{name}' is {_kind(value)}; {len(self.widths)} layers with {neurons} neurons "
                    f"need {_kind_name(dtype)} [{neurons}]."
                )

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
            first._require_same(part)
            active += part.active
            total += part.total
            total_sq += part.total_sq
            tokens += part.tokens
        return cls(first.widths, active, total, total_sq, tokens)

    def __add__(self, other: GateStatistics) -> GateStatistics:
        return self.merge(other)

    def _require_same(self, other: GateStatistics) -> None:
        if self.widths != other.widths:
            raise StatisticsError(
                f"Statistics over layers of widths {_brief(self.widths)} and {_brief(other.widths)} cannot be merged; "
                "both must come from the same model and module."
            )

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
                    f"The statistics of {emotion} cover layers of widths {_brief(statistics.widths)}, "
                    f"not {_brief(self.widths)} as the others."
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
        if self.widths != other.widths:
            raise StatisticsError(
                f"Statistics over layers of widths {_brief(self.widths)} and {_brief(other.widths)} cannot be merged; "
                "both must come from the same model and module."
            )
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
        tensors: dict[str, torch.Tensor] = {}
        for emotion, statistics in self.by_emotion.items():
            tensors[f"active.{emotion}"] = statistics.active
            tensors[f"sum.{emotion}"] = statistics.total
            tensors[f"sumsq.{emotion}"] = statistics.total_sq
            tensors[f"tokens.{emotion}"] = torch.tensor([statistics.tokens], dtype=torch.int64)
        data = tensorfile.to_bytes(tensors, {**self.metadata, "widths": list(self.widths)})
        atomic.write_bytes(Path(path), data)

    @classmethod
    def load(cls, path: Path) -> EmotionStatistics:
        """Read a statistics file of this or any other tool; raises StatisticsError saying what is wrong with it."""
        path = Path(path)
        tensors, widths, metadata = tensorfile.read(path, "statistics", StatisticsError)
        named = [name.partition(".") for name in tensors]
        emotions = in_order(emotion for part, _, emotion in named if part in _PARTS and emotion)
        if not emotions:
            raise StatisticsError(f"'{path}' is not a statistics file: it holds no 'active.<emotion>'.")
        by_emotion = {}
        for emotion in emotions:
            try:
                by_emotion[emotion] = _from_tensors(tensors, emotion, widths)
            except StatisticsError as problem:
                raise StatisticsError(f"'{path}' cannot be used: for {emotion}, {problem}") from problem
        return cls(widths, by_emotion, metadata)


def in_order(emotions: Iterable[str]) -> tuple[str, ...]:
    """Names in the project's order of emotions, unknown ones after them by name, each once."""
    names = set(emotions)
    return (*(emotion for emotion in EMOTIONS if emotion in names), *sorted(names - set(EMOTIONS)))


def _from_tensors(tensors: Mapping[str, torch.Tensor], emotion: str, widths: tuple[int, ...]) -> GateStatistics:
    parts = {}
    for name in _PARTS:
        if f"{name}.{emotion}" not in tensors:
            raise StatisticsError(f"'{name}.{emotion}' is missing.")
        parts[name] = tensors[f"{name}.{emotion}"]
    if parts["tokens"].dtype != torch.int64 or parts["tokens"].shape != (1,):
        raise StatisticsError(f"'tokens' is {_kind(parts['tokens'])} instead of int64 [1].")
    tokens = int(parts["tokens"][0])
    statistics = GateStatistics(widths, parts["active"], parts["sum"], parts["sumsq"], tokens)
    if tokens < 0:
        raise StatisticsError(f"the number of tokens is {tokens}.")
    lowest, highest = (int(value) for value in statistics.active.aminmax())
    if lowest < 0:
        raise StatisticsError(f"a neuron is active in {lowest} tokens.")
    if highest > tokens:
        raise StatisticsError(f"a neuron is active in {highest} of {tokens} tokens.")
    if not (statistics.total.isfinite().all() and statistics.total_sq.isfinite().all()):
        raise StatisticsError("a sum is not a finite number.")
    if bool((statistics.total_sq < 0).any()):
        raise StatisticsError("a sum of squares is negative.")
    return statistics


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


def _kind(value: torch.Tensor) -> str:
    return f"{_kind_name(value.dtype)} {list(value.shape)}"


def _kind_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _brief(widths: tuple[int, ...]) -> str:
    return f"{len(widths)} x {widths[0]}" if len(set(widths)) == 1 else str(list(widths))
