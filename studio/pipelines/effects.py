"""What steering did, from rows of single conversions: match rates and paired changes (METHOD.md, section 5)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from studio.judges.content import WordErrors

BASELINE, SELF, CROSS, RANDOM, DEACTIVATE = "baseline", "self", "cross", "random", "deactivate"

_Z95 = 1.959963984540054


@dataclass(frozen=True)
class Condition:
    """How conversions are steered: ``kind`` and strength.

    A condition may have variants whose rows are averaged: cross-effects one per mask emotion, random controls one per
    seed.
    """

    kind: str
    strength: float = 0.0

    @property
    def name(self) -> str:
        """For tables and keys."""
        return self.kind if self.kind in (BASELINE, DEACTIVATE) else f"{self.kind} {self.strength:g}"


@dataclass(frozen=True)
class Row:
    """One conversion of ``utterance`` to ``target`` as the judge heard it.

    ``matched``: the judge said the target; ``probability``: what it gave the target; ``text``: errors in the emitted
    text; ``heard``: errors in what a recogniser heard, None without one; ``measures``: whatever else was measured.
    """

    utterance: str
    target: str
    condition: Condition
    variant: str
    matched: bool
    probability: float
    text: WordErrors
    heard: WordErrors | None = None
    measures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """One condition for one target, or averaged over targets.

    ``match``: match rate in percent, ``low`` and ``high`` its 95 % Wilson interval where it is a plain proportion;
    ``change``: against the baseline of the same utterances, in points, ``error`` its standard error over utterances;
    ``probability`` and ``probability_change``: the judge's for the target, 0..1; ``wer`` and ``heard_wer``: percent of
    all words; ``measures``: means. None where something is not known.
    """

    utterances: int
    match: float
    low: float | None
    high: float | None
    change: float
    error: float | None
    probability: float
    probability_change: float
    wer: float
    heard_wer: float | None
    measures: dict[str, float]


@dataclass(frozen=True)
class Effect:
    """A condition's cells: per target, averaged over targets, and the mean change in points of each variant."""

    condition: Condition
    targets: dict[str, Cell]
    mean: Cell
    variants: dict[str, float]


def effects(rows: Sequence[Row]) -> list[Effect]:
    """Every condition among ``rows`` against the baseline, in order of first appearance."""
    baseline = _table([row for row in rows if row.condition.kind == BASELINE])
    by_condition: dict[Condition, list[Row]] = {}
    for row in rows:
        by_condition.setdefault(row.condition, []).append(row)
    return [_effect(condition, own, baseline) for condition, own in by_condition.items()]


def matrix(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Mean change in points by mask emotion, then target: the rows' variants are mask emotions."""
    baseline = _table([row for row in rows if row.condition.kind == BASELINE])
    cells: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        if row.condition.kind in (SELF, CROSS):
            change = 100.0 * (row.matched - baseline[row.utterance, row.target][0])
            cells.setdefault(row.variant, {}).setdefault(row.target, []).append(change)
    return {
        mask: {target: float(np.mean(changes)) for target, changes in targets.items()}
        for mask, targets in cells.items()
    }


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95 % score interval of a proportion (Wilson, 1927), 0..1; the whole range when nothing was tried."""
    if trials == 0:
        return 0.0, 1.0
    share, spread = successes / trials, _Z95**2 / trials
    middle = share + spread / 2
    reach = _Z95 * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return max(0.0, (middle - reach) / (1 + spread)), min(1.0, (middle + reach) / (1 + spread))


_Values = dict[tuple[str, str], tuple[float, float]]
"""(utterance, target) -> match and probability, averaged over variants."""


def _table(rows: Iterable[Row]) -> _Values:
    gathered: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in rows:
        gathered.setdefault((row.utterance, row.target), []).append((float(row.matched), row.probability))
    return {
        place: (float(np.mean([m for m, _ in v])), float(np.mean([p for _, p in v]))) for place, v in gathered.items()
    }


def _effect(condition: Condition, rows: Sequence[Row], baseline: _Values) -> Effect:
    by_target: dict[str, list[Row]] = {}
    by_variant: dict[str, list[Row]] = {}
    for row in rows:
        by_target.setdefault(row.target, []).append(row)
        by_variant.setdefault(row.variant, []).append(row)
    targets = {target: _cell(own, baseline) for target, own in by_target.items()}
    variants = {variant: _cell(own, baseline).change for variant, own in by_variant.items() if variant}
    return Effect(condition, targets, _cell(rows, baseline), variants)


def _cell(rows: Sequence[Row], baseline: _Values) -> Cell:
    """Averages over targets give every target the same weight; errors are over utterances, the unit that was drawn."""
    values = _table(rows)
    targets = sorted({target for _, target in values})
    utterances = sorted({utterance for utterance, _ in values})

    def mean(pick: Mapping[tuple[str, str], float]) -> float:
        return float(np.mean([np.mean([pick[place] for place in pick if place[1] == target]) for target in targets]))

    match = {place: 100.0 * value[0] for place, value in values.items()}
    change = {place: match[place] - 100.0 * baseline[place][0] for place in values}
    by_utterance = [
        float(np.mean([change[place] for place in ((utterance, target) for target in targets) if place in change]))
        for utterance in utterances
    ]
    count = len(by_utterance)
    error = float(np.std(by_utterance, ddof=1) / math.sqrt(count)) if count > 1 else None
    plain = len(targets) == 1 and len(rows) == len(values)
    low, high = wilson(sum(row.matched for row in rows), len(rows)) if plain else (None, None)
    heard = [row.heard for row in rows if row.heard is not None]
    names = sorted({name for row in rows for name in row.measures})
    return Cell(
        utterances=count,
        match=mean(match),
        low=None if low is None else 100.0 * low,
        high=None if high is None else 100.0 * high,
        change=mean(change),
        error=error,
        probability=mean({place: value[1] for place, value in values.items()}),
        probability_change=mean({place: value[1] - baseline[place][1] for place, value in values.items()}),
        wer=_rate([row.text for row in rows]),
        heard_wer=_rate(heard) if heard else None,
        measures={name: float(np.mean([row.measures[name] for row in rows if name in row.measures])) for name in names},
    )


def _rate(errors: Sequence[WordErrors]) -> float:
    return 100.0 * sum(errors, WordErrors(0, 0)).rate
