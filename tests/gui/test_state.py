"""The plain values behind the window."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.gui.audition.steering import translate
from studio.gui.formats import clock, decibels, steering_summary, strength
from studio.gui.intensity import RANGES, measured_range
from studio.gui.shown import ShownMask, Steer
from studio.gui.state import StudioState
from tests.gui.standin import WIDTHS, make_mask


def shown_mask(emotions: tuple[str, ...] = ("happy", "angry"), layers: int = 8) -> ShownMask:
    mask = make_mask(WIDTHS[:layers], emotions=emotions)
    counts = {emotion: tuple(mask.histogram(emotion).tolist()) for emotion in emotions}
    return ShownMask(mask, "test", Path("test"), WIDTHS[:layers], counts)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0:00.00"), (2.38, "0:02.38"), (59.999, "1:00.00"), (600.0, "10:00.00"), (-1, "0:00.00")],
)
def test_times_read_minutes_seconds_hundredths(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_numbers_read_as_designed() -> None:
    assert strength(0.5) == "0.50"
    assert decibels(-1.26) == "\u22121.3\u00a0dB"
    assert decibels(-0.04) == "+0.0\u00a0dB"


def test_what_steers_a_take_is_said_in_a_few_words() -> None:
    assert steering_summary("angry", "gain", {"angry": 0.6, "sad": 0.0}) == "gain 0.60"
    assert (
        steering_summary("happy", "add", {"angry": 0.6, "sad": 0.2}, (1, 4)) == "add angry 0.60, sad 0.20, layers 1–4"
    )
    assert steering_summary("sad", "deactivate", {"sad": 1.0}, (3, 3)) == "deactivate sad, layer 3"
    assert steering_summary("sad", "gain", {}, (1, 2)) == "baseline"


def test_settings_that_cannot_differ_in_sound_are_equal() -> None:
    target = Steer(target="angry", seed=3, content="lock")
    steered = Steer(target="angry", mode="add", strengths={"sad": 0.0, "angry": 0.2}, layers=(1, 2))
    assert Steer(target="angry", mode="clamp", layers=(0, 1), seed=3, content="lock").canonical() == target
    assert steered.canonical() == Steer(target="angry", mode="add", strengths={"angry": 0.2}, layers=(1, 2))
    assert steered.baseline() == Steer(target="angry")


def test_baselines_go_to_a_and_steered_takes_to_b_unless_locked(qapp: object) -> None:
    state = StudioState()
    assert (state.lane_for(baseline=True), state.lane_for(baseline=False)) == ("A", "B")
    state.set_locked("B", True)
    assert (state.lane_for(baseline=True), state.lane_for(baseline=False)) == ("A", "A")
    state.set_locked("A", True)
    assert state.lane_for(baseline=True) is None


def test_another_mask_drops_what_it_cannot_steer(qapp: object) -> None:
    state = StudioState()
    state.set_mask(shown_mask(("happy", "angry"), 8))
    state.set_steer(Steer(target="angry", strengths={"happy": 0.2, "angry": 0.4}, layers=(5, 7)))
    state.set_mask(shown_mask(("angry",), 4))
    assert dict(state.steer.strengths) == {"angry": 0.4}
    assert state.steer.layers is None


@pytest.mark.parametrize("mode", RANGES)
def test_the_slider_scale_is_monotone_and_inverts(mode: str) -> None:
    scale = RANGES[mode]
    places = [index / 50 for index in range(51)]
    values = [scale.value(place) for place in places]
    assert values == sorted(values)
    assert (values[0], values[-1]) == (0.0, scale.maximum)
    assert [scale.share(value) for value in values] == pytest.approx(places)


@pytest.mark.parametrize(
    ("value", "zone"),
    [(0.0, "off"), (0.01, "safe"), (0.5, "safe"), (0.51, "strong"), (1.0, "strong"), (1.01, "destructive")],
)
def test_gain_zones_are_the_papers(value: float, zone: str) -> None:
    assert RANGES["gain"].zone(value) == zone


def test_strengths_keep_their_meaning_across_modes() -> None:
    assert translate({"angry": 1.0}, "gain", "add") == {"angry": 0.3}
    assert translate({"angry": 0.5}, "gain", "clamp") == {"angry": 0.05}
    assert translate({"angry": 2.0, "sad": 0.0}, "gain", "deactivate") == {"angry": 1.0, "sad": 0.0}
    assert translate({"angry": 1.0}, "deactivate", "gain") == {"angry": 1.0}


def test_measured_zones_are_wide_enough_to_aim_at_and_reach_beyond_what_is_strong() -> None:
    wide = measured_range("gain", 1.2, 2.0)
    assert (wide.safe, wide.strong, wide.maximum) == (1.2, 2.0, 2.5)
    narrow = measured_range("clamp", 0.0, 0.0)
    assert 0 < narrow.safe < narrow.strong < narrow.maximum
    unbroken = measured_range("add", 8.0, 8.0)
    assert (unbroken.safe, unbroken.strong, unbroken.maximum) == (8.0, 10.0, 12.5)
    assert unbroken.zone(8.5) == "strong", "nobody measured that"
