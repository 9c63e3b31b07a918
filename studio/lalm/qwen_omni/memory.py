"""How much memory a Qwen2.5-Omni needs at each precision, from its config alone, and whether that fits a card."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import torch
from torch import nn

from studio.lalm.qwen_omni.parts import remove_vision, take_apart

GIB = 2**30


class Precision(StrEnum):
    """What thinker and talker are kept in; token2wav is always fp32. The last two quantise the thinker's layers."""

    FP32 = "fp32"
    BF16 = "bf16"
    INT8 = "8bit"
    INT4 = "4bit"


BYTES_PER_WEIGHT = {Precision.FP32: 4.0, Precision.BF16: 2.0, Precision.INT8: 1.002, Precision.INT4: 0.5625}
"""Of quantised layers with their scales: one per row of int8, one float32 per 64 weights of nf4."""

_POSITIONS = {"thinker": 1400, "talker": 6000}
"""Positions of the longest conversion: 30 s of source and its words; codec ids for three times as long."""

_OVERHEAD = 1.2 * GIB
"""The CUDA context, libraries, and activations of the longest prompt: an estimate, not measured."""


@dataclass(frozen=True)
class Sizes:
    """Numbers of weights, and of cached values per position.

    ``layers``: in the thinker's decoder layers; ``others``: embeddings, heads, audio tower and talker; ``token2wav``.
    ``cached``: keys and values of one row's longest conversion. The vision tower is not among them.
    """

    layers: int
    others: int
    token2wav: int
    cached: int

    def weights(self, precision: Precision) -> float:
        """Bytes the weights take."""
        base = 4 if precision is Precision.FP32 else 2
        return self.layers * BYTES_PER_WEIGHT[precision] + self.others * base + self.token2wav * 4

    def working(self, precision: Precision, rows: int = 1) -> float:
        """Bytes of working memory for a batch of ``rows``."""
        return _OVERHEAD + rows * self.cached * (4 if precision is Precision.FP32 else 2)

    def need(self, precision: Precision, rows: int = 1) -> float:
        """Bytes altogether."""
        return self.weights(precision) + self.working(precision, rows)


@dataclass(frozen=True)
class Card:
    """A GPU: its name, and bytes in all and free."""

    name: str
    total: float
    free: float


def card_at(device: torch.device | str) -> Card | None:
    """The GPU behind ``device``; None for the CPU."""
    device = torch.device(device)
    if device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(device)
    return Card(torch.cuda.get_device_name(device), total, free)


def sizes(config: Any) -> Sizes:
    """The sizes of a model of this ``Qwen2_5OmniConfig``; nothing is loaded or allocated."""
    from transformers import Qwen2_5OmniForConditionalGeneration

    with torch.device("meta"):
        model: Any = Qwen2_5OmniForConditionalGeneration(config)
    remove_vision(model)
    parts = take_apart(model)
    layers = _count(parts.thinker.get_submodule("layers"))
    token2wav = _count(parts.token2wav)
    cached = 0
    for name, each in (("thinker", config.thinker_config.text_config), ("talker", config.talker_config)):
        head = getattr(each, "head_dim", None) or each.hidden_size // each.num_attention_heads
        cached += 2 * each.num_hidden_layers * each.num_key_value_heads * head * _POSITIONS[name]
    return Sizes(layers, _count(model) - layers - token2wav, token2wav, cached)


def fits(need: float, card: Card) -> bool:
    """Whether ``need`` bytes are free on a card."""
    return need <= card.free


def sentence(title: str, of: Sizes, precision: Precision, card: Card | None, rows: int = 1) -> str:
    """How much ``title`` needs at ``precision``, and whether it fits; where not, what would."""
    need = of.need(precision, rows)
    says = (
        f"{title} needs about {need / GIB:.1f} GiB at {precision} "
        f"({of.weights(precision) / GIB:.1f} for its weights, the rest to work in)"
    )
    if card is None:
        return f"{says}."
    room = f"{card.name} has {card.free / GIB:.1f} of {card.total / GIB:.1f} GiB free"
    if fits(need, card):
        return f"{says}; {room}: it fits."
    others = [each for each in Precision if of.need(each, rows) < need and fits(of.need(each, rows), card)]
    if others:
        best = max(others, key=lambda each: of.need(each, rows))
        return f"{says}; {room}: it does not fit, but at {best} ({of.need(best, rows) / GIB:.1f} GiB) it would."
    return (
        f"{says}; {room}: it does not fit at any precision; close what else uses the card, or choose a smaller model."
    )


def _count(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())
