"""The five emotions: their order, colours and initials, and how other vocabularies map onto them."""

from __future__ import annotations

from collections.abc import Iterable

NEUTRAL = "neutral"
EMOTIONS: tuple[str, ...] = ("neutral", "happy", "angry", "sad", "surprise")
"""Index order used in arrays and model vocabularies."""

TARGETS: tuple[str, ...] = EMOTIONS[1:]
"""The four emotions neutral speech is converted to."""

COLOURS: dict[str, str] = {
    "neutral": "#9AA0A6",
    "happy": "#E69F00",
    "angry": "#D55E00",
    "sad": "#0072B2",
    "surprise": "#CC79A7",
}
"""Okabe-Ito hues, distinguishable with colour-blind eyes; never the only cue."""

INITIALS: dict[str, str] = {"neutral": "N", "happy": "H", "angry": "A", "sad": "S", "surprise": "U"}

_SYNONYMS = {
    "neutral": ("neutral", "neu", "n"),
    "happy": ("happy", "happiness", "hap", "joy", "joyful", "h"),
    "angry": ("angry", "anger", "ang", "a"),
    "sad": ("sad", "sadness", "s"),
    "surprise": ("surprise", "surprised", "sur", "ps", "pleasant surprise", "pleasant surprised", "u"),
}
_OTHERS = {
    "fear": ("fear", "fearful", "fea", "afraid", "scared"),
    "disgust": ("disgust", "disgusted", "dis"),
    "calm": ("calm", "calmness"),
    "boredom": ("boredom", "bored"),
}
_BY_NAME = {name: emotion for emotion, names in _SYNONYMS.items() for name in names}
_OTHER_BY_NAME = {name: emotion for emotion, names in _OTHERS.items() for name in names}


def parse_emotion(name: str) -> str | None:
    """The emotion meant by ``name`` in any case (``Happiness`` -> ``happy``), or None if it is none of the five."""
    return _BY_NAME.get(_plain(name))


def other_emotion(name: str) -> str:
    """One spelling of the name of an emotion that is none of the five (``Fearful`` -> ``fear``)."""
    plain = _plain(name)
    return _OTHER_BY_NAME.get(plain, plain)


def in_order(emotions: Iterable[str]) -> tuple[str, ...]:
    """Names in the project's order of emotions, unknown ones after them by name, each once."""
    names = set(emotions)
    return (*(emotion for emotion in EMOTIONS if emotion in names), *sorted(names - set(EMOTIONS)))


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())
