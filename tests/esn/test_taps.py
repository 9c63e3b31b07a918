"""Gate taps on a real transformers decoder: they count what passed, steer what was asked, and always come off."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
import torch._dynamo
from torch import nn

from studio.esn.errors import MaskError, TapError
from studio.esn.intervention import Mode, Steering, TokenScope
from studio.esn.statistics import GateStatistics
from studio.esn.taps import GateTaps
from tests.esn import reference
from tests.esn.conftest import LAYERS, WIDTH

WIDTHS = (WIDTH,) * LAYERS
PROMPT, STEPS = 7, 5


def gates(model) -> list[nn.Module]:
    return [layer.mlp.act_fn for layer in model.layers]


def hooks(model) -> int:
    return sum(len(module._forward_hooks) for module in model.modules() if type(module).__name__ == "SiLUActivation")


def tokens(rows: int, length: int = PROMPT + STEPS, seed: int = 1) -> torch.Tensor:
    return torch.randint(0, 50, (rows, length), generator=torch.Generator().manual_seed(seed))


def steering(mode: Mode = Mode.GAIN, strength: float = 1.0, **more) -> Steering:
    every_third = [(layer, neuron) for layer in range(LAYERS) for neuron in range(layer, WIDTH, 3)]
    mask = reference.make_mask(WIDTHS, {"happy": every_third, "sad": [(0, 1), (1, 1), (2, 2)]})
    return Steering(mask, mode, {"happy": strength}, **more)


@torch.inference_mode()
def generate(model, ids, taps=None, rows=None, record=False, lengths=None):
    """Prompt in one pass, then token by token with the cache, teacher-forced; last hidden states and statistics.

    ``lengths`` are the prompts' lengths, padded on the left.
    """
    if taps:
        taps.begin(rows or [None] * len(ids), record=record)
    lengths = lengths or [PROMPT] * len(ids)
    valid = torch.stack([torch.arange(PROMPT) >= PROMPT - length for length in lengths])
    places = (valid.cumsum(1) - 1).clamp_min(0)
    mask, states, cache = valid.long(), [], None
    for start, stop in [(0, PROMPT), *((at, at + 1) for at in range(PROMPT, ids.shape[1]))]:
        if start:
            mask = torch.cat([mask, torch.ones(len(ids), 1, dtype=torch.long)], 1)
            places = places[:, -1:] + 1
        if taps:
            taps.positions(mask[:, start:stop].bool(), generated=start > 0)
        out = model(ids[:, start:stop], attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        states.append(out.last_hidden_state)
    return torch.cat(states, 1), taps.end(1 + ids.shape[1] - PROMPT) if taps else None


@contextmanager
def patched(model, change) -> Iterator[None]:
    """Replace each gated MLP's forward by the formula, with ``change(gate, layer)`` on the gate."""
    for layer, block in enumerate(model.layers):
        mlp = block.mlp

        def forward(x, mlp=mlp, layer=layer):
            gate = change(mlp.act_fn(mlp.gate_proj(x)), layer)
            return mlp.down_proj(gate * mlp.up_proj(x))

        mlp.forward = forward
    yield
    for block in model.layers:
        del block.mlp.forward


def same_counts(a: GateStatistics, b: GateStatistics) -> bool:
    return a.tokens == b.tokens and torch.equal(a.active, b.active)


def close_moments(a: GateStatistics, b: GateStatistics) -> bool:
    return torch.allclose(a.total, b.total, atol=1e-5) and torch.allclose(a.total_sq, b.total_sq, atol=1e-5)


# -- counting -----------------------------------------------------------------------------------------------------


def test_counts_and_moments_equal_the_gates_themselves(model):
    seen: list[list[torch.Tensor]] = [[] for _ in range(LAYERS)]

    def note(gate, layer):
        seen[layer].append(gate)
        return gate

    ids = tokens(2)
    with patched(model, note):
        generate(model, ids)
    with GateTaps(gates(model), WIDTHS) as taps:
        _, rows = generate(model, ids, taps, record=True)
    assert rows is not None
    for row, statistics in enumerate(rows):
        values = torch.cat([torch.cat(layer, 1)[row] for layer in seen], 1)
        assert statistics.tokens == PROMPT + STEPS
        assert torch.equal(statistics.active, (values > 0).sum(0))
        assert torch.allclose(statistics.total, values.double().sum(0))
        assert torch.allclose(statistics.total_sq, values.double().square().sum(0))


