"""Judges that ask an audio language model by the logits of its option letters: five-way choice with probabilities.

Unlike ``choice``, which reads an answer in words, nothing is decoded: one forward pass, and the shares of the letters
A to E among themselves at the position where the answer begins.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from studio.audio.clip import Clip
from studio.judges.base import EmotionJudge
from studio.lalm.recognition import RecognitionRequest, SpeechRecogniser


class OptionListener(Protocol):
    """An audio language model that gives the five options probabilities."""

    @property
    def name(self) -> str:
        """What the model is called in records and masks."""
        ...

    def options(self, clip: Clip) -> dict[str, float]:
        """Probabilities of the five emotions, summing to 1; raises StudioError when the clip cannot be heard."""
        ...


class OptionJudge:
    """Judges by the option letters' logits of ``model``."""

    def __init__(self, model: OptionListener) -> None:
        self._model = model
        self.name = f"options-{model.name}"

    def judge(self, clip: Clip, reference: Clip | None = None) -> dict[str, float]:
        """See :meth:`studio.judges.base.EmotionJudge.judge`; ``reference`` is not listened to."""
        return self._model.options(clip)


class Recognising:
    """A :class:`SpeechRecogniser` as an option listener."""

    def __init__(self, model: SpeechRecogniser) -> None:
        self._model = model
        self.name = model.info.model_id.rpartition("/")[2].lower()

    def options(self, clip: Clip) -> dict[str, float]:
        """See :class:`OptionListener`."""
        return self._model.recognise([RecognitionRequest(clip)])[0].probabilities


def load_flamingo(source: str | Path) -> EmotionJudge:
    """Audio Flamingo 3 as a judge, from its folder; raises StudioError when it cannot be loaded."""
    from studio.lalm import flamingo

    return OptionJudge(Recognising(flamingo.load(source)))


def load_qwen2(source: str | Path) -> EmotionJudge:
    """The thinker of a Qwen2.5-Omni as a judge, from its folder; raises StudioError when it cannot be loaded."""
    from studio.lalm import thinkers

    return OptionJudge(thinkers.load_qwen2(source))


def load_qwen3(source: str | Path) -> EmotionJudge:
    """The thinker of a Qwen3-Omni as a judge, the paper's kind, from its folder; raises StudioError likewise."""
    from studio.lalm import thinkers

    return OptionJudge(thinkers.load_qwen3(source))
