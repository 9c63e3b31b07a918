from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.audio.clip import FloatArray
from studio.audio.mixer import FADE_SECONDS, GRAIN_SECONDS, Mixer, SampleBuffer

RATE = 1_000
FADE = round(FADE_SECONDS * RATE)
GRAIN = round(GRAIN_SECONDS * RATE)
STEEPEST = math.pi / 2 / FADE
"""Largest step of the sin^2 fade between samples, for a source at full scale."""


def ramp(count: int, offset: float = 0.0) -> FloatArray:
    """Samples that tell their own position: offset + n / 10000."""
    return (offset + np.arange(count) / 10_000).astype(np.float32)


def playing(samples: FloatArray, rate: int = RATE) -> Mixer:
    mixer = Mixer(rate)
    mixer.select(SampleBuffer(samples))
    mixer.play()
    return mixer


def blocks(mixer: Mixer, sizes: Iterable[int]) -> FloatArray:
    return np.concatenate([mixer.render(size) for size in sizes])


# Playing


def test_after_the_fade_in_the_samples_are_those_of_the_source() -> None:
    samples = ramp(300, 0.1)
    heard = playing(samples).render(200)
    np.testing.assert_allclose(heard[FADE:], samples[FADE:200], rtol=1e-6)
    assert heard[0] == 0.0
    assert np.all(np.diff(heard[: FADE + 1]) >= 0)


def test_nothing_is_heard_before_play_and_after_stop_and_the_position_stays() -> None:
    mixer = Mixer(RATE)
    mixer.select(SampleBuffer(ramp(500, 0.3)))
    assert not mixer.render(50).any()
    mixer.play()
    mixer.render(100)
    mixer.stop()
    assert mixer.position == 100
    fading = mixer.render(50)
    assert np.all(np.diff(fading[: FADE + 1]) < 0)
    assert not fading[FADE:].any()
    assert mixer.position == 100
    assert not mixer.playing
    mixer.play()
    assert mixer.render(50)[FADE:] == pytest.approx(ramp(500, 0.3)[100 + FADE : 150], rel=1e-6)


def test_the_end_is_told_once_and_play_begins_again() -> None:
    mixer = playing(ramp(120, 0.1))
    mixer.render(119)
    assert (mixer.playing, mixer.ends) == (True, 0)
    heard = mixer.render(30)
    assert heard[0] != 0
    assert not heard[1:].any()
    mixer.render(30)
    assert (mixer.playing, mixer.ends, mixer.position) == (False, 1, 120)
    mixer.play()
    assert mixer.position == 0
    np.testing.assert_allclose(mixer.render(50)[FADE:], ramp(120, 0.1)[FADE:50], rtol=1e-6)


def test_seeking_moves_at_once_for_who_asks_and_fades_for_who_hears() -> None:
    mixer = playing(np.where(np.arange(1000) < 500, 0.5, -0.5).astype(np.float32))
    mixer.render(100)
    mixer.seek(700)
    assert mixer.position == 700
    heard = mixer.render(50)
    assert mixer.position == 750
    assert heard[0] == pytest.approx(0.5)
    assert heard[FADE:] == pytest.approx(-0.5)
    assert np.abs(np.diff(heard)).max() <= STEEPEST + 1e-6
    mixer.seek(-5)
    assert mixer.position == 0


def test_seeking_to_where_it_is_again_and_again_is_not_heard_as_clicks() -> None:
    mixer = playing(np.full(5000, 0.8, np.float32))
    heard = [mixer.render(20)]
    for _ in range(50):
        mixer.seek(mixer.position)
        heard.append(mixer.render(7))
    assert np.abs(np.diff(np.concatenate(heard))).max() <= 3 * STEEPEST


def test_a_source_cut_off_in_mid_sound_fades_out_into_its_end() -> None:
    heard = playing(np.full(200, 0.8, np.float32)).render(250)
    np.testing.assert_allclose(heard[FADE : 200 - FADE], 0.8, rtol=1e-6)
    assert np.abs(np.diff(heard)).max() <= 0.8 * STEEPEST + 1e-6
    assert not heard[200:].any()


# Swapping


