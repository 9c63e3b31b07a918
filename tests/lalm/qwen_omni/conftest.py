"""The tiny model, built once, with short replies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from studio.lalm.qwen_omni import lalm as adapter
from studio.lalm.qwen_omni import sound
from studio.lalm.qwen_omni.lalm import QwenOmniLALM
from tests.lalm.qwen_omni import tiny

WORDS, CODES = 6, 30


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights rarely stop talking: replies of few words and codec ids, and a coarse flow."""
    monkeypatch.setattr(adapter, "_WORDS", (WORDS, 0))
    monkeypatch.setattr(adapter, "_CODES", (CODES, 0))
    monkeypatch.setattr(sound, "STEPS", 2)


@pytest.fixture(scope="session")
def whole() -> Any:
    """The class itself, with random weights."""
    torch.set_num_threads(1)
    return tiny.whole_model()


@pytest.fixture(scope="session")
def model(whole: Any) -> Iterator[QwenOmniLALM]:
    """The adapter around it."""
    made = tiny.lalm(whole)
    yield made
    made.close()