def test_the_cache_does_not_change_counts(model):
    ids = tokens(2)
    with GateTaps(gates(model), WIDTHS) as taps:
        _, with_cache = generate(model, ids, taps, record=True)
        with torch.inference_mode():
            taps.begin([None, None], record=True)
            taps.positions(None, generated=False)
            model(ids, use_cache=False)
        without = taps.end(1)
    assert with_cache is not None
    assert without is not None
    for a, b in zip(with_cache, without, strict=True):
        assert same_counts(a, b)
        assert close_moments(a, b)


def test_a_padded_batch_counts_what_single_rows_count(model):
    ids, lengths = tokens(3), [PROMPT, 4, 1]
    with GateTaps(gates(model), WIDTHS) as taps:
        _, batch = generate(model, ids, taps, record=True, lengths=lengths)
        assert batch is not None
        for row, length in enumerate(lengths):
            with torch.inference_mode():
                taps.begin([None], record=True)
                taps.positions(None, generated=False)
                model(ids[row : row + 1, PROMPT - length :])
            single = taps.end(1)
            assert single is not None
            assert same_counts(single[0], batch[row])
            assert close_moments(single[0], batch[row])


def test_what_is_not_a_number_at_padding_is_not_counted():
    gate = nn.SiLU()
    with GateTaps([gate], [2]) as taps:
        taps.begin([None], record=True)
        taps.positions(torch.tensor([[False, True]]), generated=False)
        gate(torch.tensor([[[torch.nan, torch.inf], [1.0, -1.0]]]))
        rows = taps.end(1)
    assert rows is not None
    assert rows[0].active.tolist() == [1, 0]
    assert torch.isfinite(rows[0].total).all()
    assert rows[0].tokens == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("length", [1, 6])
def test_counting_reads_gates_of_any_dtype_and_leaves_them_alone(dtype, length):
    gate, values = nn.Identity(), torch.randn(2, length, 3).to(dtype)
    before = values.clone()
    with GateTaps([gate], [3]) as taps:
        taps.begin([None, None], record=True)
        taps.positions(None, generated=False)
        assert torch.equal(gate(values), before)
        rows = taps.end(1)
    assert rows is not None
    for row, statistics in enumerate(rows):
        assert torch.equal(statistics.active, (before[row] > 0).sum(0))
        assert torch.allclose(statistics.total, before[row].double().sum(0))
        assert torch.allclose(statistics.total_sq, before[row].double().square().sum(0))
        assert statistics.tokens == length


def test_long_prompts_are_counted_in_pieces_without_loss():
    gate, values = nn.ReLU(), torch.randn(2, 5000, 3)
    with GateTaps([gate], [3]) as taps:
        taps.begin([None, None], record=True)
        taps.positions(None, generated=False)
        gate(values)
        rows = taps.end(1)
    assert rows is not None
    positive = values.relu().double()
    assert [row.active.tolist() for row in rows] == (values > 0).sum(1).tolist()
    assert torch.allclose(torch.stack([row.total for row in rows]), positive.sum(1))
    assert torch.allclose(torch.stack([row.total_sq for row in rows]), positive.square().sum(1))


def test_gates_are_counted_before_they_are_steered(model):
    gate = nn.ReLU()
    mask = reference.make_mask((2,), {"sad": [(0, 0)]})
    with GateTaps([gate], [2]) as taps:
        taps.begin([Steering(mask, Mode.DEACTIVATE, {"sad": 1.0})], record=True)
        taps.positions(None, generated=True)
        assert gate(torch.ones(1, 1, 2)).tolist() == [[[0, 1]]]
        rows = taps.end(1)
    assert rows is not None
    assert rows[0].active.tolist() == [1, 1]


