"""The method in plain loops over Python numbers, written from its description, to hold the fast code against."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
import torch
from hypothesis import strategies as st

from studio.emotions import TARGETS
from studio.esn.mask import EsnMask
from studio.esn.statistics import EmotionStatistics, GateStatistics

Counts = Mapping[str, tuple[Sequence[int], int]]
"""Emotion -> (K per neuron, T)."""


def probabilities(counts: Counts) -> dict[str, list[float]]:
    """P = K / T of the emotions with successes."""
    return {emotion: [k / t for k in ks] for emotion, (ks, t) in counts.items() if t > 0}


def select(counts: Counts, selector: str, rate: str, percentile: float = 95.0) -> dict[str, list[int]]:
    """Selected positions per emotion, over all layers together, in ascending order."""
    p = probabilities(counts)
    emotions = list(p)
    n = len(next(iter(p.values())))
    wanted = math.floor(Fraction(rate) * n)
    rankable = lape_candidates(p, rate, percentile) if selector == "lape" else set(range(n))
    chosen = {}
    for emotion in emotions:
        scored = []
        for neuron in rankable:
            score = _score(selector, emotion, {e: p[e][neuron] for e in emotions})
            if score is not None:
                scored.append((-score, neuron))
        chosen[emotion] = sorted(neuron for _, neuron in sorted(scored)[:wanted])
    return chosen


def lape_candidates(p: Mapping[str, Sequence[float]], rate: str, percentile: float) -> set[int]:
    """The lowest-entropy min(1, 5r) N neurons of those above the threshold for some emotion."""
    threshold = _percentile([value for values in p.values() for value in values], percentile)
    n = len(next(iter(p.values())))
    entropies = []
    for neuron in range(n):
        values = sorted(p[emotion][neuron] for emotion in p)
        if max(values) > threshold and sum(values) > 0:
            shares = [value / sum(values) for value in values if value > 0]
            entropies.append((round(-math.fsum(q * math.log(q) for q in shares), 12), neuron))
    return {neuron for _, neuron in sorted(entropies)[: math.floor(min(Fraction(1), 5 * Fraction(rate)) * n)]}


def intervene(
    gate: float, neuron: tuple[int, int], masks: Mapping[str, set[tuple[int, int]]], mode: str,
    strengths: Mapping[str, float], layers: tuple[int, int] | None,
) -> float:  # fmt: skip
    """What one gate value becomes."""
    layer, _ = neuron
    acting = [
        strength
        for emotion, strength in strengths.items()
        if strength > 0
        and neuron in masks[emotion]
        and (layers is None or layers[0] <= layer <= layers[1])
    ]  # fmt: skip
    if not acting:
        return gate
    match mode:
        case "gain":
            return (1 + sum(acting)) * gate
        case "add":
            return gate + sum(acting)
        case "clamp":
            return max(gate, *acting)
        case _:
            return 0.0


def statistics(counts: Counts, widths: Sequence[int]) -> EmotionStatistics:
    """The counts as the real thing; moments play no part in selection."""
    widths = tuple(widths)
    nothing = torch.zeros(sum(widths), dtype=torch.float64)
    return EmotionStatistics(
        widths,
        {
            emotion: GateStatistics(widths, torch.tensor(ks, dtype=torch.int64), nothing, nothing, t)
            for emotion, (ks, t) in counts.items()
        },
    )


def make_mask(widths: Sequence[int], selected: Mapping[str, Sequence[tuple[int, int]]]) -> EsnMask:
    """A mask of these (layer, neuron) pairs, in any order."""
    return EsnMask(
        tuple(widths),
        {e: np.array(sorted(set(pairs)), np.int32).reshape(-1, 2) for e, pairs in selected.items()},
        {e: np.zeros(len(set(pairs)), np.float32) for e, pairs in selected.items()},
    )


def pairs(mask: EsnMask, emotion: str) -> list[tuple[int, int]]:
    """The neurons of one emotion as a list of tuples."""
    return [(int(layer), int(neuron)) for layer, neuron in mask.indices[emotion]]


@st.composite
def layer_widths(draw: st.DrawFn) -> tuple[int, ...]:
    """A few layers, not all of one width."""
    return tuple(draw(st.lists(st.integers(1, 12), min_size=1, max_size=4)))


@st.composite
def counted(draw: st.DrawFn, *, least_emotions: int = 1) -> tuple[tuple[int, ...], dict[str, tuple[list[int], int]]]:
    """Widths and counts; few tokens make ties, and some emotions or neurons may be silent."""
    widths = draw(layer_widths())
    emotions = draw(st.lists(st.sampled_from(TARGETS), min_size=least_emotions, max_size=4, unique=True))
    counts = {}
    for emotion in TARGETS:
        if emotion in emotions:
            tokens = draw(st.sampled_from((1, 2, 3, 7, 100, 997)))
            active = st.integers(0, tokens) if draw(st.booleans()) else st.sampled_from((0, tokens // 2, tokens))
            size = sum(widths)
            counts[emotion] = (draw(st.lists(active, min_size=size, max_size=size)), tokens)
    return widths, counts


def _score(selector: str, emotion: str, p: Mapping[str, float]) -> float | None:
    """The score of one neuron, None where it is minus infinity."""
    if selector in ("lap", "lape"):
        return p[emotion]
    if selector == "mad":
        return abs(p[emotion] - sum(p.values()) / len(p))
    largest = max(p.values())
    if emotion != next(e for e in p if p[e] == largest):
        return None
    rivals = [value for e, value in p.items() if e != emotion]
    return largest - max(rivals, default=0.0)


def _percentile(values: Sequence[float], percentile: float) -> float:
    """Linear interpolation between order statistics."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * (percentile / 100)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    share = place - below
    step = ordered[above] - ordered[below]
    return ordered[below] + step * share if share < 0.5 else ordered[above] - step * (1 - share)
