"""The emotion judges this installation knows, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from studio.errors import StudioError
from studio.judges.base import EmotionJudge

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
            JudgeEntry(name, title, f"{title} chooses one of five, by option-letter logits; {size}", _absent(hub))
            for name, title, hub, size in _LISTENERS
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


def _absent(hub: str) -> str | None:
    """Why the model ``hub`` cannot be loaded: it is not in the hub's cache."""
    from huggingface_hub import try_to_load_from_cache

    if isinstance(try_to_load_from_cache(hub, "config.json"), str):
        return None
    return f"Its weights are not on this machine; fetch them with: hf download {hub}"


def _load_embedded() -> EmotionJudge:
    from studio.judges import embedded

    return embedded.load()


def _load_emotion2vec() -> EmotionJudge:
    from studio.judges import emotion2vec

    return emotion2vec.load()


def _load_flamingo() -> EmotionJudge:
    from studio.judges import options

    return options.load_flamingo()


def _load_qwen2() -> EmotionJudge:
    from studio.judges import options

    return options.load_qwen2()


def _load_qwen3() -> EmotionJudge:
    from studio.judges import options

    return options.load_qwen3()


_LISTENERS = (
    (FLAMINGO, "Audio Flamingo 3", "nvidia/audio-flamingo-3-hf", "16.5 GB in bf16"),
    (QWEN2, "Qwen2.5-Omni-7B", "Qwen/Qwen2.5-Omni-7B", "about 18 GB in bf16"),
    (QWEN3, "Qwen3-Omni-30B-A3B", "Qwen/Qwen3-Omni-30B-A3B-Instruct", "about 60 GB in bf16"),
)
"""Name, title, place on the hub, memory needed."""

_LOADERS: dict[str, Callable[[], EmotionJudge]] = {
    DEFAULT: _load_embedded,
    EMOTION2VEC: _load_emotion2vec,
    FLAMINGO: _load_flamingo,
    QWEN2: _load_qwen2,
    QWEN3: _load_qwen3,
}
