"""Hearing sources, and asking a judge about a conversion, whatever it turned out to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from studio.audio.clip import Clip
from studio.audio.files import load_clip
from studio.corpora.base import Utterance
from studio.errors import Cancelled, StudioError
from studio.judges.base import EmotionJudge
from studio.lalm.base import never
from studio.lalm.sources import require_speech


def load_source(path: Path, max_seconds: float) -> Clip:
    """A recording that a model can be given; raises StudioError where it cannot be read or holds no speech.

    Asked before a batch is made, so that one recording does not cost the others their conversion.
    """
    clip = load_clip(path, max_seconds)
    require_speech(clip)
    return clip


def usable(
    utterances: Sequence[Utterance],
    max_seconds: float,
    on_note: Callable[[str], None],
    cancelled: Callable[[], bool] = never,
) -> list[Utterance]:
    """Those whose recordings a model can be given; ``on_note`` is told why each of the others is left out.

    Reads them all: for work that a recording would otherwise end when it comes to it. Raises Cancelled.
    """
    found = []
    for each in utterances:
        if cancelled():
            raise Cancelled
        try:
            load_source(each.path, max_seconds)
        except StudioError as problem:
            on_note(f"Left out: {problem}")
        else:
            found.append(each)
    return found


def hear(judge: EmotionJudge, audio: Clip, source: Clip) -> dict[str, float] | str:
    """The judge's probabilities of the five emotions, or in a few words why it cannot tell.

    Probabilities are rounded to six decimals, so that a verdict follows from what is recorded.
    """
    if not is_savable(audio):
        return "no usable audio"
    try:
        judged = judge.judge(audio, source)
    except StudioError as error:
        return str(error)
    return {emotion: round(float(share), 6) for emotion, share in judged.items()}


def is_savable(audio: Clip) -> bool:
    """Whether there are samples, and all of them numbers."""
    return len(audio.samples) > 0 and bool(np.isfinite(audio.samples).all())