def test_rows_that_leave_the_batch_keep_their_counts(model):
    ids = tokens(3)
    rows = [steering(), None, steering(Mode.ADD, 0.3)]
    with GateTaps(gates(model), WIDTHS) as taps, torch.inference_mode():
        taps.begin(rows, record=True)
        taps.positions(None, generated=False)
        model(ids)
        taps.keep_rows([2, 0])
        taps.positions(None, generated=False)
        shrunk = model(ids[[2, 0]]).last_hidden_state
        taps.keep_rows(torch.tensor([1]))
        taps.positions(None, generated=False)
        model(ids[[0]])
        counted = taps.end(3)
        assert counted is not None
        assert [row.tokens for row in counted] == [3 * ids.shape[1], ids.shape[1], 2 * ids.shape[1]]
        for place, (row, steer) in enumerate([(2, rows[2]), (0, rows[0])]):
            taps.begin([steer], record=True)
            alone = model(ids[[row]]).last_hidden_state
            single = taps.end(1)
            assert single is not None
            assert torch.allclose(shrunk[place], alone[0], atol=1e-6)
            assert torch.equal(counted[row].active, single[0].active * (3, 1, 2)[row])
        for wrong in ([], [0, 0], [1]):
            taps.begin([None])
            with pytest.raises(TapError, match="no selection of a batch of 1"):
                taps.keep_rows(wrong)


# -- steering -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("layers", [None, (1, 2)])
def test_each_mode_equals_the_formula_written_into_the_model(model, mode, layers):
    strength, ids = 0.4, tokens(2)
    steer = steering(mode, strength, layers=layers)

    def change(gate, layer):
        if layers is not None and not layers[0] <= layer <= layers[1]:
            return gate
        chosen = torch.zeros(WIDTH, dtype=torch.bool)
        chosen[[neuron for at, neuron in reference.pairs(steer.mask, "happy") if at == layer]] = True
        steered = {
            Mode.GAIN: (1 + strength) * gate,
            Mode.ADD: gate + strength,
            Mode.CLAMP: gate.clamp_min(strength),
            Mode.DEACTIVATE: torch.zeros_like(gate),
        }[mode]
        return torch.where(chosen, steered, gate)

    with patched(model, change):
        expected, _ = generate(model, ids)
    baseline, _ = generate(model, ids)
    with GateTaps(gates(model), WIDTHS) as taps:
        steered, _ = generate(model, ids, taps, [steer, steer])
    assert torch.allclose(steered, expected, atol=1e-6)
    assert not torch.allclose(steered, baseline, atol=1e-3)


def test_rows_are_steered_apart_and_unsteered_rows_to_the_bit_not_at_all(model):
    ids = tokens(1).expand(5, -1)
    rows = [None, steering(), steering(Mode.DEACTIVATE), steering(strength=0.0), steering(Mode.ADD, 0.3, layers=(0, 0))]
    baseline, _ = generate(model, ids)
    with GateTaps(gates(model), WIDTHS) as taps:
        batch, _ = generate(model, ids, taps, rows)
        assert torch.equal(batch[[0, 3]], baseline[[0, 3]])
        for row, steer in enumerate(rows):
            single, _ = generate(model, ids[:1], taps, [steer])
            assert torch.allclose(batch[row], single[0], atol=1e-6)
    assert len({tuple(batch[row, -1].tolist()) for row in range(5)}) == 4


def test_generated_scope_leaves_the_prompt_alone(model):
    ids = tokens(2)
    baseline, _ = generate(model, ids)
    with GateTaps(gates(model), WIDTHS) as taps:
        everywhere, _ = generate(model, ids, taps, [steering(), steering(scope=TokenScope.ALL)])
        mixed, _ = generate(model, ids, taps, [steering(scope=TokenScope.GENERATED), steering()])
        again, _ = generate(model, ids, taps, [steering(), steering()])
    assert torch.equal(mixed[0, :PROMPT], baseline[0, :PROMPT])
    assert not torch.allclose(mixed[0, PROMPT:], baseline[0, PROMPT:], atol=1e-3)
    assert not torch.allclose(mixed[0, PROMPT:], everywhere[0, PROMPT:], atol=1e-3)
    assert torch.equal(mixed[1], everywhere[1])
    assert torch.equal(again, everywhere)


