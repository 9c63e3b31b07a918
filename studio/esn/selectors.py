"""The five neuron selectors: statistics in, mask out (paper section 3.3.2)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal, InvalidOperation, localcontext
from enum import StrEnum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from studio import __version__
from studio.emotions import EMOTIONS, TARGETS, in_order
from studio.errors import StudioError
from studio.esn.errors import StatisticsError
from studio.esn.mask import EsnMask

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

DEFAULT_RATE = 0.005
DEFAULT_PERCENTILE = 95.0
CANDIDATE_FACTOR = 5
"""LAPE's candidate pool is this many times the selection rate."""

_CARRIED = (
    "model_id",
    "model_revision",
    "config_digest",
    "module",
    "cap",
    "wer_threshold",
    "judge",
    "corpus_fingerprint",
    "split",
    "success_counts",
    "date",
)
_ENTROPY_DECIMALS = 12


class Counts(Protocol):
    """One emotion's counts; ``GateStatistics`` and ``GateActivity`` have them."""

    @property
    def tokens(self) -> int:
        """Positions counted."""
        ...

    def probability(self) -> npt.ArrayLike:
        """P = K / T, float64 [N]."""
        ...


class Evidence(Protocol):
    """What neurons are selected by; ``EmotionStatistics`` and ``EmotionActivity`` are."""

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons per layer."""
        ...

    @property
    def by_emotion(self) -> Mapping[str, Counts]:
        """The counts of each emotion."""
        ...

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Where they come from."""
        ...


class Selector(StrEnum):
    """How neurons are ranked: by P, entropy of P, deviation from the mean, contrastive margin, or not at all."""

    LAP = "lap"
    LAPE = "lape"
    MAD = "mad"
    CAS = "cas"
    RANDOM = "random"


def selection_count(rate: float | str | Decimal, n: int) -> int:
    """floor(rate * n) of the decimal number as written: 0.29 of 100 is 29, whatever binary floats say.

    Raises StudioError unless 0 < rate <= 1.
    """
    return _share(_decimal(rate), n)


def select(
    stats: Evidence,
    selector: Selector,
    rate: float | str | Decimal = DEFAULT_RATE,
    *,
    seed: int = 0,
    percentile: float = DEFAULT_PERCENTILE,
    compare: Sequence[str] | None = None,
    layer_counts: Mapping[str, Sequence[int]] | None = None,
) -> EsnMask:
    """Select floor(rate * N) neurons for each emotion of the compare set that has successes.

    ``compare``: the emotions selectors compare over and select for; the four targets unless said otherwise. Those
    without tokens drop out, which the mask's ``notes`` say. ``percentile``: LAPE's threshold over all P. ``seed`` and
    ``layer_counts`` (emotion -> neurons per layer) shape random draws only: with counts given, random draws that many
    in each layer instead of ``rate`` over all. The mask depends on nothing else, not even the time: equal statistics
    and settings give equal files. Ties break by (layer, neuron).
    Raises StudioError for settings that select nothing, StatisticsError when no emotion has successes.
    """
    selector = Selector(selector)
    if layer_counts is not None and selector is not Selector.RANDOM:
        raise StudioError(f"Counts per layer shape random masks only, not {selector} masks.")
    if not 0 <= percentile <= 100:
        raise StudioError(f"The percentile must lie between 0 and 100; it is {percentile}.")
    share, neurons = _decimal(rate), sum(stats.widths)
    count = _share(share, neurons)
    if count == 0 and layer_counts is None:
        raise StudioError(f"A rate of {rate} selects no neuron of {neurons}; use at least {1 / neurons:.2g}.")
    emotions, notes = _compare_set(stats, compare)

    settings: dict[str, Any] = {
        "selector": str(selector),
        "rate": float(share) if layer_counts is None else None,
        "compare": list(emotions),
        "seed": seed if selector is Selector.RANDOM else stats.metadata.get("seed", seed),
        "tool_version": __version__,
    }
    if selector is Selector.RANDOM:
        settings["layer_matched"] = layer_counts is not None
        chosen = {emotion: _draw(emotion, seed, count, stats.widths, layer_counts) for emotion in emotions}
        scores = dict.fromkeys(emotions, np.zeros(neurons))
    else:
        probability = np.stack([np.asarray(stats.by_emotion[emotion].probability()) for emotion in emotions])
        if selector is Selector.LAPE:
            threshold = float(np.percentile(probability, percentile))
            settings |= {"percentile": float(percentile), "threshold": threshold}
            rows = lape_scores(probability, threshold, _share(min(Decimal(1), CANDIDATE_FACTOR * share), neurons))
        else:
            rows = _SCORES[selector](probability)
        scores = dict(zip(emotions, rows, strict=True))
        chosen = {emotion: top(scores[emotion], count) for emotion in emotions}
        notes += _shortcomings(selector, {emotion: len(flat) for emotion, flat in chosen.items()}, count)
    return EsnMask(
        stats.widths,
        {emotion: _pairs(flat, stats.widths) for emotion, flat in chosen.items()},
        {emotion: scores[emotion][flat].astype(np.float32) for emotion, flat in chosen.items()},
        {key: stats.metadata.get(key) for key in _CARRIED} | {"percentile": None} | settings | {"notes": notes},
    )


