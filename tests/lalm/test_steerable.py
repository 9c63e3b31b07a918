"""Where learned vectors act, on real classes with tiny random weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from transformers import Qwen2_5OmniTalkerConfig, Qwen2_5OmniTalkerForConditionalGeneration

from studio.errors import StudioError
from studio.esn.emosteer import EmoSteering, EmoVectors
from studio.esn.emosteer_hook import EmoSteer, fold
from studio.lalm.steerable import QWEN_TALKER_INPUT, linear_site, load_steerable

THINKER, TALKER = 48, 32


class Omni(nn.Module):
    """The part of Qwen2.5-Omni that speaks, at the path it has there."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]}
        config = Qwen2_5OmniTalkerConfig(
            vocab_size=120,
            embedding_size=THINKER,
            hidden_size=TALKER,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=16,
            rope_parameters=rope,
        )
        self.talker = Qwen2_5OmniTalkerForConditionalGeneration(config).eval()

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        rows, tokens, _ = embeddings.shape
        places = torch.arange(tokens).expand(3, rows, tokens)
        given = {"inputs_embeds": embeddings, "attention_mask": torch.ones(rows, tokens, dtype=torch.long)}
        ids = torch.zeros(rows, tokens, dtype=torch.long)
        return self.talker(input_ids=ids, thinker_reply_part=embeddings[:, :1], position_ids=places, **given).logits


@torch.inference_mode()
def test_vectors_reach_the_talker_of_qwen2_5_omni_row_by_row():
    model = Omni()
    site = linear_site(model, QWEN_TALKER_INPUT)
    assert (site.width, site.module) == (THINKER, model.talker.thinker_to_talker_proj)
    rng = np.random.default_rng(0)
    vectors = EmoVectors(THINKER, site.name, {"angry": rng.normal(0, 300, (THINKER, THINKER)).astype(np.float32)})
    embeddings = torch.randn(2, 5, THINKER)
    plain = model(embeddings)
    steering = EmoSteering(vectors, {"angry": 2.0})
    with EmoSteer(site.module, site.width) as steer:
        steer.begin([None, steering])
        shifted = model(embeddings)
        steer.end(1)
    assert torch.equal(shifted[0], plain[0])
    assert not torch.allclose(shifted[1], plain[1])
    assert torch.equal(model(embeddings), plain)
    model.talker.thinker_to_talker_proj = fold(model.talker.thinker_to_talker_proj, steering)
    torch.testing.assert_close(model(embeddings)[1], shifted[1], atol=1e-4, rtol=1e-4)


def test_a_place_that_is_not_there_is_named():
    with pytest.raises(StudioError, match=r"Linear has no linear layer 'llm\.llm_decoder'"):
        linear_site(nn.Linear(2, 2), "llm.llm_decoder")
    with pytest.raises(StudioError, match="There is no model 'nothing'"):
        load_steerable("nothing")
