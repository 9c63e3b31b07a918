"""The shipped model and demo lines, loaded once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from studio.audio.clip import Clip
from studio.audio.files import load_clip
from studio.esn.mask import EsnMask
from studio.lalm import embedded
from studio.lalm.base import SpeechLALM
from studio.paths import resources_dir


@pytest.fixture(scope="session")
def model() -> Iterator[SpeechLALM]:
    torch.set_num_threads(1)
    loaded = embedded.load()
    yield loaded
    loaded.close()


@pytest.fixture(scope="session")
def line() -> Callable[[str, int], Clip]:
    def load(speaker: str, number: int) -> Clip:
        return load_clip(resources_dir() / "demo" / speaker / "Neutral" / f"{speaker}_{number:06d}.ogg")

    return load


@pytest.fixture(scope="session")
def everywhere() -> EsnMask:
    """A mask with every neuron for angry and for sad."""
    pairs = np.array([(layer, neuron) for layer in range(5) for neuron in range(768)], np.int32)
    return EsnMask(
        widths=(768,) * 5,
        indices={"angry": pairs, "sad": pairs},
        scores={"angry": np.ones(len(pairs), np.float32), "sad": np.ones(len(pairs), np.float32)},
        metadata={},
    )