def test_a_swap_keeps_the_position_and_crosses_over_smoothly() -> None:
    first, second = ramp(1000, 0.2), -ramp(1000, 0.5)
    mixer = playing(first)
    mixer.render(400)
    mixer.select(SampleBuffer(second))
    assert mixer.position == 400
    heard = mixer.render(100)
    assert heard[0] == pytest.approx(first[400], rel=1e-6)
    np.testing.assert_allclose(heard[FADE:], second[400 + FADE : 500], rtol=1e-5)
    share = np.sin(np.arange(FADE) / FADE * np.pi / 2) ** 2
    expected = first[400 : 400 + FADE] * (1 - share) + second[400 : 400 + FADE] * share
    np.testing.assert_allclose(heard[:FADE], expected, atol=1e-6)


def test_swapping_between_identical_sources_leaves_no_trace() -> None:
    samples = np.sin(np.arange(2000) / 7).astype(np.float32) * 0.9
    plain, swapped = playing(samples), playing(samples)
    expected = plain.render(1000)
    heard = [swapped.render(200)]
    for _ in range(8):
        swapped.select(SampleBuffer(samples))
        heard.append(swapped.render(100))
    np.testing.assert_allclose(np.concatenate(heard), expected, atol=1e-6)


def test_a_missing_source_is_silence_that_waits() -> None:
    mixer = playing(np.full(1000, 0.5, np.float32))
    mixer.render(100)
    mixer.select(None)
    assert not mixer.render(60)[FADE:].any()
    assert (mixer.position, mixer.playing) == (100, True)
    mixer.select(SampleBuffer(np.full(1000, 0.25, np.float32)))
    assert mixer.render(60)[FADE:] == pytest.approx(0.25)


def test_swapping_to_a_source_that_is_already_over_ends_playback() -> None:
    mixer = playing(np.full(1000, 0.5, np.float32))
    mixer.render(600)
    mixer.select(SampleBuffer(np.full(500, 0.5, np.float32)))
    heard = mixer.render(50)
    assert (mixer.playing, mixer.ends) == (False, 1)
    assert np.abs(np.diff(heard)).max() <= 0.5 * STEEPEST + 1e-6


