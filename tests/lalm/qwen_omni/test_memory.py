"""How much memory a model needs: from its config alone, in a sentence that says whether it fits."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import Qwen2_5OmniConfig

from studio.lalm.qwen_omni.memory import GIB, Card, Precision, Sizes, card_at, sentence, sizes
from tests.lalm.qwen_omni import tiny

SEVEN = Sizes(layers=6_525_000_000, others=3_200_000_000, token2wav=450_000_000, cached=110_000_000)


def test_sizes_are_those_of_the_model_without_its_vision_tower(whole: Any) -> None:
    of = sizes(tiny.config())
    named = [(name, weight.numel()) for name, weight in whole.named_parameters() if ".visual." not in name]
    assert of.layers + of.others + of.token2wav == sum(size for _, size in named)
    assert of.token2wav == sum(size for name, size in named if name.startswith("token2wav."))
    assert of.layers == sum(size for name, size in named if name.startswith("thinker.") and ".mlp." in name) + sum(
        size for name, size in named if "thinker" in name and "audio_tower" not in name
        and (".self_attn." in name or "layernorm" in name)
    )  # fmt: skip


def published() -> Qwen2_5OmniConfig:
    """Qwen/Qwen2.5-Omni-7B: what transformers defaults to, but for the talker."""
    config = Qwen2_5OmniConfig()
    talker: Any = config.talker_config
    talker.hidden_size, talker.num_hidden_layers, talker.num_attention_heads = 896, 24, 12
    talker.layer_types = ["full_attention"] * 24
    return config


def test_the_7b_has_the_published_size() -> None:
    of = sizes(published())
    # 10.73 B weights with the vision tower's 0.68 B (the checkpoint's index).
    assert (of.layers + of.others + of.token2wav) / 1e9 == pytest.approx(10.73 - 0.68, abs=0.01)
    assert of.weights(Precision.BF16) / GIB == pytest.approx(20.8 - 1.3, abs=0.3)
    assert of.need(Precision.BF16) / GIB < 24
    needs = [of.need(precision) for precision in (Precision.FP32, Precision.BF16, Precision.INT8, Precision.INT4)]
    assert needs == sorted(needs, reverse=True)
    assert of.need(Precision.BF16, rows=8) > of.need(Precision.BF16)


def test_the_sentence_says_whether_it_fits_and_what_would() -> None:
    big, small, tiny_card = Card("RTX 4090", 24 * GIB, 23 * GIB), Card("T4", 15 * GIB, 14.6 * GIB), Card("MX", GIB, GIB)
    need = f"Qwen needs about {SEVEN.need(Precision.BF16) / GIB:.1f} GiB at bf16"
    says = [sentence("Qwen", SEVEN, Precision.BF16, card) for card in (big, small, tiny_card, None)]
    assert all(each.startswith(need) and each.endswith(".") for each in says)
    assert "RTX 4090 has 23.0 of 24.0 GiB free: it fits." in says[0]
    best = next(p for p in (Precision.INT8, Precision.INT4) if SEVEN.need(p) <= small.free)
    assert f"it does not fit, but at {best} (" in says[1]
    assert "does not fit at any precision" in says[2]
    assert "fit" not in says[3]


def test_the_cpu_is_no_card() -> None:
    assert card_at("cpu") is None
    assert card_at(torch.device("cpu")) is None
