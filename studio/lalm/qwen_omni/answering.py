"""Qwen2.5-Omni as a listener that answers questions: the judge ``choice:studio.lalm.qwen_omni.answering:listener``.

Text only, by the thinker, greedily; nothing is steered. (The paper's judge is Qwen3-Omni; this is its smaller sibling.)
"""

from __future__ import annotations

import os

from studio.audio.clip import Clip
from studio.errors import StudioError
from studio.lalm.base import LANGUAGE, never
from studio.lalm.qwen_omni.lalm import MAX_SECONDS, QwenOmniLALM
from studio.lalm.qwen_omni.loading import load
from studio.lalm.qwen_omni.thinking import Reply, think

DEFAULT = "Qwen/Qwen2.5-Omni-7B"
CHECKPOINT_VARIABLE = "ESN_QWEN_OMNI"
PRECISION_VARIABLE = "ESN_QWEN_OMNI_PRECISION"

MAX_TOKENS = 64
"""Of an answer: a letter, or a sentence around it."""


class Listener:
    """Answers questions about clips, as :class:`studio.judges.choice.AudioAnswerer` asks them."""

    def __init__(self, model: QwenOmniLALM) -> None:
        self._model = model
        self.name = model.info.model_id.rpartition("/")[2].lower()

    def answer(self, clip: Clip, question: str) -> str:
        """The model's answer. Raises StudioError when the clip is too long, or nothing is answered."""
        if clip.seconds > MAX_SECONDS:
            raise StudioError(f"the clip is {clip.seconds:.1f} s long; {self.name} listens to {MAX_SECONDS:.0f} s")
        model = self._model
        prompt = model.prompter.prompt(clip, question)
        replies, _ = think(
            model.parts, model.stacks[LANGUAGE], None, [prompt], [MAX_TOKENS], model.prompter.stops(), never, _ignore
        )
        said = model.prompter.text(replies[0].ids)
        if not said:
            raise StudioError(f"{self.name} gave no answer")
        return said

    def close(self) -> None:
        """Free the model."""
        self._model.close()


def listener() -> Listener:
    """The listener of the checkpoint ESN_QWEN_OMNI names (a folder, or a name on the hub), 7B when it names none.

    Raises StudioError when it cannot be loaded.
    """
    return Listener(load(os.environ.get(CHECKPOINT_VARIABLE, DEFAULT), precision=os.environ.get(PRECISION_VARIABLE)))


def _ignore(replies: list[Reply]) -> None:
    """Answers are short: nothing to report."""
