"""Spectrogram and level of signals whose spectrum and level are known."""

from __future__ import annotations

import numpy as np
import pytest

from studio.audio.clip import Clip
from studio.audio.spectrogram import BANDS, FLOOR_DB, HIGH_HERTZ, LOW_HERTZ, spectrogram


def tone(hertz: float, rate: int = 16_000, seconds: float = 0.5, level: float = 0.5) -> Clip:
    times = np.arange(round(seconds * rate)) / rate
    return Clip((level * np.sin(2 * np.pi * hertz * times)).astype(np.float32), rate)


def band_of(hertz: float, top: float = HIGH_HERTZ) -> float:
    def mel(value: float) -> float:
        return 1127.0 * np.log1p(value / 700.0)

    return (mel(hertz) - mel(LOW_HERTZ)) / (mel(top) - mel(LOW_HERTZ)) * (BANDS + 1) - 1


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("hertz", [120.0, 440.0, 1000.0, 3000.0])
def test_a_tone_is_loudest_in_its_own_band(hertz: float, rate: int) -> None:
    found = spectrogram(tone(hertz, rate))
    middle = found.power[10:40]
    assert np.all(np.abs(middle.argmax(1) - band_of(hertz, min(HIGH_HERTZ, rate / 2))) <= 2)
    assert middle.max() == pytest.approx(0.0, abs=0.5)


def test_the_level_is_that_of_the_samples() -> None:
    found = spectrogram(tone(200.0, level=0.5))
    assert found.level[10:40] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.3)
    assert len(found.level) == len(found.power) == 51


def test_time_is_where_the_sound_is() -> None:
    silence = np.zeros(8_000, np.float32)
    clip = Clip(np.concatenate([silence, tone(500.0).samples, silence]), 16_000)
    level = spectrogram(clip).level
    assert np.flatnonzero(level > -20)[[0, -1]] == pytest.approx([50, 100], abs=2)


def test_silence_and_nothing_are_drawn_as_nothing() -> None:
    for samples in (np.zeros(0, np.float32), np.zeros(1000, np.float32)):
        found = spectrogram(Clip(samples, 16_000))
        assert (found.power == FLOOR_DB).all()
        assert (found.level == FLOOR_DB).all()


def test_long_clips_are_analysed_in_parts_without_a_seam() -> None:
    rng = np.random.default_rng(1)
    clip = Clip(rng.normal(0, 0.1, 16_000 * 45).astype(np.float32), 16_000)
    whole = spectrogram(clip)
    part = spectrogram(Clip(clip.samples[16_000 * 40 : 16_000 * 42], 16_000))
    offset = float(np.median(whole.power[4010:4190] - part.power[10:190]))
    assert np.allclose(whole.power[4010:4190] - offset, part.power[10:190], atol=0.01)
