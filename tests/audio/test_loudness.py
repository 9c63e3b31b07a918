from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.audio.clip import Clip
from studio.audio.loudness import (
    MAX_BOOST_DB,
    integrated_loudness,
    match_gains,
    peak_db,
    to_loudness,
    true_peak_db,
)


def tone(seconds: float = 1.0, amplitude: float = 0.5, hertz: float = 997.0, rate: int = 48_000) -> Clip:
    time = np.arange(round(seconds * rate)) / rate
    return Clip((amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.float32), rate)


def gained(clip: Clip, decibels: float) -> Clip:
    return Clip((clip.samples * 10 ** (decibels / 20)).astype(np.float32), clip.rate)


def noise(seconds: float, amplitude: float, seed: int, rate: int = 16_000) -> Clip:
    samples = amplitude * np.random.default_rng(seed).standard_normal(round(seconds * rate))
    return Clip(np.clip(samples, -1, 1).astype(np.float32), rate)


def test_a_full_scale_sine_reads_as_the_standard_says() -> None:
    # BS.1770: a 0 dBFS sine near 1 kHz in one channel is -3.01 LKFS.
    assert integrated_loudness(tone(3.0, 1.0)) == pytest.approx(-3.01, abs=0.05)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_the_sampling_rate_does_not_matter(rate: int) -> None:
    assert integrated_loudness(tone(2.0, 0.5, 500.0, rate)) == pytest.approx(
        integrated_loudness(tone(2.0, 0.5, 500.0, 48_000)), abs=0.1
    )


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.3999, 0.4])
def test_a_clip_shorter_than_a_gating_block_is_measured(seconds: float) -> None:
    assert integrated_loudness(tone(seconds)) == pytest.approx(integrated_loudness(tone(2.0)), abs=0.5)


def test_silence_and_no_samples_are_minus_infinity() -> None:
    assert integrated_loudness(Clip(np.zeros(16_000, np.float32), 16_000)) == -math.inf
    assert integrated_loudness(Clip(np.zeros(0, np.float32), 16_000)) == -math.inf
    assert peak_db(Clip(np.zeros(100, np.float32), 16_000)) == -math.inf


def test_pauses_do_not_count() -> None:
    speech = tone(1.0)
    paused = Clip(np.concatenate([speech.samples, np.zeros(96_000, np.float32)]), speech.rate)
    assert integrated_loudness(paused) == pytest.approx(integrated_loudness(speech), abs=1.0)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0.1, 1.0), st.floats(0.02, 0.6), st.integers(0, 9)),
        min_size=1,
        max_size=4,
    )
)
def test_matched_clips_are_equally_loud_and_none_clips(specs: list[tuple[float, float, int]]) -> None:
    clips = [noise(seconds, amplitude, seed) for seconds, amplitude, seed in specs]
    gains = match_gains(clips)
    matched = [gained(clip, gain) for clip, gain in zip(clips, gains, strict=True)]
    assert max(peak_db(clip) for clip in matched) <= -1.0 + 1e-3
    if max(gains) < MAX_BOOST_DB:
        loudness = [integrated_loudness(clip) for clip in matched]
        assert max(loudness) - min(loudness) < 0.05


def test_the_target_is_the_loudest_clip_when_all_have_headroom() -> None:
    quiet, loud = tone(amplitude=0.1), tone(amplitude=0.5)
    gains = match_gains([quiet, loud])
    assert gains == pytest.approx([20 * math.log10(5), 0.0], abs=0.01)


def test_a_silent_clip_is_left_alone_and_a_nearly_silent_one_is_not_lifted_without_limit() -> None:
    silent, faint, loud = Clip(np.zeros(48_000, np.float32), 48_000), tone(amplitude=0.002), tone(amplitude=0.5)
    gains = match_gains([silent, faint, loud])
    assert gains[0] == 0.0
    assert gains[1] == MAX_BOOST_DB
    assert gains[2] == pytest.approx(0.0, abs=1e-6)
    assert match_gains([silent, silent]) == [0.0, 0.0]
    assert match_gains([]) == []


def test_true_peaks_lie_between_samples() -> None:
    # A quarter of the rate, sampled 45 degrees off its crests: every sample is at 0.707 of the real peak.
    phase = np.pi / 2 * np.arange(16_000) + np.pi / 4
    clip = Clip((0.8 * np.sin(phase)).astype(np.float32), 16_000)
    assert peak_db(clip) == pytest.approx(20 * np.log10(0.8) - 3.01, abs=0.01)
    # The clip's own edges, where it stops at once, ring a little higher.
    assert 20 * np.log10(0.8) - 0.1 <= true_peak_db(clip) <= 20 * np.log10(0.8) + 1.5


@pytest.mark.parametrize("target", [-40.0, -23.0, -16.0])
def test_a_clip_is_brought_to_a_loudness(target: float) -> None:
    levelled = to_loudness(tone(amplitude=0.3), target)
    assert integrated_loudness(levelled.clip) == pytest.approx(target, abs=0.05)
    assert levelled.loudness == pytest.approx(target)
    assert levelled.limit == ""


def test_what_keeps_a_clip_from_its_loudness_is_said() -> None:
    loud = to_loudness(tone(amplitude=0.3), 0.0)
    assert true_peak_db(loud.clip) == pytest.approx(-1.0, abs=0.05)
    assert "peaks" in loud.limit
    faint = to_loudness(tone(amplitude=0.002), -16.0)
    assert faint.gain == 24.0
    assert "too quiet" in faint.limit
    silent = to_loudness(tone(amplitude=0.0), -16.0)
    assert silent.gain == 0.0
    assert "next to nothing" in silent.limit
