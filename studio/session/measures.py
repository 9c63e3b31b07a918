"""Naturalness and likeness of voice: slow judges in optional packages, heard after a take is there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec

from studio.audio.clip import Clip
from studio.errors import StudioError
from studio.judges import naturalness, speaker
from studio.session.take import Flag, Take

LEAST_SIMILARITY = 0.65
"""Speaker similarity below which a take is in another voice.

Takes of the embedded model up to gain 1 measure 0.76 to 0.93 on average, the speakers of its sources among each other
0.57; clips of one actor 0.69 and more, of two actors 0.49 and less.
"""


@dataclass(frozen=True)
class Measures:
    """What was measured of one take: mean opinion score and speaker similarity; None for what could not be."""

    naturalness: float | None
    similarity: float | None


def lacking() -> tuple[str, ...]:
    """Why something is not measured on this installation, a sentence for each; nothing is imported."""
    sentences = []
    if find_spec("distillmos") is None:
        sentences.append(f"Naturalness needs a package that is not installed: pip install {naturalness.INSTALL}")
    if find_spec("resemblyzer") is None:
        sentences.append(f"Speaker similarity needs a package that is not installed: pip install {speaker.INSTALL}")
    return tuple(sentences)


def measure(audio: Clip, source: Clip) -> Measures:
    """Measure ``audio``, a take of ``source``, with what is installed; what cannot be measured is None."""
    try:
        natural = naturalness.naturalness(audio)
    except StudioError:
        natural = None
    try:
        alike = speaker.similarity(audio, source)
    except StudioError:
        alike = None
    return Measures(natural, alike)


def with_measures(take: Take, measures: Measures) -> Take:
    """``take`` with what was measured, and flagged when its voice is not the source's."""
    other = measures.similarity is not None and measures.similarity < LEAST_SIMILARITY
    flags = tuple(flag for flag in take.flags if flag is not Flag.VOICE) + ((Flag.VOICE,) if other else ())
    return replace(take, naturalness=measures.naturalness, similarity=measures.similarity, flags=flags)
