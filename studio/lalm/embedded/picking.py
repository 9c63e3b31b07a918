"""Picks a class for each head of the next speech token."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from studio.lalm.embedded import tokens
from studio.lalm.embedded.network import Decoded, Network
from studio.lalm.embedded.tokens import Codes

SEEDED_SPREAD = 0.5
"""How far a seeded take strays from the greedy one, in standard deviations of each prosody head."""

MIN_ADVANCE_SHARE = 0.5
"""No token moves by less than this share of its own length, so that every generation ends with its source."""

_VOICING = tokens.PROSODY_HEADS.index("voicing")


class Picker:
    """The likeliest class of every head, for a batch whose rows act as their ``seeds`` say (None: greedily)."""

    def __init__(self, network: Network, seeds: Sequence[int | None]) -> None:
        self._network = network
        self._precision = network.precision()
        self._offset = torch.stack([_manner(seed) for seed in seeds]) / torch.sqrt(2 * self._precision)
        slowest = int(tokens.RATE_OCTAVES.encode(math.log2(MIN_ADVANCE_SHARE)))
        self._lowest = torch.tensor([slowest if head == 0 else 0 for head in tokens.ORDINAL_HEADS]).float()
        self._highest = torch.tensor([tokens.HEAD_SIZES[head] - 1 for head in tokens.ORDINAL_HEADS]).float()

    def keep(self, index: Tensor) -> None:
        """Go on with some rows only."""
        self._offset = self._offset[index]

    def pick(self, decoded: Decoded, own: Tensor) -> Codes:
        """Classes int64 [B, heads] after single positions; ``own`` [B, 7] as in ``Network.at_source``."""
        picked = torch.empty(len(own), tokens.HEADS, dtype=torch.int64)
        picked[:, tokens.ORDINAL_HEADS] = self._ordinals(decoded, own).long()
        logits = self._network.speech_head(decoded.state[:, 0])
        picked[:, _VOICING] = logits[:, : tokens.VOICING_PATTERNS].argmax(-1)
        codebooks = logits[:, tokens.VOICING_PATTERNS :].unflatten(-1, (tokens.CODEBOOKS, tokens.CODEBOOK_SIZE))
        picked[:, tokens.PROSODY :] = codebooks.argmax(-1)
        return picked.numpy()

    def _ordinals(self, decoded: Decoded, own: Tensor) -> Tensor:
        """Of a discretised Gaussian the likeliest class is the one beside the mean, below it where two are as near."""
        mean = self._network.ordinal_means(decoded.written[:, 0], own) + self._offset
        low = torch.minimum(torch.maximum(mean.floor(), self._lowest), self._highest)
        high = torch.minimum(low + 1, self._highest)
        return torch.where(self._fit(high, mean) > self._fit(low, mean), high, low)

    def _fit(self, classes: Tensor, mean: Tensor) -> Tensor:
        return -self._precision * (classes - mean).square()


def _manner(seed: int | None) -> Tensor:
    """How a seeded row acts, drawn once for the whole take: offsets of the ordinal heads in standard deviations, [7].

    Drawn anew for every token it would be jitter, not acting. Both pitch points of a token move together.
    """
    if seed is None:
        return torch.zeros(len(tokens.ORDINAL_HEADS))
    offset = torch.randn(len(tokens.ORDINAL_HEADS), generator=torch.Generator().manual_seed(seed)) * SEEDED_SPREAD
    offset[2] = offset[1]
    return offset
