"""Vocoder, limiter, streaming and segments."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.audio.clip import Clip
from studio.lalm.base import SpeechLALM
from studio.lalm.embedded import features, limiter, segments, speech, vocoder
from studio.lalm.embedded.codec import Codec
from studio.lalm.embedded.lalm import EmbeddedLALM


@pytest.fixture(scope="module")
def codec(model: SpeechLALM) -> Codec:
    assert isinstance(model, EmbeddedLALM)
    return model._codec


@pytest.fixture(scope="module")
def voices(line: Callable[[str, int], Clip]) -> tuple[speech.Voice, speech.Voice, np.ndarray]:
    """A free and a locked voice of one line, and tokens that say it as it was."""
    from studio.lalm.embedded import tokens

    signal, factor = vocoder.normalise(line("0019", 3).samples)
    hertz = vocoder.estimate_pitch(signal)
    source = features.describe(signal, hertz)
    count = source.frames // 8
    codes = np.zeros((count, tokens.HEADS), np.int64)
    at = np.arange(count) * 8
    codes[:, 0] = tokens.RATE_OCTAVES.encode(0.0)
    codes[:, 1] = tokens.SEMITONES.encode(source.semitones[at + 2])
    codes[:, 2] = tokens.SEMITONES.encode(source.semitones[at + 6])
    codes[:, 3] = 15
    for head, scale in ((4, tokens.ENERGY_DB), (5, tokens.EFFORT), (6, tokens.BODY), (7, tokens.BREATH_DB)):
        codes[:, head] = scale.encode(0.0)
    codes[:, 8:] = np.random.default_rng(0).integers(0, tokens.CODEBOOK_SIZE, (count, tokens.CODEBOOKS))
    free = speech.Voice(source, 1 / factor)
    return free, speech.Voice(source, 1 / factor, vocoder.analyse(signal, hertz)), codes


def test_a_neutral_prosody_over_the_recordings_envelope_is_the_recording(
    voices: tuple[speech.Voice, speech.Voice, np.ndarray], codec: Codec, line: Callable[[str, int], Clip]
) -> None:
    _, locked, codes = voices
    made = speech.synthesise(codes, locked, codec)
    source = line("0019", 3).samples[: len(made)]

    def spectrum(samples: np.ndarray) -> np.ndarray:
        return np.log(features.mel_power(samples.astype(np.float64)) + 1e-5)

    difference = spectrum(made)[: len(made) // 160] - spectrum(source)[: len(made) // 160]
    assert np.abs(difference).mean() * 10 / np.log(10) < 3.0  # dB per band


@pytest.mark.parametrize("locked", [False, True])
def test_streamed_samples_equal_those_made_at_once(
    voices: tuple[speech.Voice, speech.Voice, np.ndarray], codec: Codec, locked: bool
) -> None:
    free, over_recording, codes = voices
    voice = over_recording if locked else free
    stream = speech.SpeechStream(voice, codec)
    steps = [5, 9, 10, 22, 31, len(codes)]
    parts = [stream.samples(codes[:count], stream.advance(count, count == len(codes))) for count in steps]
    whole = speech.synthesise(codes, voice, codec)
    assert sum(len(part) > 0 for part in parts) > 2
    assert np.array_equal(np.concatenate(parts), whole)
    assert len(whole) == len(codes) * speech.TOKEN_SAMPLES


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 20.0))
def test_the_limiter_turns_loud_moments_down_and_leaves_the_rest(seed: int, loudest: float) -> None:
    rng = np.random.default_rng(seed)
    signal = 0.3 * rng.uniform(-1, 1, 3_000)
    at = int(rng.integers(400, 2_600))
    signal[at] = loudest
    made = limiter.limit(signal)
    assert np.abs(made).max() <= limiter.CEILING + 1e-6
    gain = made / signal
    away = np.abs(np.arange(3_000) - at) > limiter.AHEAD_SAMPLES
    assert gain[away] == pytest.approx(1.0, abs=1e-6)
    assert np.all(gain > 0)
    assert np.abs(np.diff(gain)).max() < 1 / limiter.AHEAD_SAMPLES + 1e-6, "it moves slowly: no click, no bent wave"
    begun = limiter.limit(signal[:1_500])
    assert np.array_equal(begun[: -limiter.AHEAD_SAMPLES], made[: 1_500 - limiter.AHEAD_SAMPLES])


@settings(max_examples=25)
@given(st.lists(st.tuples(st.floats(0.1, 3.0), st.floats(0.0, 1.5)), min_size=1, max_size=6), st.integers(0, 319))
def test_segments_cover_the_recording_and_are_short(pieces: list[tuple[float, float]], odd: int) -> None:
    rng = np.random.default_rng(0)
    parts = [np.zeros(odd)]
    for talk, pause in pieces:
        parts += [0.1 * rng.standard_normal(int(talk * 16_000)), 1e-5 * rng.standard_normal(int(pause * 16_000))]
    signal = np.concatenate(parts)
    found = segments.split(signal)
    assert found[0].start == found[0].lead
    assert found[-1].stop + found[-1].tail == len(signal)
    assert all(first.stop == second.start for first, second in pairwise(found))
    assert all(segment.stop - segment.start <= segments.LONGEST * 16_000 for segment in found)
    assert all(segment.start % vocoder.HOP == 0 for segment in found)
