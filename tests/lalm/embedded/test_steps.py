"""Steps through the decoder are those of transformers' forward pass."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from studio.lalm.embedded.network import Network, NetworkConfig
from studio.lalm.embedded.steps import StepDecoder

PROMPT, STEPS = 70, 90
"""More steps than the cache has room for at first."""


@pytest.fixture(scope="module")
def network() -> Network:
    """Untrained: trained weights magnify the rounding of random inputs, which they were never meant for."""
    torch.manual_seed(0)
    return Network(NetworkConfig()).eval()


def positions(rows: int, hidden: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    inputs = torch.randn(rows, PROMPT + STEPS, hidden, generator=random) / 10
    places = torch.arange(PROMPT + STEPS).repeat(rows, 1) + torch.arange(rows)[:, None]
    return inputs, places


@pytest.mark.parametrize("padding", [(0,), (0, 0), (5, 0, 11)])
@torch.inference_mode()
def test_steps_compute_what_the_whole_pass_does(network: Network, padding: tuple[int, ...]) -> None:
    rows = len(padding)
    inputs, places = positions(rows, network.config.hidden)
    valid = torch.arange(PROMPT + STEPS)[None] >= torch.tensor(padding)[:, None]
    whole = network.decode(inputs, places, valid.long())
    cache = DynamicCache(config=network.model.config)
    before = valid[:, :PROMPT]
    network.decode(inputs[:, :PROMPT], places[:, :PROMPT], before.long(), cache)
    steps = StepDecoder(network).start(cache, None if bool(before.all()) else before)
    calls: list[int] = []
    hooks = [gate.register_forward_hook(lambda _, __, out: calls.append(len(out))) for gate in network.gates()]
    live = torch.arange(rows)
    for at in range(PROMPT, PROMPT + STEPS):
        if at == PROMPT + 40 and rows > 1:
            live = live[1:]
            steps.keep(torch.arange(1, rows))
        made = steps(inputs[live, at : at + 1], places[live, at])
        torch.testing.assert_close(made.state[:, 0], whole.state[live, at], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(made.written[:, 0], whole.written[live, at], rtol=1e-4, atol=1e-5)
    for hook in hooks:
        hook.remove()
    assert len(calls) == STEPS * len(hooks)
