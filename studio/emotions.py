"""The five emotions: their order, colours and initials, and how other vocabularies map onto them."""

from __future__ import annotations

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
    "surprise": ("surprise", "surprised", "sur", "ps", "pleasant surprise", "pleasant_surprise", "u"),
}
_BY_NAME = {name: emotion for emotion, names in _SYNONYMS.items() for name in names}


def parse_emotion(name: str) -> str | None:
    """The emotion meant by ``name`` in any case (``Happiness`` -> ``happy``), or None if it is none of the five."""
    return _BY_NAME.get(name.strip().lower())