def lap_scores(probability: FloatArray) -> FloatArray:
    """LAP: the activation probability itself; float64 [E, N] in and out."""
    return probability


def mad_scores(probability: FloatArray) -> FloatArray:
    """MAD: absolute deviation from the mean over emotions (eq. 4); float64 [E, N] in and out."""
    return np.abs(probability - _sum(probability) / len(probability))


def cas_scores(probability: FloatArray) -> FloatArray:
    """CAS: largest minus second-largest P, counted for the (first) emotion with the largest; -inf for the others.

    float64 [E, N] in and out. With a single emotion the absent rival counts as never active, so the margin is P.
    """
    best = probability.argmax(axis=0)
    columns = np.arange(probability.shape[1])
    rivals = probability.copy()
    rivals[best, columns] = -np.inf if len(probability) > 1 else 0.0
    scores = np.full_like(probability, -np.inf)
    scores[best, columns] = probability[best, columns] - rivals.max(axis=0)
    return scores


def lape_scores(probability: FloatArray, threshold: float, candidates: int) -> FloatArray:
    """LAPE: P of the ``candidates`` lowest-entropy neurons whose P exceeds ``threshold`` somewhere; -inf for the rest.

    float64 [E, N] in and out. A neuron never active has no entropy and is never a candidate.
    """
    kept = np.flatnonzero((probability > threshold).any(axis=0) & (probability > 0).any(axis=0))
    share = probability[:, kept] / _sum(probability[:, kept])
    terms = share * np.log(share, out=np.zeros_like(share), where=share > 0)
    # Rounded, so that neurons whose entropies are equal tie, in whatever order their emotions were summed.
    entropy = np.round(-_sum(terms), _ENTROPY_DECIMALS)
    pool = kept[top(-entropy, candidates)]
    scores = np.full_like(probability, -np.inf)
    scores[:, pool] = probability[:, pool]
    return scores


_SCORES = {Selector.LAP: lap_scores, Selector.MAD: mad_scores, Selector.CAS: cas_scores}


def top(scores: FloatArray, count: int) -> IntArray:
    """Positions of the ``count`` largest finite scores, ascending; of equal scores the earlier positions win."""
    finite = np.flatnonzero(scores > -np.inf)
    if count >= len(finite):
        return finite
    values = scores[finite]
    limit = np.partition(values, len(values) - count)[len(values) - count]
    above = finite[values > limit]
    return np.sort(np.concatenate([above, finite[values == limit][: count - len(above)]]))


