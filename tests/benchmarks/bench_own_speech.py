"""Does a model that learns from its own speech learn what the judge hears? Run by hand:

    python -m tests.benchmarks.bench_own_speech

A Qwen2.5-Omni of tiny random weights (transformers' own classes), whose sound is a stand-in: every codec id becomes a
level, which the judge reads back. It hears anger where many ids are low; what it heard in one take of six at first.
Prints how many takes of held-out recordings it accepts, with the vectors and with random ones of the same size. This
says that the lessons work, and nothing about emotion in the real weights.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import torch

from studio.audio.clip import Clip, FloatArray
from studio.audio.files import load_clip, save_wav
from studio.corpora.base import Utterance
from studio.emotions import EMOTIONS
from studio.esn.emosteer import EmoSteering, EmoVectors, rotated
from studio.lalm.base import ConversionRequest
from studio.lalm.qwen_omni import lalm as adapter
from studio.lalm.qwen_omni.parts import Parts, Speaker
from studio.lalm.qwen_omni.teaching import QwenOmniTeacher, teach
from studio.pipelines import own_speech
from studio.pipelines.emosteer import TrainSettings, train
from tests.lalm.qwen_omni import tiny

LINES, HELD_OUT, TAKES, STEPS, RATE = 48, 24, 16, 100, 2.0
ALPHAS = (0.0, 1.0, 2.0, 3.0)
SEEDS = range(50, 58)
LOW, SHARE = 50, 0.5
SAMPLES, LEVELS = 480, 1000


class Levels:
    """In place of :class:`studio.lalm.qwen_omni.sound.SoundStream`: a level for each codec id."""

    def __init__(self, parts: Parts, speaker: Speaker, seed: int | None, cancelled: Callable[[], bool]) -> None:
        pass

    def advance(self, codes: Sequence[int], complete: bool) -> FloatArray:
        """All samples at the end."""
        return np.repeat(np.array(codes if complete else [], np.float32) / LEVELS, SAMPLES)


class CountsLow:
    """Hears anger where more than half of the codec ids are low."""

    name = "low ids"

    def judge(self, clip: Clip, reference: Clip | None = None) -> dict[str, float]:
        """See :class:`studio.judges.base.EmotionJudge`."""
        low = np.mean(np.round(clip.samples[::SAMPLES] * LEVELS) < LOW)
        return {emotion: float(emotion == ("angry" if low > SHARE else "sad")) for emotion in EMOTIONS}


def lines(teacher: QwenOmniTeacher, folder: Path, numbers: range) -> list[Utterance]:
    """Recordings whose transcripts are what the model says of them."""
    found = []
    for number in numbers:
        path = folder / f"{number}.wav"
        save_wav(path, tiny.recording(0.4 + 0.02 * (number % 7), number), "FLOAT")
        found.append(Utterance(f"s{number}", number, "neutral", path, teacher.words(path, "angry")))
    return found


def accepted(teacher: QwenOmniTeacher, held_out: Sequence[Utterance], vectors: EmoVectors, alpha: float) -> list[float]:
    """Percent of greedy and of sampled takes that the judge hears as anger."""
    judge, heard = CountsLow(), []
    for each in held_out:
        steering, source = EmoSteering(vectors, {"angry": alpha}), load_clip(each.path)
        made = teacher.model.convert(
            [ConversionRequest(source, "angry", seed=seed, emosteer=steering) for seed in (None, *SEEDS)]
        )
        heard.append([judge.judge(take.audio)["angry"] for take in made])
    table = 100 * np.array(heard)
    return [float(table[:, 0].mean()), float(table[:, 1:].mean())]


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    # Random weights rarely stop talking.
    with patch.multiple(adapter, _WORDS=(6, 0), _CODES=(30, 0), SoundStream=Levels):
        compare()


def compare() -> None:
    """Teach, and hear what came of it."""
    started = time.monotonic()
    teacher = teach(tiny.lalm(tiny.whole_model()), load_clip)
    with TemporaryDirectory() as name:
        folder = Path(name)
        learning, held_out = lines(teacher, folder, range(LINES)), lines(teacher, folder, range(1000, 1000 + HELD_OUT))
        taught = own_speech.teach(
            teacher, CountsLow(), learning, ("angry",), folder / "work", takes=TAKES,
            on_note=lambda note: print(note, file=sys.stderr),
        )  # fmt: skip
        settings = TrainSettings(("angry",), steps=STEPS, learning_rate=RATE)
        vectors = train(teacher, learning, settings, folder / "work", taught=taught)
        facts = vectors.metadata["training"]
        sys.stdout.write(f"loss {facts['loss_at_first']['angry']:.2f} to {facts['loss_at_last']['angry']:.2f}\n")
        sys.stdout.write("accepted, %, greedy / sampled, at alpha " + " ".join(f"{alpha:g}" for alpha in ALPHAS) + "\n")
        compared = {"learnt": vectors} | {f"random {seed}": rotated(vectors, seed) for seed in range(3)}
        for title, each in compared.items():
            row = [accepted(teacher, held_out, each, alpha) for alpha in ALPHAS]
            cells = "  ".join(f"{greedy:3.0f} / {sampled:2.0f}" for greedy, sampled in row)
            sys.stdout.write(f"{title:<9} {cells}\n")
    sys.stdout.write(f"{time.monotonic() - started:.0f} s\n")


if __name__ == "__main__":
    main()
