"""The emotion judges this installation knows, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from studio.errors import StudioError
from studio.judges.base import EmotionJudge
from studio.lalm import weights
from studio.lalm.entries import ENTRIES, ModelFacts

DEFAULT = "embedded"
EMOTION2VEC = "emotion2vec"
FLAMINGO, QWEN2, QWEN3 = "audio-flamingo-3", "qwen2.5-omni", "qwen3-omni"
"""Judges that ask an audio language model for the logits of its option letters."""

CHOICE = "choice:"
"""Begins the name of a judge that asks an audio language model; its module and function follow."""

CHOICE_FORM = f"{CHOICE}MODULE:FUNCTION"


@dataclass(frozen=True)
class JudgeEntry:
    """A judge by the name it is loaded with.

    ``problem`` says in a sentence why it cannot be loaded here; None when that can be tried.
    """

    name: str
    title: str
    description: str
    problem: str | None


@dataclass(frozen=True)
class _Listener:
    """A judge that asks the audio language model ``repo`` of the hub, of which ``needs`` says the memory.

    ``loader`` is a function of ``options``. A model the studio downloads itself is taken at its pinned revision, any
    other at what the hub's cache holds.
    """

    title: str
    repo: str
    needs: str
    loader: str

    @property
    def folder(self) -> Path:
        """Where its files lie, or would."""
        facts = self._facts
        return weights.snapshot(self.repo, None if facts is None else facts.revision)

    @property
    def problem(self) -> str | None:
        """Why it cannot be loaded; None when it can be tried."""
        if weights.is_whole(self.folder):
            return None
        facts = self._facts
        fetch = f"hf download {self.repo}" if facts is None else f"esn-studio models download {facts.name}"
        return f"Its weights are not on this machine; fetch them with: {fetch}"

    @property
    def _facts(self) -> ModelFacts | None:
        return next((facts for facts in ENTRIES if facts.repo == self.repo), None)


def judges() -> list[JudgeEntry]:
    """All judges that have a name of their own, the default first; nothing is loaded."""
    # By its place alone: importing funasr takes seconds.
    absent = find_spec("funasr") is None
    return [
        JudgeEntry(DEFAULT, "Embedded", "small acoustic judge that ships with the studio, against the source", None),
        JudgeEntry(
            EMOTION2VEC,
            "emotion2vec+large",
            "the acoustic judge of the paper; 16 kHz; downloads its weights once",
            'It needs a package that is not installed: pip install "funasr>=1.4"' if absent else None,
        ),
        *(
            JudgeEntry(
                name,
                each.title,
                f"{each.title} chooses one of five, by option-letter logits; {each.needs}",
                each.problem,
            )
            for name, each in _LISTENERS.items()
        ),
    ]


def judge_names() -> tuple[str, ...]:
    """Names ``load_judge`` takes, the default first, besides ``choice:MODULE:FUNCTION``."""
    return (*_LOADERS, *_LISTENERS)


def load_judge(name: str = DEFAULT) -> EmotionJudge:
    """Load the judge called ``name``. Raises StudioError when there is none or it cannot be loaded.

    Audio language models are not downloaded by it: tens of gigabytes are fetched when they are asked for.
    """
    if name.startswith(CHOICE):
        from studio.judges import choice

        return choice.load(name.removeprefix(CHOICE))
    if name in _LISTENERS:
        from studio.judges import options

        asked = _LISTENERS[name]
        if asked.problem is not None:
            raise StudioError(f"The judge '{name}' cannot be loaded. {asked.problem}")
        loader: Callable[[Path], EmotionJudge] = getattr(options, asked.loader)
        return loader(asked.folder)
    if name not in _LOADERS:
        raise StudioError(f"There is no judge '{name}'; known: {', '.join((*judge_names(), CHOICE_FORM))}.")
    return _LOADERS[name]()


def _load_embedded() -> EmotionJudge:
    from studio.judges import embedded

    return embedded.load()


def _load_emotion2vec() -> EmotionJudge:
    from studio.judges import emotion2vec

    return emotion2vec.load()


_LOADERS: dict[str, Callable[[], EmotionJudge]] = {DEFAULT: _load_embedded, EMOTION2VEC: _load_emotion2vec}

_LISTENERS = {
    FLAMINGO: _Listener("Audio Flamingo 3", "nvidia/audio-flamingo-3-hf", "16.5 GB in bf16", "load_flamingo"),
    QWEN2: _Listener("Qwen2.5-Omni-7B", "Qwen/Qwen2.5-Omni-7B", "about 18 GB in bf16", "load_qwen2"),
    QWEN3: _Listener("Qwen3-Omni-30B-A3B", "Qwen/Qwen3-Omni-30B-A3B-Instruct", "about 60 GB in bf16", "load_qwen3"),
}