def test_generated_scope_must_be_told_positions(model):
    with GateTaps(gates(model), WIDTHS) as taps, torch.inference_mode():
        taps.begin([steering(scope=TokenScope.GENERATED)])
        model(tokens(1))
        with pytest.raises(TapError, match="which positions are generated"):
            taps.end(1)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_buffers_follow_the_gates_dtype(make_model, dtype):
    model, ids = make_model().to(dtype), tokens(2)
    baseline, _ = generate(model, ids)
    announced = GateTaps(gates(model), WIDTHS, dtype=dtype)
    found = GateTaps(gates(model), WIDTHS)
    results = []
    for taps in (announced, found):
        with taps:
            idle, _ = generate(model, ids, taps, [None, steering(strength=0.0)])
            steered, rows = generate(model, ids, taps, [None, steering()], record=True)
        assert torch.equal(idle, baseline)
        assert torch.equal(steered[0], baseline[0])
        assert steered.dtype == dtype
        assert rows is not None
        assert rows[0].total.dtype == torch.float64
        results.append(steered)
    assert torch.equal(*results)


def test_gradients_flow_through_steered_gates(model):
    with GateTaps(gates(model), WIDTHS) as taps:
        taps.begin([steering()], record=True)
        model(tokens(1)).last_hidden_state.sum().backward()
        assert taps.end(1) is not None
    assert all(layer.mlp.gate_proj.weight.grad.abs().sum() > 0 for layer in model.layers)


# -- coming and going ---------------------------------------------------------------------------------------------


def test_taps_leave_the_model_as_it_was(model):
    ids = tokens(2)
    before, state = generate(model, ids)[0], copy.deepcopy(model.state_dict())
    with GateTaps(gates(model), WIDTHS) as taps:
        installed, _ = generate(model, ids)
        idle, nothing = generate(model, ids, taps)
        generate(model, ids, taps, [steering(), steering(Mode.CLAMP)], record=True)
    assert nothing is None
    assert hooks(model) == 0
    for result in (installed, idle, generate(model, ids)[0]):
        assert torch.equal(result, before)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_taps_never_stack(model):
    with GateTaps(gates(model), WIDTHS) as taps:
        other = GateTaps(gates(model), WIDTHS)
        for attempt in (taps.install, other.install, other.__enter__):
            with pytest.raises(TapError, match="layer 0 is tapped already"):
                attempt()
        partly = GateTaps(gates(model)[2:], WIDTHS[2:])
        with pytest.raises(TapError, match="tapped already"):
            partly.install()
        assert hooks(model) == LAYERS
    with other, other:
        assert hooks(model) == LAYERS
    assert hooks(model) == 0


def test_an_error_while_installing_leaves_no_hook(model, monkeypatch):
    def refuse(hook):
        raise RuntimeError("no room")

    monkeypatch.setattr(gates(model)[1], "register_forward_hook", refuse)
    taps = GateTaps(gates(model), WIDTHS)
    with pytest.raises(RuntimeError, match="no room"):
        taps.install()
    assert hooks(model) == 0
    assert not taps.installed


def test_an_error_inside_a_forward_pass_leaves_no_hook(model, monkeypatch):
    def fail(x):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(model.layers[1].mlp, "forward", fail)
    with pytest.raises(RuntimeError, match="out of memory"), GateTaps(gates(model), WIDTHS) as taps:
        generate(model, tokens(1), taps, [steering()])
    assert hooks(model) == 0


def test_after_a_failed_generation_the_next_one_starts_clean(model):
    ids = tokens(1)
    baseline, _ = generate(model, ids)
    with GateTaps(gates(model), WIDTHS) as taps:
        _, expected = generate(model, ids, taps, record=True)
        with torch.inference_mode():
            taps.begin([steering()], record=True)
            model(ids)
        taps.abandon()
        assert torch.equal(generate(model, ids)[0], baseline)
        with torch.inference_mode():
            taps.begin([steering()], record=True)
            model(ids)
        after, counted = generate(model, ids, taps, record=True)
    assert torch.equal(after, baseline)
    assert expected is not None
    assert counted is not None
    assert same_counts(counted[0], expected[0])


def test_wrong_sets_of_gates_are_refused(model):
    shared = nn.SiLU()
    for modules, widths in (([], []), (gates(model), WIDTHS[1:]), ([shared, shared], [3, 3])):
        with pytest.raises(TapError):
            GateTaps(modules, widths)


