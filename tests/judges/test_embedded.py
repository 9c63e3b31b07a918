"""The embedded judge on lines and voices it never heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.audio.clip import Clip
from studio.audio.files import load_clip
from studio.emotions import EMOTIONS, NEUTRAL, TARGETS
from studio.errors import StudioError
from studio.judges import embedded
from studio.judges.acoustics import measure
from studio.judges.base import verdict
from studio.lalm.embedded.training.corpus import Line, analyse_file
from studio.lalm.embedded.training.train_judge import recorded, rendered
from studio.lalm.embedded.weights import FILE, unpack
from studio.paths import resources_dir


def demo(speaker: str, number: int) -> Path:
    return resources_dir() / "demo" / speaker / "Neutral" / f"{speaker}_{number:06d}.ogg"


def test_full_renderings_of_unseen_voices_are_recognised() -> None:
    judge = embedded.load()
    _, codec, _ = unpack(resources_dir() / "embedded" / FILE)
    rng = np.random.default_rng(0)
    right = dict.fromkeys(EMOTIONS, 0)
    keys = [(speaker, number) for speaker in ("0019", "0020") for number in range(1, 9)]
    for speaker, number in keys:
        path = demo(speaker, number)
        line = recorded(Line(speaker, number, "", **analyse_file(path, "")), path)
        for emotion in EMOTIONS:
            clip = rendered(line, emotion, float(emotion != NEUTRAL), codec, rng)
            right[emotion] += verdict(judge.judge(clip, line.recording)) == emotion
    assert all(right[emotion] / len(keys) >= 0.6 for emotion in EMOTIONS), right
    assert sum(right[emotion] for emotion in TARGETS) / (4 * len(keys)) >= 0.75, right


def test_a_clip_against_itself_is_neutral() -> None:
    judge = embedded.load()
    clip = load_clip(demo("0019", 9))
    assert verdict(judge.judge(clip, clip)) == NEUTRAL


def test_a_clip_can_be_judged_alone() -> None:
    scores = embedded.load().judge(load_clip(demo("0020", 9)))
    assert list(scores) == list(EMOTIONS)
    assert sum(scores.values()) == pytest.approx(1.0)


def test_pitch_level_and_length_are_measured_as_they_are() -> None:
    clip = load_clip(demo("0012", 9))
    plain = measure(clip)
    louder = measure(Clip(clip.samples * 0.5, clip.rate))
    faster = measure(Clip(clip.samples, clip.rate * 2).at_rate(16_000))
    assert louder.level == pytest.approx(plain.level - 6.02, abs=0.1)
    assert louder.pitch_median == pytest.approx(plain.pitch_median, abs=0.05)
    assert louder.bands == pytest.approx(plain.bands, abs=0.5)
    assert faster.duration == pytest.approx(plain.duration - 1, abs=0.1)
    assert faster.pitch_median == pytest.approx(plain.pitch_median + 12, abs=1)


def test_silence_and_noise_are_said_to_hold_no_voice() -> None:
    judge = embedded.load()
    noise = np.random.default_rng(0).normal(0, 0.05, 16_000).astype(np.float32)
    for samples in (np.zeros(16_000, np.float32), noise, np.zeros(10, np.float32)):
        with pytest.raises(StudioError, match="no voiced speech"):
            judge.judge(Clip(samples, 16_000, "hiss"))


@pytest.mark.parametrize("content", [None, b"", b"not a judge"])
def test_an_unreadable_judge_is_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / embedded.FILE).write_bytes(content)
    with pytest.raises(StudioError, match="cannot be read"):
        embedded.load(tmp_path)
