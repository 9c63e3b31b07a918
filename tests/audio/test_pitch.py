from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.audio.clip import Clip
from studio.audio.files import load_clip
from studio.audio.pitch import SILENCE_DB, level_track, median_hertz, pitch_track

DEMO = Path(__file__).parents[2] / "resources" / "demo"


def harmonic(hertz: np.ndarray, rate: int) -> Clip:
    """A buzz with a falling spectrum that follows ``hertz``, one value per sample."""
    phase = 2 * np.pi * np.cumsum(hertz) / rate
    samples = sum(np.sin(k * phase) / k for k in range(1, 8))
    return Clip((0.2 * np.asarray(samples)).astype(np.float32), rate)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("hertz", [80.0, 150.0, 400.0])
def test_a_steady_voice_has_its_pitch(rate: int, hertz: float) -> None:
    track = pitch_track(harmonic(np.full(rate, hertz), rate))
    assert median_hertz(track) == pytest.approx(hertz, rel=0.01)
    assert np.mean(np.isfinite(track.hertz)) > 0.9
    np.testing.assert_allclose(np.diff(track.times), 0.005)


def test_a_glide_is_followed_in_time() -> None:
    rate = 16_000
    course = np.linspace(120.0, 240.0, rate)
    track = pitch_track(harmonic(course, rate))
    voiced = np.isfinite(track.hertz)
    expected = np.interp(track.times[voiced], np.arange(rate) / rate, course)
    assert np.median(np.abs(track.hertz[voiced] / expected - 1)) < 0.02


def test_noise_and_silence_are_unvoiced() -> None:
    silence = pitch_track(Clip(np.zeros(16_000, np.float32), 16_000))
    assert np.isnan(silence.hertz).all()
    assert np.isnan(median_hertz(silence))
    noise = pitch_track(Clip(np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32), 16_000))
    assert np.mean(np.isfinite(noise.hertz)) < 0.5


@pytest.mark.parametrize("count", [0, 1, 2, 79, 80, 81, 500])
def test_the_shortest_clips_have_as_many_frames_as_time(count: int) -> None:
    clip = Clip(np.full(count, 0.1, np.float32), 16_000)
    pitch, level = pitch_track(clip), level_track(clip)
    assert len(pitch.times) == len(pitch.hertz) == len(level.times) == len(level.decibels)
    assert len(pitch.times) == (0 if count == 0 else count // 80 + 1)


def test_real_speech_has_a_speaking_voice() -> None:
    clip = load_clip(DEMO / "0011" / "Neutral" / "0011_000001.ogg")
    track = pitch_track(clip)
    voiced = track.hertz[np.isfinite(track.hertz)]
    assert 70 < median_hertz(track) < 350
    assert 0.2 < len(voiced) / len(track.hertz) < 0.95
    assert track.times[-1] <= clip.seconds


def test_level_of_a_sine_is_its_rms_and_of_silence_the_floor() -> None:
    rate = 16_000
    sine = 0.5 * np.sin(2 * np.pi * 200 * np.arange(rate) / rate)
    samples = np.concatenate([sine, np.zeros(rate)]).astype(np.float32)
    track = level_track(Clip(samples, rate))
    inside = (track.times > 0.05) & (track.times < 0.95)
    np.testing.assert_allclose(track.decibels[inside], 20 * np.log10(0.5 / np.sqrt(2)), atol=0.1)
    assert np.all(track.decibels[track.times > 1.05] == SILENCE_DB)