def test_calls_out_of_order_are_refused(model):
    taps = GateTaps(gates(model), WIDTHS)
    with pytest.raises(TapError, match="not installed"):
        taps.begin([None])
    with taps:
        with pytest.raises(TapError, match="at least one row"):
            taps.begin([])
        with pytest.raises(TapError, match="outside of a generation"):
            taps.positions(None, generated=False)
        with pytest.raises(TapError, match="outside of a generation"):
            taps.keep_rows([0])
        with pytest.raises(TapError, match="no generation to end"):
            taps.end(0)
        with pytest.raises(MaskError, match="mask made for this model"):
            taps.begin([Steering(reference.make_mask((4,), {"sad": [(0, 0)]}), Mode.GAIN, {"sad": 1.0})])
        taps.begin([None])
        with pytest.raises(TapError, match="must be bool"):
            taps.positions(torch.ones(1, 4), generated=False)


# -- verifying ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("forwards", [0, 2])
def test_a_gate_that_ran_too_often_or_too_rarely_is_noticed(model, forwards):
    with GateTaps(gates(model), WIDTHS) as taps, torch.inference_mode():
        taps.begin([None])
        model(tokens(1))
        with pytest.raises(TapError, match=f"layer 0 was tapped 1 times in {forwards} forward passes"):
            taps.end(forwards)
        taps.begin([None])
        model(tokens(1))
        taps.end(1)


def test_a_kernel_that_bypasses_the_gate_is_noticed(model):
    mlp = model.layers[2].mlp
    mlp.forward = lambda x: mlp.down_proj(nn.functional.silu(mlp.gate_proj(x)) * mlp.up_proj(x))
    with GateTaps(gates(model), WIDTHS) as taps, pytest.raises(TapError, match="layer 2 was tapped 0 times"):
        generate(model, tokens(1), taps, [steering()])


def test_gates_of_another_shape_are_refused(model):
    gate = nn.SiLU()
    with GateTaps([gate], [4]) as taps:
        for shape in ((1, 2, 5), (2, 2, 4), (2, 4)):
            taps.begin([steering_of_four()])
            with pytest.raises(TapError, match=r"instead of \[1, tokens, 4\]"):
                gate(torch.zeros(shape))
        taps.begin([None], record=True)
        taps.positions(torch.ones(1, 3, dtype=torch.bool), generated=False)
        with pytest.raises(TapError, match=r"over \[1, 2\] positions was announced as \[1, 3\]"):
            gate(torch.zeros(1, 2, 4))


def steering_of_four() -> Steering:
    return Steering(reference.make_mask((4,), {"sad": [(0, 1)]}), Mode.GAIN, {"sad": 1.0})


# -- compiled models ----------------------------------------------------------------------------------------------


@pytest.fixture
def dynamo() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.usefixtures("dynamo")
def test_a_compiled_model_is_steered_counted_and_verified_without_recompiling(model):
    ids = tokens(2)
    rows = [None, steering(Mode.CLAMP, 0.1)]
    with GateTaps(gates(model), WIDTHS) as taps, torch.no_grad():
        compiled = torch.compile(model, backend="eager", fullgraph=True, dynamic=False)

        def run(which, steer):
            taps.begin([None, steer], record=True)
            taps.positions(torch.ones(2, ids.shape[1], dtype=torch.bool), generated=True)
            hidden = which(ids, use_cache=False).last_hidden_state
            return hidden, taps.end(1)

        run(compiled, rows[1])
        graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
        for strength in (0.2, 0.7, 1.5):
            steer = steering(strength=strength)
            hidden, counted = run(compiled, steer)
            expected, reference_counts = run(model, steer)
            assert torch.allclose(hidden, expected, atol=1e-6)
            assert counted is not None
            assert reference_counts is not None
            assert all(same_counts(a, b) for a, b in zip(counted, reference_counts, strict=True))
        assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == graphs


@pytest.mark.usefixtures("dynamo")
def test_taps_installed_after_compiling_are_noticed(model):
    ids = tokens(1)
    compiled = torch.compile(model, backend="eager")
    with torch.no_grad():
        baseline = compiled(ids, use_cache=False).last_hidden_state
        with GateTaps(gates(model), WIDTHS) as taps:
            taps.begin([steering()])
            bypassed = compiled(ids, use_cache=False).last_hidden_state
            with pytest.raises(TapError, match="tapped 0 times in 1 forward"):
                taps.end(1)
    assert torch.equal(bypassed, baseline)
