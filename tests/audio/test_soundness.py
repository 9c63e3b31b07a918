from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from studio.audio.files import AudioFileError
from studio.audio.soundness import examine

RATE = 16_000


def tone(seconds: float = 1.0, amplitude: float = 0.5, rate: int = RATE) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * 220 * np.arange(round(seconds * rate)) / rate)


def write(path: Path, samples: np.ndarray, rate: int = RATE, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


def test_what_is_measured(tmp_path):
    stereo = np.stack([tone(5.0, rate=44_100), tone(5.0, rate=44_100)], axis=1)
    found = examine(write(tmp_path / "a.wav", stereo, 44_100))
    assert (found.rate, found.channels, found.clipped) == (44_100, 2, 0)
    assert found.seconds == pytest.approx(5.0)
    # A sine is 3 dB below its peak.
    assert found.level == pytest.approx(20 * math.log10(0.5) - 3.01, abs=0.1)


def test_equal_samples_have_one_digest_whatever_the_container(tmp_path):
    original = write(tmp_path / "a.wav", tone())
    samples, _ = soundfile.read(original)
    same = [tmp_path / "copy.wav", write(tmp_path / "a.flac", samples), write(tmp_path / "b.wav", samples)]
    shutil.copy(original, same[0])
    assert {examine(path).digest for path in same} == {examine(original).digest}
    others = [
        write(tmp_path / "c.wav", tone(amplitude=0.51)),
        write(tmp_path / "d.wav", tone(), 8_000),
        write(tmp_path / "e.wav", tone()[:-1]),
        write(tmp_path / "f.wav", np.stack([tone()] * 2, axis=1)),
    ]
    assert len({examine(path).digest for path in (original, *others)}) == 5


def test_silence_has_no_level_and_a_click_does_not_hide_it(tmp_path):
    silence = np.zeros(RATE)
    assert examine(write(tmp_path / "a.wav", silence)).level == -math.inf
    silence[5000] = 0.9
    assert examine(write(tmp_path / "b.wav", silence)).level == -math.inf
    # A short word in a long pause is no silence.
    word = np.concatenate([np.zeros(4 * RATE), tone(0.4, 0.1), np.zeros(RATE)])
    assert examine(write(tmp_path / "c.wav", word)).level > -25


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_clipping_is_counted_in_places(tmp_path, subtype):
    loud = np.clip(tone(0.1, 1.5), -1.0, 1.0)
    found = examine(write(tmp_path / "a.wav", loud, subtype=subtype))
    # 22 periods of 220 Hz, cut off above and below.
    assert found.clipped == 44
    below = examine(write(tmp_path / "b.wav", tone(0.1, 0.9999), subtype=subtype))
    assert below.clipped == 0


def test_a_peak_scaled_to_fit_is_not_clipped(tmp_path):
    samples = tone(1.0, 0.3)
    samples[100:102] = 1.0
    assert examine(write(tmp_path / "a.wav", samples)).clipped == 0


def test_clipping_in_one_channel_is_heard_through_the_mix(tmp_path):
    stereo = np.stack([np.clip(tone(0.1, 1.5), -1.0, 1.0), tone(0.1, 0.1)], axis=1)
    assert examine(write(tmp_path / "a.wav", stereo)).clipped == 44


def test_a_clip_shorter_than_a_frame(tmp_path):
    found = examine(write(tmp_path / "a.wav", tone(0.005)))
    assert found.seconds == pytest.approx(0.005)
    assert found.level > -20
    assert examine(write(tmp_path / "b.wav", np.full(1, 0.5))).clipped == 0


def test_damage_is_one_sentence(tmp_path):
    path = write(tmp_path / "a.wav", tone())
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(AudioFileError, match=r"'a\.wav' is damaged or cut short"):
        examine(path)
