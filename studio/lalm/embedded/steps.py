"""One position of every row at a time through the network's decoder, after its prompt.

The same operations on the same numbers as transformers' forward pass with a cache, so the same bits; but without what
that prepares anew for every call (masks, rotations, cache objects, outputs), which for layers this small takes longer
than the layers. Gates are called as the modules they are: hooks on them see each step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.cache_utils import DynamicCache

from studio.lalm.embedded.network import Decoded, Network

_ROOM = 64
"""Positions by which the cache grows."""


@dataclass(frozen=True, eq=False)
class _Layer:
    """A decoder layer's weights, those that read the same input joined: a product's rows do not depend on others."""

    before_attention: Tensor
    query_key_value: Tensor
    bias: Tensor
    output: Tensor
    before_mlp: Tensor
    gate_up: Tensor
    gate: nn.Module
    down: Tensor


class StepDecoder:
    """The decoder of ``network``, whose weights must not change any more; one serves every generation on it."""

    def __init__(self, network: Network) -> None:
        config = network.model.config
        self.heads, self.kv_heads = network.config.heads, network.config.kv_heads
        self.width = network.config.hidden // self.heads
        self.epsilon = config.rms_norm_eps
        self.last_norm = network.model.norm.get_parameter("weight").detach()
        self.layers = [_joined(layer) for layer in network.model.layers]
        places = torch.arange(config.max_position_embeddings)[None]
        cosine, sine = network.model.rotary_emb(self.last_norm, places)
        self.cosine = cosine[0]
        # Rotating takes (-second, first) times the sine: here the halves are swapped, and the sine has the sign.
        self.sine = torch.cat([-sine[0, :, : self.width // 2], sine[0, :, self.width // 2 :]], 1)

    def start(self, prompt: DynamicCache, valid: Tensor | None) -> Steps:
        """Go on after a prompt; ``valid`` bool [B, P] is False where it is padding, None where nothing is."""
        return Steps(self, prompt, valid)


class Steps:
    """The positions of one batch after its prompt."""

    def __init__(self, decoder: StepDecoder, prompt: DynamicCache, valid: Tensor | None) -> None:
        self._decoder = decoder
        layers: list[Any] = prompt.layers
        self._keys: list[Tensor] = [layer.keys for layer in layers]
        self._values: list[Tensor] = [layer.values for layer in layers]
        self._length = prompt.get_seq_length()
        self._hidden: Tensor | None = None
        if valid is not None:
            self._hidden = torch.zeros(valid.shape).masked_fill(~valid, -torch.inf)[:, None, None]

    def keep(self, index: Tensor) -> None:
        """Go on with some rows only (``index`` int64 into the batch)."""
        self._keys = [keys[index] for keys in self._keys]
        self._values = [values[index] for values in self._values]
        if self._hidden is not None:
            self._hidden = self._hidden[index]

    def __call__(self, inputs: Tensor, places: Tensor) -> Decoded:
        """Run ``inputs`` [B, 1, hidden] at positions ``places`` [B]."""
        if self._length == self._keys[0].shape[2]:
            self._grow()
        own, at = self._decoder, self._length
        self._length += 1
        rows, _, hidden = inputs.shape
        grouped = own.heads + own.kv_heads
        cosine, sine = own.cosine[places].unsqueeze(1), own.sine[places].unsqueeze(1)
        mask = None if self._hidden is None else self._hidden[..., : self._length]
        # As transformers does it: with a mask, queries that share a key lie beside each other as positions would.
        queries = (rows, own.heads, 1, own.width) if mask is None else (rows, own.kv_heads, -1, own.width)
        state, written = inputs, []
        for layer, keys, values in zip(own.layers, self._keys, self._values, strict=True):
            normal = F.rms_norm(state, (hidden,), layer.before_attention, own.epsilon)
            mixed = F.linear(normal, layer.query_key_value, layer.bias).view(rows, -1, own.width)
            turning = mixed[:, :grouped]
            turned = turning * cosine + turning.roll(own.width // 2, -1) * sine
            keys[:, :, at] = turned[:, own.heads :]
            values[:, :, at] = mixed[:, grouped:]
            heard = F.scaled_dot_product_attention(
                turned[:, : own.heads].reshape(queries),
                keys[:, :, : self._length],
                values[:, :, : self._length],
                attn_mask=mask,
                enable_gqa=mask is None,
            )
            state = state + F.linear(heard.reshape(rows, 1, -1), layer.output)
            normal = F.rms_norm(state, (hidden,), layer.before_mlp, own.epsilon)
            gate, up = F.linear(normal, layer.gate_up).chunk(2, -1)
            out = F.linear(layer.gate(gate.contiguous()) * up, layer.down)
            written.append(out)
            state = state + out
        return Decoded(F.rms_norm(state, (hidden,), own.last_norm, own.epsilon), torch.stack(written).sum(0))

    def _grow(self) -> None:
        self._keys = [F.pad(keys, (0, 0, 0, _ROOM)) for keys in self._keys]
        self._values = [F.pad(values, (0, 0, 0, _ROOM)) for values in self._values]
        if self._hidden is not None:
            self._hidden = F.pad(self._hidden, (0, self._keys[0].shape[2] - self._hidden.shape[-1]))


def _joined(layer: nn.Module) -> _Layer:
    def weight(name: str) -> Tensor:
        return layer.get_parameter(name).detach()

    def joined(*names: str) -> Tensor:
        return torch.cat([weight(name) for name in names])

    attention = [f"self_attn.{part}_proj" for part in "qkv"]
    return _Layer(
        before_attention=weight("input_layernorm.weight"),
        query_key_value=joined(*(f"{name}.weight" for name in attention)),
        bias=joined(*(f"{name}.bias" for name in attention)),
        output=weight("self_attn.o_proj.weight"),
        before_mlp=weight("post_attention_layernorm.weight"),
        gate_up=joined("mlp.gate_proj.weight", "mlp.up_proj.weight"),
        gate=layer.get_submodule("mlp.act_fn"),
        down=weight("mlp.down_proj.weight"),
    )
