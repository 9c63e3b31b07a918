"""Asking a judge about a conversion, whatever the conversion turned out to be."""

from __future__ import annotations

import numpy as np

from studio.audio.clip import Clip
from studio.errors import StudioError
from studio.judges.base import EmotionJudge


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
