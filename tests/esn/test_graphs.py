"""A graph that was captured once is steered by what is set later, and by nothing when nothing is.

What a CUDA graph does, done on the CPU: the tensor operations of one run are noted, with the tensors they read and
write, and replayed without a line of the hooks' Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx
from transformers import Qwen2Config
from transformers.models.qwen2.modeling_qwen2 import Qwen2MLP

from studio.esn import emosteer_hook, gatetap
from studio.esn.emosteer_hook import EmoSteer
from studio.esn.errors import EmoSteerError, TapError
from studio.esn.intervention import Mode, Steering, TokenScope
from studio.esn.taps import GateTaps
from tests.esn import reference

HIDDEN, WIDTH, LAYERS, ROWS = 8, 12, 2, 2
WIDTHS = (WIDTH,) * LAYERS
Call = Callable[[Tensor], Tensor]


class Blocks(nn.Module):
    """Gated MLPs of a decoder, with what surrounds them left out."""

    def __init__(self) -> None:
        super().__init__()
        config = Qwen2Config(hidden_size=HIDDEN, intermediate_size=WIDTH)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.blocks = nn.ModuleList(Qwen2MLP(config) for _ in range(LAYERS))
            for weight in self.parameters():
                nn.init.normal_(weight)
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = x + block(x)
        return x


@pytest.fixture
def model() -> Blocks:
    return Blocks()


@pytest.fixture
def taps(model) -> Iterator[GateTaps]:
    with GateTaps([block.act_fn for block in model.blocks], WIDTHS) as made:
        yield made


@pytest.fixture
def capture(monkeypatch) -> Callable[[Call, Tensor], Call]:
    def captured(call: Call, x: Tensor) -> Call:
        with monkeypatch.context() as patch:
            for module in (gatetap, emosteer_hook):
                patch.setattr(module, "captured", lambda value: True)
            patch.setattr(gatetap, "in_a_graph", lambda value: True)
            return make_fx(call)(x)

    return captured


def inputs(rows: int = ROWS) -> Tensor:
    return torch.randn(rows, 1, HIDDEN, generator=torch.Generator().manual_seed(3))


def steering(mode: Mode = Mode.GAIN, strength: float = 1.0, **more) -> Steering:
    mask = reference.make_mask(WIDTHS, {"happy": [(layer, n) for layer in range(LAYERS) for n in range(0, WIDTH, 2)]})
    return Steering(mask, mode, {"happy": strength}, **more)


def generate(taps: GateTaps, call: Call, rows: list[Steering | None], *, share: float = 1.0) -> Tensor:
    """One pass under the taps, verified."""
    taps.begin(rows)
    taps.positions(None, generated=True)
    taps.intensity([share] * len(rows))
    out = call(inputs(len(rows)))
    taps.end(1)
    return out


SETTINGS: list[list[Steering | None]] = [
    [None, steering()],
    [steering(strength=0.3), steering(Mode.ADD, 0.5)],
    [steering(Mode.CLAMP, 0.2), None],
    [steering(Mode.DEACTIVATE), steering(scope=TokenScope.GENERATED)],
    [None, None],
]


@pytest.mark.parametrize("rows", [[None, None], SETTINGS[0], SETTINGS[2]])
def test_a_graph_captured_under_any_settings_replays_all_others(model, taps, capture, rows):
    baseline = model(inputs())
    taps.begin(rows)
    graph = capture(model, inputs())
    taps.abandon()
    outputs = []
    for other in SETTINGS:
        for share in (1.0, 0.5):
            outputs.append(generate(taps, graph, other, share=share))
            assert torch.equal(outputs[-1], generate(taps, model, other, share=share))
    assert torch.equal(outputs[-1], baseline)
    assert not torch.equal(outputs[0], baseline)


def test_outside_of_a_generation_it_is_not_steered(model, taps, capture):
    baseline = model(inputs())
    taps.begin([steering(), steering()])
    graph = capture(model, inputs())
    assert not torch.equal(graph(inputs()), baseline)
    taps.abandon()
    assert torch.equal(graph(inputs()), baseline)


def test_the_prompt_is_left_alone_where_only_what_is_generated_is_steered(model, taps, capture):
    baseline = model(inputs())
    taps.begin([None, None])
    graph = capture(model, inputs())
    taps.begin([steering(scope=TokenScope.GENERATED), None])
    taps.positions(None, generated=False)
    prompt = graph(inputs())
    taps.positions(None, generated=True)
    steered = graph(inputs())
    taps.intensity([0.0, 1.0])
    silent = graph(inputs())
    taps.end(3)
    assert torch.equal(prompt, baseline)
    assert torch.equal(silent, baseline)
    assert torch.equal(steered, generate(taps, model, [steering(), None]))
    assert not torch.equal(steered, baseline)


def test_graphs_of_other_batch_sizes_are_steered_by_their_own_rows(model, taps, capture):
    graphs = {}
    for size in (2, 1):
        taps.begin([None] * size)
        graphs[size] = capture(model, inputs(size))
    pair = generate(taps, graphs[2], [None, steering()])
    single = generate(taps, graphs[1], [steering()])
    assert torch.equal(pair, generate(taps, model, [None, steering()]))
    assert torch.equal(single, generate(taps, model, [steering()]))
    taps.begin([steering(), steering(Mode.ADD, 0.4)])
    graphs[2](inputs())
    taps.keep_rows([1])
    last = graphs[1](inputs()[1:])
    assert torch.equal(last, model(inputs()[1:]))
    assert torch.equal(graphs[2](inputs()), generate(taps, model, [None, None]))


def test_a_graph_captured_outside_of_a_generation_cannot_pass_for_a_steered_one(model, taps, capture):
    graph = capture(model, inputs())
    taps.begin([steering(), None])
    graph(inputs())
    with pytest.raises(TapError, match="layer 0 was tapped 0 times in 1 forward"):
        taps.end(1)


def test_counts_that_a_graph_does_not_keep_are_missed(model, taps, capture):
    taps.begin([None, None])
    graph = capture(model, inputs())
    taps.begin([steering(), None], record=True)
    taps.positions(None, generated=True)
    graph(inputs())
    with pytest.raises(TapError, match="captured while nothing was recorded"):
        taps.end(1)
    taps.begin([None, None], record=True)
    with pytest.raises(TapError, match="cannot be captured while activations are recorded"):
        capture(model, inputs())


def test_learned_vectors_are_not_captured(model, capture):
    with EmoSteer(model.blocks[0].down_proj, WIDTH) as steer:
        graph = capture(model, inputs())
        assert torch.equal(graph(inputs()), model(inputs()))
        steer.begin([None, None])
        with pytest.raises(EmoSteerError, match="cannot be part of a CUDA graph"):
            capture(model, inputs())
