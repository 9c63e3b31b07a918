"""A judge that asks an audio language model: five-way multiple choice (arXiv 2603.17231, section 4, Qwen3-Omni)."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from typing import Protocol

from studio.audio.clip import Clip
from studio.emotions import EMOTIONS, parse_emotion
from studio.errors import StudioError

_LETTERS = "ABCDE"
_SHOWN = 60

QUESTION = "\n".join(
    (
        "Listen to the recording. Which emotion does the speaker's voice express? Judge how it is said, not the words.",
        *(f"{letter}. {emotion}" for letter, emotion in zip(_LETTERS, EMOTIONS, strict=True)),
        "Answer with one letter.",
    )
)


class AudioAnswerer(Protocol):
    """An audio language model as far as this judge needs it: it hears a clip and answers a question in words."""

    @property
    def name(self) -> str:
        """What the model is called in records and masks."""
        ...

    def answer(self, clip: Clip, question: str) -> str:
        """The model's answer, decoded greedily; raises StudioError when it has none."""
        ...


class ChoiceJudge:
    """Judges by the option ``model`` chooses: all probability is on it."""

    def __init__(self, model: AudioAnswerer) -> None:
        self._model = model
        self.name = f"choice-{model.name}"

    def judge(self, clip: Clip, reference: Clip | None = None) -> dict[str, float]:
        """See :meth:`studio.judges.base.EmotionJudge.judge`; ``reference`` is not listened to.

        Raises StudioError when the answer names no option, or several.
        """
        said = self._model.answer(clip, QUESTION)
        chosen = read_choice(said)
        if chosen is None:
            shown = " ".join(said.split())
            shown = shown if len(shown) <= _SHOWN else shown[: _SHOWN - 3] + "..."
            raise StudioError(f"no clear choice in the answer '{shown}'")
        return {emotion: float(emotion == chosen) for emotion in EMOTIONS}


def load(place: str) -> ChoiceJudge:
    """A judge that asks what the function at ``place`` (``package.module:function``) returns.

    Raises StudioError when there is no such function, or what it returns cannot be asked.
    """
    module, _, function = place.partition(":")
    if not module or not function:
        raise StudioError(f"'{place}' names no audio language model; write choice:package.module:function.")
    try:
        model = getattr(importlib.import_module(module), function)()
    except Exception as error:  # whatever another's code comes up with
        said = " ".join(str(error).split()) or type(error).__name__
        raise StudioError(
            f"The audio language model '{place}' cannot be loaded ({said}); its module must be on PYTHONPATH."
        ) from error
    if not callable(getattr(model, "answer", None)) or not isinstance(getattr(model, "name", None), str):
        raise StudioError(f"What '{place}' returns cannot be asked: it needs a name and answer(clip, question).")
    return ChoiceJudge(model)


_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)|\A.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_MARKS = re.compile(r"[*_`#]+")
_STATED = re.compile(
    r"(?:\b(?:answer|choice|choose|option|select)\b|答案|选项?)(?:[\"'\s:：=>]|是|\b(?:is|would be|option)\b)*"
    r"[\"'(\[（]*([A-E])(?![\w'])"
)
_LEADING = re.compile(r"\A\W*([A-E])(?:\W*\Z|\s*[.):,;\]）：。、-]|\s*\n)")
_ALONE = re.compile(r"\A\W*([a-eA-E])\W*\Z")
_WORD = re.compile(r"[a-z]+")
_NEGATION = re.compile(
    r"\b(?:not|no|nor|neither|never|without|isn't|doesn't|rather than|instead of|than)\b[^.,;:!?\n]*", re.IGNORECASE
)


def read_choice(said: str) -> str | None:
    """The emotion an answer chooses: by its letter, by its name, or both as long as they agree; None otherwise.

    Thoughts between ``<think>`` marks do not count, nor do emotions that are denied ("not sad").
    """
    text = _MARKS.sub("", _THOUGHT.sub("", said)).strip()
    letter = _letter(text)
    named = _named(text)
    if letter is None:
        # A long answer may weigh several emotions and settle on one at its end.
        return _only(named) or _only(_named(text.splitlines()[-1] if text else ""))
    after = _named(text[letter.end(1) :].lstrip().partition("\n")[0])
    chosen = EMOTIONS[_LETTERS.index(letter[1].upper())]
    return chosen if not after or chosen in after else None


def _letter(text: str) -> re.Match[str] | None:
    stated = list(_STATED.finditer(text))
    if stated:
        return stated[-1]
    return _ALONE.match(text) or _LEADING.match(text)


def _named(text: str) -> Sequence[str]:
    """The emotions named in ``text`` and not denied, each once."""
    words = _WORD.findall(_NEGATION.sub(" ", text).lower())
    # Single letters and abbreviations mean emotions in labels, not in sentences.
    found = (parse_emotion(word) for word in words if len(word) > 2)
    return tuple(dict.fromkeys(emotion for emotion in found if emotion is not None))


def _only(named: Sequence[str]) -> str | None:
    return named[0] if len(named) == 1 else None
