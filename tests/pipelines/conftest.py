from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.audio.clip import Clip
from studio.audio.files import save_flac
from studio.corpora.base import Utterance
from tests.pipelines.toy import RATE, ToyJudge, ToyModel

WORDS = "the old house near river is still not mine today".split()


def make_corpus(folder: Path, speakers: int = 3, lines: int = 7) -> list[Utterance]:
    """Neutral tones and noise of different lengths, a speaker each in a register of its own."""
    utterances = []
    for speaker in range(speakers):
        for line in range(1, lines + 1):
            draw = np.random.default_rng([speaker, line])
            times = np.arange(int(RATE * draw.uniform(0.3, 1.4))) / RATE
            samples = 0.3 * np.sin(2 * np.pi * (100 + 60 * speaker + 15 * line) * times) + draw.normal(
                0, 0.02, len(times)
            )
            path = folder / f"s{speaker}" / f"s{speaker}_{line:06d}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            save_flac(path, Clip(samples.astype(np.float32), RATE))
            text = " ".join(draw.permutation(WORDS)[:7])
            utterances.append(Utterance(f"s{speaker}", line, "neutral", path, text))
    return utterances


def texts_of(utterances: list[Utterance]) -> dict[str, str]:
    return {each.path.stem: each.text or "" for each in utterances}


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture
def model(corpus):
    model = ToyModel(texts_of(corpus))
    yield model
    model.close()


@pytest.fixture
def judge():
    return ToyJudge()
