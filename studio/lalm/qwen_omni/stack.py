"""One stack of decoder layers (thinker or talker) run position by position on its KV cache, with its taps announced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.cache_utils import DynamicCache, StaticCache

from studio.esn.taps import GateTaps
from studio.lalm.kvcache import cache_argument

_ROOM = 256
"""Static caches come in multiples of so many positions, so that few sizes are ever compiled."""


class Stack:
    """Decoder layers that are fed embeddings. ``compiled``: a static cache, and steps through ``torch.compile``.

    The taps must be installed before the first compiled step: a graph does not see hooks that come later.
    ``backend`` and ``mode`` are torch.compile's.
    """

    def __init__(
        self, layers: Any, *, compiled: bool = False, backend: Any = "inductor", mode: str | None = None
    ) -> None:
        self._layers = layers
        self._named = cache_argument(layers)
        self._static = compiled
        self._run: Callable[..., Tensor] = self._forward
        if compiled:
            self._run = torch.compile(self._forward, backend=backend, mode=mode, dynamic=False)
        self._kept: dict[tuple[int, int], StaticCache] = {}

    def start(self, embeddings: Sequence[Tensor], taps: GateTaps | None, room: int) -> Pass:
        """Read the prompts of a batch, each [T, hidden], up to ``room`` further positions to follow."""
        return Pass(self, self._cache(len(embeddings), max(map(len, embeddings)) + room), embeddings, taps)

    def _cache(self, rows: int, length: int) -> Any:
        if not self._static:
            return DynamicCache()
        size = -(-length // _ROOM) * _ROOM
        cache = self._kept.get((rows, size))
        if cache is None:
            # One at a time: it may be large.
            cache = StaticCache(config=self._layers.config, max_cache_len=size)
            self._kept = {(rows, size): cache}
        cache.reset()
        return cache

    def _forward(self, embeddings: Tensor, mask: Tensor | None, places: Tensor, cache: Any) -> Tensor:
        return self._layers(
            inputs_embeds=embeddings,
            attention_mask=mask,
            position_ids=places,
            use_cache=True,
            return_dict=True,
            **{self._named: cache},
        ).last_hidden_state


class Pass:
    """One batch on its way through a stack. ``prompt`` [B, T, hidden]: the last states of the prompts, padded left."""

    def __init__(self, stack: Stack, cache: Any, embeddings: Sequence[Tensor], taps: GateTaps | None) -> None:
        self._stack = stack
        self._cache = cache
        self._taps = taps
        self.forwards = 0
        size = max(map(len, embeddings))
        inputs = torch.stack([F.pad(item, (0, 0, size - len(item), 0)) for item in embeddings])
        self._lengths = torch.tensor([len(item) for item in embeddings], device=inputs.device)
        own = torch.arange(size, device=inputs.device) - (size - self._lengths).unsqueeze(1)
        valid = own >= 0
        padded = any(len(item) != size for item in embeddings)
        self._mask: Tensor | None = None
        if stack._static:
            # Of full length from the start: what is not yet written lies behind the causal mask.
            self._mask = F.pad(valid, (0, cache.get_max_length() - size), value=True).long()
        elif padded:
            self._mask = valid.long()
        self._announce(valid if padded else None, False)
        mask = self._mask
        self.prompt = stack._forward(inputs, mask, own.clamp_min(0).expand(3, -1, -1), cache)

    def step(self, embeddings: Tensor, live: Sequence[bool]) -> Tensor:
        """The last state [B, hidden] after one more position of every row, [B, hidden]; rows not live don't count."""
        if self._mask is not None and not self._stack._static:
            self._mask = F.pad(self._mask, (0, 1), value=1)
        all_live = all(live)
        self._announce(None if all_live else torch.tensor(live, device=embeddings.device).unsqueeze(1), True)
        places = self._lengths.view(1, -1, 1).expand(3, -1, -1).contiguous()
        self._lengths = self._lengths + 1
        return self._stack._run(embeddings.unsqueeze(1), self._mask, places, self._cache)[:, 0]

    def _announce(self, valid: Tensor | None, generated: bool) -> None:
        self.forwards += 1
        if self._taps is not None:
            self._taps.positions(valid, generated)
