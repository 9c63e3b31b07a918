"""How numbers read in the window: times, strengths, shares and gains."""

from __future__ import annotations

import math
from collections.abc import Mapping

from studio.emotions import EMOTIONS

MINUS = "\u2212"


def clock(seconds: float) -> str:
    """Seconds as minutes, seconds and hundredths: 2.38 -> ``0:02.38``."""
    hundredths = max(0, round(seconds * 100))
    minutes, rest = divmod(hundredths, 6000)
    return f"{minutes}:{rest // 100:02d}.{rest % 100:02d}"


def duration(seconds: float) -> str:
    """A length of time in words, rounded as people would: ``40 s``, ``3 min``, ``2 h 10 min``."""
    if seconds < 55:
        return f"{max(5, 5 * math.ceil(seconds / 5))}\u00a0s"
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return f"{minutes}\u00a0min"
    hours, rest = divmod(5 * round(minutes / 5), 60)
    return f"{hours}\u00a0h {rest}\u00a0min" if rest else f"{hours}\u00a0h"


def strength(value: float) -> str:
    """A strength with two decimals: ``0.50``."""
    return f"{value:.2f}"


def percent(share: float) -> str:
    """A share as whole per cent: 0.153 -> ``15 %``."""
    return f"{share * 100:.0f}\u00a0%"


def decibels(value: float) -> str:
    """A gain with its sign and one decimal: ``+1.3 dB``, with a true minus sign."""
    rounded = round(value, 1)
    sign = MINUS if rounded < 0 else "+"
    return f"{sign}{abs(rounded):.1f}\u00a0dB"


def sentence(words: str) -> str:
    """Words as a sentence: with a capital letter and a full stop."""
    return f"{words[:1].upper()}{words[1:]}."


def steering_summary(
    target: str,
    mode: str,
    strengths: Mapping[str, float],
    layers: tuple[int, int] | None = None,
    *,
    curve: bool = False,
) -> str:
    """What steers a take, in a few words: ``gain 0.60, layers 1–4, curve``; ``baseline`` when nothing does.

    Emotions are named unless the target alone is steered: ``gain angry 0.60, sad 0.20``.
    """
    active = [emotion for emotion in EMOTIONS if strengths.get(emotion, 0.0) > 0.0]
    if not active:
        return "baseline"
    if mode == "deactivate":
        parts = [", ".join(active)]
    elif active == [target]:
        parts = [strength(strengths[target])]
    else:
        parts = [", ".join(f"{emotion} {strength(strengths[emotion])}" for emotion in active)]
    if layers is not None:
        parts.append(f"layer {layers[0]}" if layers[0] == layers[1] else f"layers {layers[0]}\u2013{layers[1]}")
    if curve:
        parts.append("curve")
    return f"{mode} " + ", ".join(parts)
