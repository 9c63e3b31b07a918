"""The protocol of audio language models that recognise emotions, with gates to look at (arXiv 2601.03115)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from studio.audio.clip import Clip
from studio.emotions import EMOTIONS
from studio.errors import StudioError
from studio.esn.intervention import Steering
from studio.esn.statistics import GateStatistics
from studio.lalm.base import ModelInfo, never

LETTERS = "ABCDE"


@dataclass(frozen=True)
class RecognitionRequest:
    """One row of a batch: a clip, and how the model is steered while it listens (None: not at all)."""

    source: Clip
    steering: Steering | None = None


@dataclass(frozen=True, eq=False)
class Recognition:
    """Probabilities of the five emotions, summing to 1, and the row's gate counts where recording was asked for."""

    probabilities: dict[str, float]
    statistics: GateStatistics | None = None


class SpeechRecogniser(Protocol):
    """A model that says which of the five emotions it hears, by a choice among five options."""

    @property
    def info(self) -> ModelInfo:
        """What the model is and can do."""
        ...

    def recognise(
        self,
        requests: Sequence[RecognitionRequest],
        *,
        record: bool = False,
        cancelled: Callable[[], bool] = never,
    ) -> list[Recognition]:
        """Recognise a batch; rows may be steered differently.

        Raises Cancelled when ``cancelled`` answers True, which is asked before the batch; StudioError when a clip
        cannot be heard.
        """
        ...

    def close(self) -> None:
        """Free the model's memory and remove its taps; the object is unusable afterwards."""
        ...


def letter_ids(tokenizer: Any) -> list[int]:
    """The token of each option's letter; raises StudioError when a letter is no single token."""
    found = [tokenizer(letter, add_special_tokens=False)["input_ids"] for letter in LETTERS]
    if any(len(ids) != 1 for ids in found) or len({ids[0] for ids in found}) != len(LETTERS):
        raise StudioError("The model's tokenizer has no token for each of the letters A to E, so it cannot be asked.")
    return [int(ids[0]) for ids in found]


def option_probabilities(logits: torch.Tensor, letters: Sequence[int]) -> list[dict[str, float]]:
    """Shares of the five letters among themselves, of next-token logits [batch, vocabulary]."""
    shares = logits[:, list(letters)].double().softmax(-1).tolist()
    return [dict(zip(EMOTIONS, row, strict=True)) for row in shares]
