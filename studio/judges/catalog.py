"""The emotion judges this installation knows, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from studio.errors import StudioError
from studio.judges.base import EmotionJudge
from studio.lalm.catalog import Lack, find_model

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

    ``problem`` says in a sentence why it cannot be loaded here; None when that can be tried. ``model`` is the model of
    the catalog whose weights it needs, None for one that needs none.
    """

    name: str
    title: str
    description: str
    problem: str | None
    model: str | None = None


@dataclass(frozen=True)
class _Listener:
    """A judge that asks an audio language model of the catalog, of which ``needs`` says the memory.

    ``loader`` is a function of ``options``.
    """

    model: str
    needs: str
    loader: str


def judges() -> list[JudgeEntry]:
    """All judges that have a name of their own, the default first; nothing is loaded."""
    return [
        JudgeEntry(DEFAULT, "Embedded", "small acoustic judge that ships with the studio, against the source", None),
        _entry(EMOTION2VEC, EMOTION2VEC, "the acoustic judge of the paper; 16 kHz"),
        *(
            _entry(name, each.model, f"it chooses one of five, by option-letter logits; {each.needs}")
            for name, each in _LISTENERS.items()
        ),
    ]


def _entry(name: str, model: str, description: str) -> JudgeEntry:
    return JudgeEntry(name, find_model(model).title, description, _problem(model), model)


def _problem(model: str) -> str | None:
    entry = find_model(model)
    if entry.lacks is not Lack.WEIGHTS:
        return entry.problem
    return f"Its weights are not on this machine; fetch them with: esn-studio models download {model}"


def judge_names() -> tuple[str, ...]:
    """Names ``load_judge`` takes, the default first, besides ``choice:MODULE:FUNCTION``."""
    return (*_LOADERS, *_LISTENERS)


def load_judge(name: str = DEFAULT) -> EmotionJudge:
    """Load the judge called ``name``. Raises StudioError when there is none or it cannot be loaded.

    Nothing is downloaded by it: weights are fetched when they are asked for.
    """
    if name.startswith(CHOICE):
        from studio.judges import choice

        return choice.load(name.removeprefix(CHOICE))
    if name in _LISTENERS:
        from studio.judges import options

        asked = _LISTENERS[name]
        problem = _problem(asked.model)
        if problem is not None:
            raise StudioError(f"The judge '{name}' cannot be loaded. {problem}")
        loader: Callable[[Path], EmotionJudge] = getattr(options, asked.loader)
        return loader(find_model(asked.model).weights)
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
    FLAMINGO: _Listener(FLAMINGO, "16.5 GB in bf16", "load_flamingo"),
    QWEN2: _Listener("qwen2.5-omni-7b", "about 18 GB in bf16", "load_qwen2"),
    QWEN3: _Listener(QWEN3, "about 60 GB in bf16", "load_qwen3"),
}
