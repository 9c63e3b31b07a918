"""How often every gate was open: what selectors need of statistics, read without the rest of them and without torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from studio.emotions import in_order
from studio.esn import tensorfile
from studio.esn.errors import StatisticsError


@dataclass(frozen=True, eq=False)
class GateActivity:
    """``active`` int64 [N]: tokens with g > 0, layers of ``widths`` concatenated in order, of ``tokens`` counted.

    Raises StatisticsError when ``active`` is something else.
    """

    widths: tuple[int, ...]
    active: npt.NDArray[np.int64]
    tokens: int

    def __post_init__(self) -> None:
        require_vector("active", self.active, "int64", self.widths)

    @classmethod
    def sum(cls, parts: Iterable[GateActivity]) -> GateActivity:
        """All of ``parts`` together; raises StatisticsError when they cover other layers, ValueError for none."""
        parts = iter(parts)
        first = next(parts, None)
        if first is None:
            raise ValueError("There is nothing to sum.")
        active, tokens = first.active.copy(), first.tokens
        for part in parts:
            require_same(first.widths, part.widths)
            active += part.active
            tokens += part.tokens
        return cls(first.widths, active, tokens)

    def probability(self) -> npt.NDArray[np.float64]:
        """P = K / T (paper section 3.3.1), float64 [N]; zeros when no token was counted."""
        return self.active.astype(np.float64) / max(self.tokens, 1)


@dataclass(frozen=True, eq=False)
class EmotionActivity:
    """The activity of each emotion's success set, in the project's order; ``metadata`` as in the statistics file."""

    widths: tuple[int, ...]
    by_emotion: dict[str, GateActivity]
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part in self.by_emotion.values():
            require_same(self.widths, part.widths)

    @classmethod
    def load(cls, path: Path) -> EmotionActivity:
        """Read the counts of a statistics file and leave its moments alone; raises StatisticsError if damaged."""
        path = Path(path)
        arrays, widths, metadata = tensorfile.read(
            path, "statistics", StatisticsError, lambda name: name.startswith(("active.", "tokens."))
        )
        emotions = in_order(name.partition(".")[2] for name in arrays)
        if not any(emotions):
            raise StatisticsError(f"'{path}' is not a statistics file: it holds no 'active.<emotion>'.")
        by_emotion = {}
        for emotion in emotions:
            try:
                active, tokens = (part_of(arrays, part, emotion) for part in ("active", "tokens"))
                by_emotion[emotion] = replace(GateActivity(widths, active, 0), tokens=counted(active, tokens))
            except StatisticsError as problem:
                raise StatisticsError(f"'{path}' cannot be used: for {emotion}, {problem}") from problem
        return cls(widths, by_emotion, metadata)


class Vector(Protocol):
    """An array or a tensor."""

    @property
    def dtype(self) -> Any:
        """Kind of its numbers."""
        ...

    @property
    def shape(self) -> Any:
        """Its sizes."""
        ...


def part_of(arrays: Mapping[str, tensorfile.Array], part: str, emotion: str) -> tensorfile.Array:
    """The array ``<part>.<emotion>`` of a statistics file; raises StatisticsError when it is not there."""
    if f"{part}.{emotion}" not in arrays:
        raise StatisticsError(f"'{part}.{emotion}' is missing.")
    return arrays[f"{part}.{emotion}"]


def require_vector(name: str, value: Vector, dtype: str, widths: tuple[int, ...]) -> None:
    """Raise StatisticsError unless ``value`` holds one number of ``dtype`` for each neuron."""
    kind, neurons = str(value.dtype).removeprefix("torch."), sum(widths)
    if kind != dtype or tuple(value.shape) != (neurons,):
        raise StatisticsError(
            f"'{name}' is {kind} {list(value.shape)}; {len(widths)} layers with {neurons} neurons "
            f"need {dtype} [{neurons}]."
        )


def require_same(some: tuple[int, ...], others: tuple[int, ...]) -> None:
    """Raise StatisticsError unless both are the widths of the same layers."""
    if some != others:
        raise StatisticsError(
            f"Statistics over layers of widths {brief(some)} and {brief(others)} cannot be merged; "
            "both must come from the same model and module."
        )


def counted(active: npt.NDArray[np.int64], tokens: tensorfile.Array) -> int:
    """The number in ``tokens`` int64 [1], of which ``active`` must be counts; raises StatisticsError if not."""
    if tokens.dtype != np.int64 or tokens.shape != (1,):
        raise StatisticsError(f"'tokens' is {tokens.dtype} {list(tokens.shape)} instead of int64 [1].")
    number = int(tokens[0])
    if number < 0:
        raise StatisticsError(f"the number of tokens is {number}.")
    lowest, highest = int(active.min()), int(active.max())
    if lowest < 0:
        raise StatisticsError(f"a neuron is active in {lowest} tokens.")
    if highest > number:
        raise StatisticsError(f"a neuron is active in {highest} of {number} tokens.")
    return number


def brief(widths: tuple[int, ...]) -> str:
    """Layer widths in a few words."""
    return f"{len(widths)} x {widths[0]}" if len(set(widths)) == 1 else str(list(widths))
