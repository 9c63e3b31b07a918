"""What a model gives so that learned vectors can be trained on it: where they act, and a loss that feels them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from studio.errors import StudioError
from studio.lalm.base import ModelInfo, SpeechLALM

QWEN_TALKER_INPUT = "talker.thinker_to_talker_proj"
"""Qwen2.5-Omni: what the talker is given of the thinker passes through this projection."""

COSYVOICE_OUTPUT = "llm.llm_decoder"
"""CosyVoice 300M: the projection of the language model's state onto speech tokens, the paper's place."""


COSYVOICE = "cosyvoice-300m-instruct"
QWEN = ("qwen2.5-omni-3b", "qwen2.5-omni-7b")


@dataclass(frozen=True, eq=False)
class Site:
    """Where learned vectors act: on the input of ``module``, ``width`` wide; ``name`` is its path in the model."""

    name: str
    module: nn.Module
    width: int


@dataclass(frozen=True)
class OwnSpeech:
    """What a model said of its own: ``words``, and the ``codes`` of their sound; ``ended``: not cut off by a limit."""

    words: str
    codes: tuple[int, ...]
    ended: bool


@dataclass(frozen=True)
class Lesson:
    """A neutral recording of ``text`` to be said in ``emotion``.

    ``target`` is a recording of that, ``spoken`` speech of the model's own that is like that, where there are.
    """

    source: Path
    text: str
    emotion: str
    target: Path | None = None
    spoken: OwnSpeech | None = None


class Steerable(Protocol):
    """A model that learned vectors can be trained on; its own weights must not change."""

    @property
    def info(self) -> ModelInfo:
        """What the model is."""
        ...

    @property
    def site(self) -> Site:
        """Where they act."""
        ...

    @property
    def needs_recordings(self) -> bool:
        """Whether it learns from recordings of the emotions, rather than from renderings of its own."""
        ...

    @property
    def at_once(self) -> int | None:
        """Lessons that are learned from together, for want of memory for more; None: as many as there are."""
        ...

    def loss(self, lessons: Sequence[Lesson], seed: int) -> Tensor:
        """How far the model is from saying the lessons, all of one emotion, as they should be said: a scalar.

        Differentiable with respect to what enters the site; the same lessons and seed give the same number.
        Raises StudioError when a lesson cannot be used.
        """
        ...


@runtime_checkable
class SelfTaught(Steerable, Protocol):
    """A model that learns from its own speech, of which a judge says what is like the emotion."""

    @property
    def model(self) -> SpeechLALM:
        """The same model, as it converts."""
        ...

    def words(self, source: Path, emotion: str) -> str:
        """What it says when it converts ``source`` to ``emotion`` by itself: lessons must be of these words."""
        ...


def linear_site(model: nn.Module, path: str) -> Site:
    """The input of the linear layer at ``path``; raises StudioError when the model has none there.

    ``QWEN_TALKER_INPUT`` and ``COSYVOICE_OUTPUT`` are such paths; so is the embedded model's site.
    """
    try:
        module = model.get_submodule(path)
    except AttributeError:
        module = None
    if not isinstance(module, nn.Linear):
        raise StudioError(f"{type(model).__name__} has no linear layer '{path}' for learned vectors to act before.")
    return Site(path, module, module.in_features)


def load_steerable(name: str) -> Steerable:
    """The model called ``name``, ready to train learned vectors on. Raises StudioError when there is none.

    CosyVoice is trained on in its own environment, from the folder this process is assigned to (see ``assignment``).
    """
    if name == COSYVOICE:
        from studio.lalm import cosyvoice, cosyvoice_teaching

        return cosyvoice_teaching.teach(cosyvoice.hosted())
    from studio.lalm.catalog import DEFAULT, find_model, load_model

    entry = find_model(name)
    if name in QWEN:
        from studio.audio.files import load_clip
        from studio.lalm.qwen_omni import teaching

        return teaching.teach(load_model(name), load_clip)
    if name != DEFAULT:
        can = ", ".join((DEFAULT, *QWEN, COSYVOICE))
        raise StudioError(f"Learned vectors cannot be trained on {entry.title}; they can on {can}.")
    if entry.problem is not None:
        raise StudioError(f"The model '{name}' cannot be loaded. {entry.problem}")
    from studio.lalm.embedded.teaching import load

    return load(entry.weights)