# Looping


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_a_loop_wraps_on_the_exact_frame(block: int) -> None:
    samples = ramp(2000)
    mixer = playing(samples)
    mixer.loop((100, 200))
    heard = blocks(mixer, [block] * -(-1000 // block))[:1000]
    times = np.arange(1000)
    expected = samples[np.where(times < 200, times, 100 + (times - 100) % 100)]
    settled = (times >= FADE) & ((times < 200) | ((times - 100) % 100 >= FADE))
    np.testing.assert_allclose(heard[settled], expected[settled], rtol=1e-6)
    if 1000 % block == 0:
        assert mixer.position == 200
    assert mixer.ends == 0


def test_a_loop_over_all_repeats_whatever_length_is_heard() -> None:
    mixer = playing(np.full(300, 0.5, np.float32))
    mixer.loop((0, None))
    mixer.render(350)
    assert mixer.position == 50
    mixer.select(SampleBuffer(np.full(120, 0.5, np.float32)))
    mixer.render(100)
    assert mixer.position == 30


def test_a_source_shorter_than_the_region_keeps_step_in_silence() -> None:
    long, short = playing(np.full(1000, 0.5, np.float32)), playing(np.full(450, 0.5, np.float32))
    for mixer in (long, short):
        mixer.loop((300, 600))
        mixer.render(1700)
    assert long.position == short.position == 500
    assert not short.render(100)[FADE:].any()


def test_playback_behind_the_region_goes_on_to_the_end_and_returns() -> None:
    mixer = playing(np.full(1000, 0.5, np.float32))
    mixer.loop((100, 200))
    mixer.seek(900)
    mixer.render(90)
    assert mixer.position == 990
    mixer.render(30)
    assert mixer.position == 120


@pytest.mark.parametrize("region", [(50, 50), (50, 10), (50, 51), (299, None), (5000, None), (-40, 3)])
def test_regions_too_short_to_hear_are_widened(region: tuple[int, int | None]) -> None:
    mixer = playing(np.full(300, 0.5, np.float32))
    mixer.loop(region)
    heard = mixer.render(3000)
    assert np.abs(np.diff(heard)).max() <= 2 * STEEPEST
    assert mixer.playing


# Sources that grow


def test_playing_a_growing_source_is_playing_the_whole() -> None:
    samples = (0.9 * np.sin(np.arange(3000) / 11)).astype(np.float32)
    buffer = SampleBuffer(finished=False)
    mixer = Mixer(RATE)
    mixer.select(buffer)
    mixer.play()
    heard = []
    buffer.append(samples[:400])
    for start in range(400, 3000, 200):
        heard.append(mixer.render(150))
        buffer.append(samples[start : start + 200])
    buffer.finish()
    while mixer.playing:
        heard.append(mixer.render(150))
    np.testing.assert_allclose(np.concatenate(heard)[FADE : 3000 - FADE], samples[FADE:-FADE], atol=1e-6)


def test_running_dry_is_a_gap_without_a_click_and_nothing_is_skipped() -> None:
    samples = np.full(2000, 0.7, np.float32)
    buffer = SampleBuffer(samples[:500], finished=False)
    mixer = Mixer(RATE)
    mixer.select(buffer)
    mixer.play()
    heard = [mixer.render(800)]
    assert mixer.position == 500 - FADE
    assert mixer.playing
    buffer.append(samples[:50])
    heard.append(mixer.render(100))
    assert not heard[-1].any(), "too little to go on with"
    buffer.append(samples[:450])
    heard.append(mixer.render(200))
    assert mixer.position == 700 - FADE
    buffer.finish()
    heard.append(mixer.render(1000))
    assert (mixer.position, mixer.ends) == (1000, 1)
    assert np.abs(np.diff(np.concatenate(heard))).max() <= 0.7 * STEEPEST + 1e-6


def test_a_source_without_samples_yet_waits_and_an_empty_one_ends() -> None:
    mixer = Mixer(RATE)
    buffer = SampleBuffer(finished=False)
    mixer.select(buffer)
    mixer.play()
    assert not mixer.render(100).any()
    assert mixer.playing
    buffer.finish()
    mixer.render(1)
    assert (mixer.playing, mixer.ends) == (False, 1)


def test_a_growing_source_can_be_looped_before_its_end_is_known() -> None:
    buffer = SampleBuffer(np.full(400, 0.5, np.float32), finished=False)
    mixer = Mixer(RATE)
    mixer.select(buffer)
    mixer.loop((100, None))
    mixer.play()
    mixer.render(1000)
    assert mixer.position == 400 - FADE
    buffer.finish()
    mixer.render(FADE + 50)
    assert mixer.position == 150


@settings(deadline=None)
@given(st.lists(st.integers(0, 300), max_size=30))
def test_a_buffer_holds_what_was_appended(sizes: list[int]) -> None:
    buffer = SampleBuffer(finished=False)
    chunks = [np.random.default_rng(i).random(size).astype(np.float32) for i, size in enumerate(sizes)]
    for chunk in chunks:
        buffer.append(chunk)
    samples, length, finished = buffer.view()
    assert not finished
    assert len(buffer) == length == sum(sizes)
    np.testing.assert_array_equal(samples[:length], np.concatenate([*chunks, np.zeros(0, np.float32)]))
    buffer.finish()
    assert buffer.finished
    with pytest.raises(ValueError, match="cannot grow"):
        buffer.append(np.zeros(1, np.float32))


# Level


def test_a_gain_changes_smoothly_and_arrives_exactly() -> None:
    buffer = SampleBuffer(np.full(1000, 0.5, np.float32), gain=1.0)
    mixer = Mixer(RATE)
    mixer.select(buffer)
    mixer.play()
    mixer.render(100)
    buffer.gain = 0.25
    heard = blocks(mixer, [3] * 40)
    assert np.all(np.diff(heard) <= 0)
    assert np.abs(np.diff(heard)).max() <= 0.5 / (0.020 * RATE) + 1e-6
    assert heard[-1] == np.float32(0.125)


def test_the_meter_shows_the_last_block_and_nothing_leaves_full_scale() -> None:
    buffer = SampleBuffer(np.concatenate([np.full(100, -0.4), np.full(900, 0.9)]).astype(np.float32))
    mixer = Mixer(RATE)
    mixer.select(buffer)
    mixer.play()
    mixer.render(50)
    assert mixer.level == pytest.approx(0.4)
    mixer.render(200)
    assert mixer.level == pytest.approx(0.9)
    buffer.gain = 4.0
    mixer.render(200)
    assert mixer.level == 1.0
    mixer.stop()
    mixer.render(200)
    mixer.render(10)
    assert mixer.level == 0.0


# Any order of events

EVENTS = st.one_of(
    st.just(("play",)),
    st.just(("stop",)),
    st.tuples(st.just("seek"), st.integers(0, 500)),
    st.tuples(st.just("select"), st.integers(0, 3)),
    st.tuples(st.just("loop"), st.none() | st.tuples(st.integers(0, 400), st.none() | st.integers(0, 500))),
    st.tuples(st.just("append"), st.integers(1, 150)),
    st.just(("finish",)),
)
SCRIPT = st.lists(st.tuples(EVENTS, st.integers(0, 120)), min_size=1, max_size=15)


def perform(script: list[tuple[tuple, int]], sizes: Callable[[int], list[int]]) -> tuple[FloatArray, list[int], int]:
    """What is heard, the position after each event's stretch, and the number of ends."""
    sources: list[SampleBuffer | None] = [
        SampleBuffer(np.full(400, 0.3, np.float32)),
        SampleBuffer(np.full(250, -0.3, np.float32)),
        SampleBuffer(finished=False),
        None,
    ]
    growing = sources[2]
    assert growing is not None
    mixer = Mixer(RATE)
    mixer.select(sources[0])
    mixer.play()
    heard, positions = [np.zeros(0, np.float32)], []
    for (name, *values), stretch in script:
        if name == "select":
            mixer.select(sources[values[0]])
        elif name == "append":
            if not growing.finished:
                growing.append(np.full(values[0], 0.2, np.float32))
        elif name == "finish":
            growing.finish()
        else:
            getattr(mixer, name)(*values)
        heard += [mixer.render(size) for size in sizes(stretch)]
        positions.append(mixer.position)
    return np.concatenate(heard), positions, mixer.ends


@settings(max_examples=150, deadline=None)
@given(SCRIPT, st.integers(2, 70))
def test_block_sizes_are_not_heard(script: list[tuple[tuple, int]], size: int) -> None:
    # One frame at a time is the plain reading of the rules; whole blocks must come to the same.
    by_frame = perform(script, lambda stretch: [1] * stretch)
    by_block = perform(script, lambda stretch: [size] * (stretch // size) + [stretch % size])
    np.testing.assert_allclose(by_frame[0], by_block[0], atol=1e-5)
    assert by_frame[1:] == by_block[1:]


@settings(max_examples=150, deadline=None)
@given(SCRIPT)
def test_no_order_of_events_clicks(script: list[tuple[tuple, int]]) -> None:
    # Sources are constant, so every step that is heard was made by the mixer. Events may come closer together than a
    # fade lasts: each one under way adds the slope of its own fade to that of what it found.
    heard, _, _ = perform(script, lambda stretch: [stretch])
    events = np.zeros(len(heard) + 1)
    np.add.at(events, np.cumsum([0, *(stretch for _, stretch in script[:-1])]), 1)
    under_way = np.convolve(events, np.ones(2 * FADE + 1))[: len(heard)]
    allowed = 0.3 * STEEPEST * (2 * under_way + 2) + 1e-5
    assert np.all(np.abs(np.diff(heard, prepend=0.0)) <= allowed)


# Another rate


def test_another_rate_keeps_time_and_loop() -> None:
    mixer = Mixer(1_000)
    mixer.seek(500)
    mixer.loop((250, 750))
    other = mixer.at_rate(2_000)
    assert (other.rate, other.position, other.playing) == (2_000, 1_000, False)
    other.select(SampleBuffer(np.full(4_000, 0.5, np.float32)))
    other.play()
    other.render(700)
    assert other.position == 700


# Scrubbing


def scrubbing(samples: FloatArray) -> Mixer:
    mixer = Mixer(RATE)
    mixer.select(SampleBuffer(samples))
    return mixer


def test_while_stopped_scrubbing_plays_one_grain_and_the_position_stays_where_the_mouse_is() -> None:
    samples = ramp(1000, 0.1)
    mixer = scrubbing(samples)
    mixer.seek(400, scrub=True)
    heard = blocks(mixer, [30] * 5)
    np.testing.assert_allclose(heard[FADE:GRAIN], samples[400 + FADE : 400 + GRAIN], rtol=1e-6)
    assert not heard[GRAIN + FADE :].any()
    assert np.abs(np.diff(heard)).max() <= STEEPEST * 0.2
    assert (mixer.position, mixer.playing, mixer.ends) == (400, False, 0)


def test_a_grain_is_heard_out_and_then_comes_the_newest_place() -> None:
    samples = ramp(1000, 0.1)
    mixer = scrubbing(samples)
    mixer.seek(100, scrub=True)
    heard = [mixer.render(20)]
    for frame in (300, 500, 700):
        mixer.seek(frame, scrub=True)
        heard.append(mixer.render(20))
        assert mixer.position == frame, "the position is that of the mouse at once"
    heard.append(blocks(mixer, [20] * 5))
    sounds = np.concatenate(heard)
    np.testing.assert_allclose(sounds[FADE:GRAIN], samples[100 + FADE : 100 + GRAIN], rtol=1e-6)
    second = sounds[GRAIN:]
    np.testing.assert_allclose(second[FADE : GRAIN - FADE], samples[700 + FADE : 700 + GRAIN - FADE], rtol=1e-6)
    assert np.abs(np.diff(sounds)).max() <= STEEPEST


def test_while_playing_scrubbing_is_seeking() -> None:
    samples = ramp(1000, 0.1)
    mixer = playing(samples)
    mixer.render(100)
    mixer.seek(600, scrub=True)
    heard = mixer.render(200)
    np.testing.assert_allclose(heard[FADE:], samples[600 + FADE : 800], rtol=1e-6)
    assert (mixer.position, mixer.playing) == (800, True)


def test_play_goes_on_from_where_the_mouse_is_even_within_a_grain() -> None:
    samples = ramp(1000, 0.1)
    mixer = scrubbing(samples)
    mixer.seek(400, scrub=True)
    mixer.render(40)
    mixer.play()
    heard = mixer.render(100)
    np.testing.assert_allclose(heard[FADE:], samples[400 + FADE : 500], rtol=1e-6)
    assert mixer.position == 500
    mixer.stop()
    mixer.render(FADE + 1)
    assert not mixer.render(100).any(), "stopping starts no grain"


@pytest.mark.parametrize("finished", [True, False])
def test_a_grain_at_the_end_is_short_and_without_a_click(finished: bool) -> None:
    buffer = SampleBuffer(np.full(450, 0.5, np.float32), finished=finished)
    mixer = Mixer(RATE)
    mixer.select(buffer)
    mixer.seek(400, scrub=True)
    heard = blocks(mixer, [25] * 6)
    assert heard[FADE : 2 * FADE] == pytest.approx(0.5)
    assert not heard[50:].any()
    assert np.abs(np.diff(heard)).max() <= STEEPEST
    mixer.seek(700, scrub=True)
    assert not blocks(mixer, [25] * 6).any()
    assert (mixer.position, mixer.ends) == (700, 0)


def test_without_a_source_scrubbing_moves_and_is_silent() -> None:
    mixer = Mixer(RATE)
    for frame in (100, 200):
        mixer.seek(frame, scrub=True)
        assert not mixer.render(20).any()
        assert mixer.position == frame
    mixer.select(SampleBuffer(ramp(500, 0.1)))
    assert not mixer.render(50).any()


def test_another_source_may_come_with_a_position_of_its_own() -> None:
    first, second = ramp(1000, 0.1), ramp(1000, 0.4)
    mixer = playing(first)
    mixer.render(200)
    mixer.select(SampleBuffer(second), 300)
    assert mixer.position == 300
    heard = mixer.render(100)
    np.testing.assert_allclose(heard[FADE:], second[300 + FADE : 400], rtol=1e-6)
