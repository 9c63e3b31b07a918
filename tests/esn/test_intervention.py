"""Coefficients against the four modes written out value by value."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.errors import StudioError
from studio.esn.errors import MaskError
from studio.esn.intervention import Coefficients, Mode, Steering, TokenScope, coefficients
from tests.esn import reference

EMOTIONS = ("happy", "angry", "sad")
STRENGTHS = st.sampled_from((0.0, 0.25, 0.3, 1.0, 2.5))


@st.composite
def steerings(draw: st.DrawFn, widths: tuple[int, ...]) -> Steering:
    neurons = [(layer, neuron) for layer, width in enumerate(widths) for neuron in range(width)]
    mask = reference.make_mask(widths, {e: draw(st.lists(st.sampled_from(neurons), max_size=12)) for e in EMOTIONS})
    window = draw(st.none() | st.tuples(*[st.integers(0, len(widths) - 1)] * 2).map(lambda pair: tuple(sorted(pair))))
    strengths = {emotion: draw(STRENGTHS) for emotion in draw(st.lists(st.sampled_from(EMOTIONS), unique=True))}
    return Steering(mask, draw(st.sampled_from(Mode)), strengths, window)


@given(data=st.data(), widths=reference.layer_widths())
@settings(deadline=None, max_examples=100)
def test_every_mode_and_blend_equals_the_loop_over_single_gates(data, widths):
    rows = data.draw(st.lists(st.none() | steerings(widths), min_size=1, max_size=3))
    tokens = 2
    layers = coefficients(rows, widths)
    assert len(layers) == len(widths)
    for layer, (width, coefficient) in enumerate(zip(widths, layers, strict=True)):
        gate = torch.randn(len(rows), tokens, width)
        steered = coefficient.apply(gate)
        assert steered.shape == gate.shape
        for row, steering in enumerate(rows):
            if steering is None or steering.is_identity:
                assert torch.equal(steered[row].view(torch.int32), gate[row].view(torch.int32))
                continue
            masks = {emotion: set(reference.pairs(steering.mask, emotion)) for emotion in EMOTIONS}
            for token in range(tokens):
                for neuron in range(width):
                    expected = reference.intervene(
                        gate[row, token, neuron].item(), (layer, neuron), masks, steering.mode, steering.strengths,
                        steering.layers,
                    )  # fmt: skip
                    assert steered[row, token, neuron].item() == pytest.approx(expected, rel=1e-6, abs=1e-7)


@given(data=st.data(), dtype=st.sampled_from((torch.float32, torch.bfloat16)))
@settings(deadline=None, max_examples=100)
def test_leaving_out_what_is_not_needed_changes_no_bit(data, dtype):
    width = 6
    rows = data.draw(st.lists(st.none() | steerings((width,)), min_size=1, max_size=3))
    [layer] = coefficients(rows, (width,))
    needs, loaded = layer.needs(), layer.to(torch.device("cpu"), dtype)
    numbers = torch.tensor([0.0, -0.0, math.inf, -math.inf, 1.5, -0.27], dtype=dtype)
    gate = torch.stack([numbers.roll(shift) for shift in range(width)]).expand(len(rows), -1, -1).contiguous()
    bits = torch.int16 if dtype is torch.bfloat16 else torch.int32
    shares = torch.tensor(data.draw(st.lists(st.sampled_from((0.0, 0.4, 1.0)), min_size=len(rows), max_size=len(rows))))
    for own in (loaded, layer.at_share(shares).to(torch.device("cpu"), dtype)):
        before = gate.clone()
        needed = own.apply_needed(gate, needs)
        assert torch.equal(gate.view(bits), before.view(bits))  # not even where it is returned
        whole = own.apply(gate)
        found = gate if needed is None else needed
        assert torch.equal(found.isnan(), whole.isnan())
        assert torch.equal(found.nan_to_num(7.0).view(bits), whole.nan_to_num(7.0).view(bits))
    if all(row is None or row.is_identity for row in rows):
        assert layer.apply_needed(gate, needs) is None


def steering(mode: Mode, strengths: dict[str, float], layers: tuple[int, int] | None = None) -> Steering:
    mask = reference.make_mask((3, 3), {"happy": [(0, 0), (1, 2)], "sad": [(0, 0), (0, 1)], "angry": []})
    return Steering(mask, mode, strengths, layers)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_the_identity_changes_no_bit_of_any_number(dtype):
    numbers = [0.0, -0.0, 1.5, -0.278, 1e-40, -1e-40, 6e4, -6e4, math.inf, -math.inf]
    gate = torch.tensor([numbers], dtype=dtype).expand(1, 3, -1).contiguous()
    identity = coefficients([None], [len(numbers)])[0].to(torch.device("cpu"), dtype)
    bits = {2: torch.int16, 4: torch.int32, 8: torch.int64}[gate.element_size()]
    assert torch.equal(identity.apply(gate).view(bits), gate.view(bits))


@pytest.mark.parametrize("mode", list(Mode))
def test_strength_zero_is_the_baseline_in_every_mode(mode):
    baseline = steering(mode, {"happy": 0.0, "sad": 0.0, "surprise": 0.0})
    assert baseline.is_identity
    assert not steering(mode, {"happy": 0.0, "sad": 0.5}).is_identity
    assert steering(mode, {}).is_identity
    assert steering(mode, {"angry": 1.0}).is_identity  # its mask is empty
    assert steering(mode, {"sad": 1.0}, layers=(1, 1)).is_identity  # its neurons sit in layer 0
    gate = torch.randn(1, 4, 3)
    for layer in coefficients([baseline], (3, 3)):
        assert torch.equal(layer.apply(gate), gate)


def test_blends_add_up_where_emotions_share_a_neuron():
    both = {"happy": 0.25, "sad": 0.5}
    gain, add, clamp, off = (coefficients([steering(mode, both)], (3, 3))[0] for mode in Mode)
    assert gain.scale.flatten().tolist() == [1.75, 1.5, 1.0]
    assert add.shift.flatten().tolist() == [0.75, 0.5, 0.0]
    assert clamp.floor.flatten().tolist() == [0.5, 0.5, -math.inf]
    assert off.apply(torch.full((1, 1, 3), -7.0)).flatten().tolist() == [0.0, 0.0, -7.0]
    assert not off.apply(torch.full((1, 1, 3), -7.0)).signbit()[..., :2].any()
    for one in (gain, add, clamp, off):
        assert {tuple(value.shape) for value in (one.scale, one.shift, one.floor)} == {(1, 1, 3)}
        assert {value.dtype for value in (one.scale, one.shift, one.floor)} == {torch.float32}


def test_the_layer_window_includes_both_ends():
    for window, expected in (
        ((0, 0), [[2, 1, 1], [1, 1, 1]]),
        ((1, 1), [[1, 1, 1], [1, 1, 2]]),
        ((0, 1), [[2, 1, 1], [1, 1, 2]]),
    ):
        layers = coefficients([steering(Mode.GAIN, {"happy": 1.0}, window)], (3, 3))
        assert [layer.scale.flatten().tolist() for layer in layers] == expected


@pytest.mark.parametrize("strength", [-0.1, math.nan, math.inf])
def test_strengths_below_zero_or_not_finite_are_refused(strength):
    with pytest.raises(StudioError, match="strength for happy must be a number of at least 0"):
        steering(Mode.GAIN, {"happy": strength})


def test_an_emotion_the_mask_does_not_hold_is_refused():
    with pytest.raises(MaskError, match=r"no neurons for surprise \(it has happy, angry, sad\)"):
        steering(Mode.GAIN, {"surprise": 0.5})


@pytest.mark.parametrize("layers", [(-1, 0), (1, 0), (0, 2)])
def test_windows_outside_the_model_are_refused(layers):
    with pytest.raises(StudioError, match="no range within 0 to 1"):
        steering(Mode.GAIN, {"happy": 1.0}, layers)


def test_a_mask_of_other_layers_is_refused():
    with pytest.raises(MaskError, match="covers 2 layers with 6 neurons, but the model has 1 with 6"):
        coefficients([steering(Mode.GAIN, {"happy": 1.0})], (6,))


def test_buffers_are_overwritten_in_place():
    first, second = (coefficients([steering(mode, {"happy": 1.0})], (3, 3))[0] for mode in (Mode.GAIN, Mode.CLAMP))
    buffer = first.to(torch.device("cpu"), torch.float32)
    before = buffer.scale.data_ptr()
    buffer.copy_(second)
    assert (buffer.scale.data_ptr(), buffer.floor.flatten().tolist()) == (before, [1.0, -math.inf, -math.inf])
    assert first.scale.flatten().tolist() == [2.0, 1.0, 1.0]


def test_names_read_as_people_write_them():
    assert [str(mode) for mode in Mode] == ["gain", "add", "clamp", "deactivate"]
    assert [str(scope) for scope in TokenScope] == ["all", "generated"]
    assert Steering(reference.make_mask((1,), {"sad": []}), Mode.GAIN, {}).scope is TokenScope.ALL
    assert isinstance(coefficients([None], (2,))[0], Coefficients)
