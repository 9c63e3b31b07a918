"""A real, tiny Qwen2 decoder with random weights."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from transformers import Qwen2Config, Qwen2Model

LAYERS, WIDTH = 3, 40


@pytest.fixture
def make_model() -> Callable[[], Qwen2Model]:
    """Builds the same model every time."""

    def make() -> Qwen2Model:
        torch.manual_seed(0)
        config = Qwen2Config(
            vocab_size=50,
            hidden_size=16,
            intermediate_size=WIDTH,
            num_hidden_layers=LAYERS,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=64,
        )
        return Qwen2Model(config).eval()

    return make


@pytest.fixture
def model(make_model: Callable[[], Qwen2Model]) -> Qwen2Model:
    return make_model()
