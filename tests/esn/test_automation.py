"""Strengths that change over the take: the curve itself, and gates that follow it."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Qwen2Config, Qwen2Model

from studio.errors import StudioError
from studio.esn.automation import Automation
from studio.esn.errors import TapError
from studio.esn.intervention import Mode, Steering, TokenScope, coefficients
from studio.esn.taps import GateTaps
from tests.esn import reference

WIDTHS = (24, 24)
STEPS = 5


@st.composite
def curves(draw: st.DrawFn) -> Automation:
    times = sorted(draw(st.lists(st.floats(0, 5, width=32), min_size=1, max_size=5, unique=True)))
    return Automation(tuple((time, draw(st.floats(0, 1, width=32))) for time in times))


@settings(deadline=None)
@given(curve=curves(), seconds=st.floats(0, 6))
def test_between_its_points_a_curve_is_straight_and_outside_level(curve, seconds):
    times, shares = zip(*curve.points, strict=True)
    assert curve.at(seconds) == pytest.approx(np.interp(seconds, times, shares), abs=1e-6)


@settings(deadline=None)
@given(curve=curves(), start=st.floats(0, 3), length=st.floats(0, 3))
def test_no_time_of_a_stretch_has_less_than_its_least(curve, start, length):
    least = curve.least(start, start + length)
    samples = [curve.at(start + length * at / 400) for at in range(401)]
    inside = [share for seconds, share in curve.points if start < seconds < start + length]
    assert least == pytest.approx(min([*samples, *inside]), abs=1e-6)
    assert Automation(((0.0, 1.0), (1.0, 0.4), (2.0, 0.9))).least(0.5, 3.0) == 0.4


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        ((), "needs at least one point"),
        (((0.0, 1.5),), "shares from 0 to 1"),
        (((-1.0, 0.5),), "times are 0 or more"),
        (((0.0, math.nan),), "shares from 0 to 1"),
        (((1.0, 0.5), (0.5, 0.5)), "not in order of time"),
        (((1.0, 0.5), (1.0, 0.6)), "not in order of time"),
    ],
)
def test_a_curve_that_makes_no_sense_is_refused(points, sentence):
    with pytest.raises(StudioError, match=re.escape(sentence)):
        Automation(points)


def steering(mode=Mode.GAIN, strength=0.8, **more) -> Steering:
    rng = np.random.default_rng(3)
    chosen = [(layer, int(neuron)) for layer in range(2) for neuron in rng.choice(24, 9, replace=False)]
    return Steering(reference.make_mask(WIDTHS, {"happy": chosen}), mode, {"happy": strength}, **more)


@pytest.mark.parametrize("mode", [Mode.GAIN, Mode.ADD, Mode.CLAMP])
def test_a_share_of_the_coefficients_is_that_share_of_the_strength(mode):
    gate = torch.randn(3, 2, 24)
    shares = torch.tensor([0.0, 0.25, 1.0])
    whole = coefficients([steering(mode)] * 3, WIDTHS)
    parts = coefficients([steering(mode, 0.8 * float(share)) for share in shares], WIDTHS)
    for full, expected in zip(whole, parts, strict=True):
        assert torch.allclose(full.at_share(shares).apply(gate), expected.apply(gate), atol=1e-6)
        assert torch.equal(full.at_share(shares).apply(gate)[2], full.apply(gate)[2])
        assert torch.equal(full.at_share(shares).apply(gate)[0].view(torch.int32), gate[0].view(torch.int32))


def test_deactivation_is_on_wherever_there_is_any_share():
    gate = torch.randn(2, 1, 24)
    for full in coefficients([steering(Mode.DEACTIVATE)] * 2, WIDTHS):
        dimmed = full.at_share(torch.tensor([0.0, 0.01])).apply(gate)
        assert torch.equal(dimmed[0], gate[0])
        assert torch.equal(dimmed[1], full.apply(gate)[1])


def test_a_curve_of_zeros_is_the_baseline():
    assert steering(automation=Automation(((0.0, 0.0), (2.0, 0.0)))).is_identity
    assert not steering(automation=Automation(((0.0, 0.0), (2.0, 0.1)))).is_identity


@pytest.fixture
def model():
    torch.manual_seed(5)
    config = Qwen2Config(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        vocab_size=20,
        num_attention_heads=2,
        num_key_value_heads=1,
    )
    return Qwen2Model(config).eval()


@torch.inference_mode()
def generate(model, rows, shares=None):
    """Five single positions with the cache, ``shares`` [step][row]; last states [rows, steps, hidden]."""
    ids = torch.arange(STEPS).expand(len(rows), -1)
    gates = [layer.mlp.act_fn for layer in model.layers]
    states, cache = [], None
    with GateTaps(gates, WIDTHS) as taps:
        taps.begin(rows)
        for step in range(STEPS):
            taps.positions(None, generated=step > 1)
            if shares is not None:
                taps.intensity(shares[step])
            out = model(ids[:, step : step + 1], past_key_values=cache, use_cache=True)
            cache = out.past_key_values
            states.append(out.last_hidden_state)
        taps.end(STEPS)
    return torch.cat(states, 1)


def test_gates_follow_the_shares_step_by_step_and_row_by_row(model):
    rows = [steering(), steering(scope=TokenScope.GENERATED), steering(Mode.ADD), None]
    plain = generate(model, [None] * 4)
    full = generate(model, rows)
    assert torch.equal(generate(model, rows, [[1.0] * 4] * STEPS), full)
    assert torch.equal(generate(model, rows, [[0.0] * 4] * STEPS), plain)
    late = generate(model, rows, [[0.0] * 4] * 3 + [[1.0] * 4] * 2)
    assert torch.equal(late[:, :3], plain[:, :3])
    assert not torch.allclose(late[:3, 3:], plain[:3, 3:], atol=1e-3)
    mixed = generate(model, rows, [[1.0, 0.0, 0.5, 0.3]] * STEPS)
    assert torch.allclose(mixed[0], full[0], atol=1e-6)
    assert torch.allclose(mixed[1], plain[1], atol=1e-6)
    half = generate(model, [None, None, steering(Mode.ADD, 0.4), None])
    assert torch.allclose(mixed[2], half[2], atol=1e-6)
    assert torch.equal(mixed[3], plain[3])


def test_shares_need_a_generation_and_fit_its_rows(model):
    gates = [layer.mlp.act_fn for layer in model.layers]
    with GateTaps(gates, WIDTHS) as taps:
        with pytest.raises(TapError, match="outside of a generation"):
            taps.intensity([1.0])
        taps.begin([None, None])
        with pytest.raises(TapError, match="1 shares of strength do not fit a batch of 2 rows"):
            taps.intensity([1.0])
