"""Choose the next codec id of each row, greedily or with a generator of the row's own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

TEMPERATURE = 0.9
TOP_K = 40
TOP_P = 0.8
REPETITION_PENALTY = 1.05
"""How Qwen2.5-Omni's own ``generate`` lets the talker sample (its defaults in transformers)."""


class Picker:
    """Picks for rows that act as their ``seeds`` say (None: greedily); codec ids of the ``prompt`` count as repeated.

    ``forbidden`` bool [vocabulary]: never picked.

    Seeded rows draw on the CPU, one number per token, so that no other row and no device changes what they draw.
    """

    def __init__(self, seeds: Sequence[int | None], prompt: Sequence[int], forbidden: Tensor) -> None:
        self._generators = [None if seed is None else torch.Generator().manual_seed(seed) for seed in seeds]
        self._said = torch.zeros(len(seeds), len(forbidden), dtype=torch.bool)
        self._said[:, list(prompt)] = True
        self._forbidden = forbidden

    def pick(self, logits: Tensor) -> list[int]:
        """One id per row, from ``logits`` [B, vocabulary]."""
        scores = logits.float().cpu()
        weighed = torch.where(scores < 0, scores * REPETITION_PENALTY, scores / REPETITION_PENALTY)
        scores = torch.where(self._said, weighed, scores)
        scores = scores.masked_fill(self._forbidden, -torch.inf)
        picked = [
            int(row.argmax()) if generator is None else _draw(row, generator)
            for row, generator in zip(scores, self._generators, strict=True)
        ]
        self._said[torch.arange(len(picked)), picked] = True
        return picked


def _draw(scores: Tensor, generator: torch.Generator) -> int:
    """One id among the likeliest: TOP_K of them, of those the fewest that hold TOP_P of the probability."""
    top, ids = (scores.double() / TEMPERATURE).topk(min(TOP_K, len(scores)))
    chances = top.softmax(0)
    before = chances.cumsum(0) - chances
    chances = chances * (before < TOP_P)
    place = torch.rand((), generator=generator, dtype=torch.float64) * chances.sum()
    return int(ids[min(int((chances.cumsum(0) <= place).sum()), int((chances > 0).sum()) - 1)])