def _sum(rows: FloatArray) -> FloatArray:
    """Row after row: the same rounding on every machine."""
    total: FloatArray = rows[0].copy()
    for row in rows[1:]:
        total += row
    return total


def _compare_set(stats: Evidence, compare: Sequence[str] | None) -> tuple[tuple[str, ...], list[str]]:
    wanted = in_order(TARGETS if compare is None else compare)
    unknown = [emotion for emotion in wanted if emotion not in EMOTIONS and emotion not in stats.by_emotion]
    if unknown or not wanted:
        raise StudioError(
            f"The compare set must name emotions of {', '.join(EMOTIONS)}; it names {', '.join(unknown) or 'none'}."
        )
    present = tuple(e for e in wanted if e in stats.by_emotion and stats.by_emotion[e].tokens > 0)
    if not present:
        raise StatisticsError(f"None of {', '.join(wanted)} has successes in these statistics: nothing to select from.")
    return present, [f"{emotion}: no successes, so it has no mask." for emotion in wanted if emotion not in present]


def _shortcomings(selector: Selector, counts: Mapping[str, int], wanted: int) -> list[str]:
    found = [
        f"{emotion}: only {count} of {wanted} neurons could be ranked, so its mask is smaller."
        for emotion, count in counts.items()
        if count < wanted
    ]
    if len(counts) == 1 and selector is not Selector.LAP:
        found.append(f"Only {next(iter(counts))} has successes: {selector} had no other emotion to compare it with.")
    return found


def _draw(
    emotion: str, seed: int, count: int, widths: tuple[int, ...], layer_counts: Mapping[str, Sequence[int]] | None
) -> IntArray:
    """Uniform without replacement: the neurons with the smallest of N random keys, drawn per emotion.

    Raw 64-bit keys, because numpy keeps bit streams, but not its ``choice``, the same across versions.
    """
    code = EMOTIONS.index(emotion) if emotion in EMOTIONS else int.from_bytes(emotion.encode()) + len(EMOTIONS)
    if seed < 0:
        raise StudioError(f"The seed must not be negative; it is {seed}.")
    neurons = sum(widths)
    keys = np.random.PCG64(np.random.SeedSequence([seed, code])).random_raw(neurons)
    if layer_counts is None:
        return _smallest(keys, count)
    if emotion not in layer_counts:
        raise StudioError(f"There are no counts per layer for {emotion}, only for {', '.join(in_order(layer_counts))}.")
    counts = layer_counts[emotion]
    if len(counts) != len(widths) or any(not 0 <= n <= width for n, width in zip(counts, widths, strict=True)):
        raise StudioError(f"The counts per layer for {emotion} do not fit the {len(widths)} layers of the statistics.")
    starts = np.cumsum([0, *widths[:-1]])
    parts = np.split(keys, starts[1:])
    return np.concatenate([start + _smallest(part, n) for start, part, n in zip(starts, parts, counts, strict=True)])


def _smallest(keys: npt.NDArray[np.uint64], count: int) -> IntArray:
    if count == 0:
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero(keys <= np.partition(keys, count - 1)[count - 1])[:count]


def _pairs(flat: IntArray, widths: tuple[int, ...]) -> npt.NDArray[np.int32]:
    starts = np.cumsum([0, *widths[:-1]])
    layer = np.searchsorted(starts, flat, side="right") - 1
    return np.stack([layer, flat - starts[layer]], axis=1).astype(np.int32)


def _decimal(rate: float | str | Decimal) -> Decimal:
    try:
        value = Decimal(str(rate))
    except InvalidOperation:
        value = Decimal("NaN")
    if not (value.is_finite() and 0 < value <= 1):
        raise StudioError(f"The selection rate must lie above 0 and at most at 1 (0.005 is 0.5 %); it is {rate}.")
    return value


def _share(share: Decimal, n: int) -> int:
    with localcontext() as context:
        context.prec = 60
        return math.floor((share * n).to_integral_value(ROUND_FLOOR))
