"""The emotion judges this installation knows, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from studio.errors import StudioError
from studio.judges.base import EmotionJudge

DEFAULT = "embedded"
EMOTION2VEC = "emotion2vec"
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
    ]


def judge_names() -> tuple[str, ...]:
    """Names ``load_judge`` takes, the default first, besides ``choice:MODULE:FUNCTION``."""
    return tuple(_LOADERS)


def load_judge(name: str = DEFAULT) -> EmotionJudge:
    """Load the judge called ``name``. Raises StudioError when there is none or it cannot be loaded."""
    if name.startswith(CHOICE):
        from studio.judges import choice

        return choice.load(name.removeprefix(CHOICE))
    if name not in _LOADERS:
        raise StudioError(f"There is no judge '{name}'; known: {', '.join((*_LOADERS, CHOICE_FORM))}.")
    return _LOADERS[name]()


def _load_embedded() -> EmotionJudge:
    from studio.judges import embedded

    return embedded.load()


def _load_emotion2vec() -> EmotionJudge:
    from studio.judges import emotion2vec

    return emotion2vec.load()


_LOADERS: dict[str, Callable[[], EmotionJudge]] = {DEFAULT: _load_embedded, EMOTION2VEC: _load_emotion2vec}
