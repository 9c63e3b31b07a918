"""What strengths of a mask do to words and voice, measured in a sweep: a file beside the mask, named like it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from studio import atomic
from studio.esn.errors import MaskError

FORMAT = "esn-studio calibration"
FORMAT_VERSION = 1
SUFFIX = ".calibration.json"

SAFE_WER, STRONG_WER = 2.5, 15.0
"""Word errors above the baseline's, in points, up to which a strength is safe, and strong.

The paper's gain of 0.5 costs 1.67 points and its 1.0 10.65 (arXiv 2603.17231, table 2); 15 % is its limit of a success.
"""

SAFE_VOICE, STRONG_VOICE = 0.05, 0.10
"""Speaker similarity lost against the baseline up to which a strength is safe, and strong."""


@dataclass(frozen=True)
class Point:
    """One strength of a sweep: what it costs against the baseline.

    ``wer`` in points (the worse of the emitted text and, where a recogniser listened, the audio); ``voice``: speaker
    similarity lost, None where voices were not compared.
    """

    strength: float
    wer: float
    voice: float | None = None


@dataclass(frozen=True)
class Zones:
    """Strengths are safe up to ``safe``, strong up to ``strong``, destructive above; ``measured`` was the strongest."""

    safe: float
    strong: float
    measured: float


Calibration = dict[str, dict[str, Zones]]
"""Zones by mode, then emotion."""


def zones_of(points: Sequence[Point]) -> Zones:
    """The zones a sweep shows; between its strengths costs are taken to rise in straight lines, from 0 at 0.

    Raises ValueError without points.
    """
    if not points:
        raise ValueError("a sweep without strengths shows nothing")
    curve = [Point(0.0, 0.0, 0.0), *sorted(points, key=lambda point: point.strength)]
    wer: list[tuple[float, float]] = [(point.strength, point.wer) for point in curve]
    voice = [(point.strength, point.voice) for point in curve if point.voice is not None]
    safe = min(_crossing(wer, SAFE_WER), _crossing(voice, SAFE_VOICE))
    strong = min(_crossing(wer, STRONG_WER), _crossing(voice, STRONG_VOICE))
    measured = curve[-1].strength
    return Zones(round(min(safe, measured), 2), round(min(strong, measured), 2), measured)


def calibration_file(mask: Path) -> Path:
    """Where the calibration of a mask file is."""
    return mask.with_name(mask.name.removesuffix(".safetensors").removesuffix(".esn") + SUFFIX)


def write_calibration(mask: Path, fingerprint: str, found: Mapping[str, Mapping[str, Sequence[Point]]]) -> Path:
    """Write the sweeps of a mask (mode, emotion, points) beside it and return the file.

    Modes that were swept before, for just this mask, stay. Raises StudioError when it cannot be written.
    """
    path = calibration_file(mask)
    try:
        kept = _read(path, fingerprint)
    except MaskError:
        kept = {}
    modes = kept | {
        mode: {
            emotion: [[point.strength, point.wer, point.voice] for point in points]
            for emotion, points in emotions.items()
        }
        for mode, emotions in found.items()
    }
    atomic.write_json(path, {"format": FORMAT, "version": FORMAT_VERSION, "mask": fingerprint, "modes": modes})
    return path


def read_calibration(mask: Path, fingerprint: str) -> Calibration:
    """The zones measured for a mask; empty when none were, or for what the file held before.

    Raises MaskError when there is a file that cannot be used.
    """
    path = calibration_file(mask)
    try:
        return {
            mode: {emotion: zones_of([Point(*numbers) for numbers in map(_numbers, points)])
                   for emotion, points in emotions.items()}
            for mode, emotions in _read(path, fingerprint).items()
        }  # fmt: skip
    except (TypeError, ValueError, AttributeError) as error:
        raise MaskError(f"The calibration '{path}' is damaged; make it anew (evaluate --calibrate).") from error


def _read(path: Path, fingerprint: str) -> dict[str, Any]:
    try:
        if not path.exists():
            return {}
        document: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise MaskError(f"The calibration '{path}' cannot be read: {atomic.reason(error)}.") from error
    except (ValueError, RecursionError) as error:
        raise MaskError(f"The calibration '{path}' is damaged; make it anew (evaluate --calibrate).") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise MaskError(f"'{path}' is no calibration of ESN Studio; move it away.")
    if document.get("version") != FORMAT_VERSION:
        raise MaskError(f"The calibration '{path}' was written by a newer ESN Studio; update to use it.")
    modes = document.get("modes")
    return modes if document.get("mask") == fingerprint and isinstance(modes, dict) else {}


def _numbers(values: Sequence[Any]) -> tuple[float, float, float | None]:
    strength, wer, voice = values
    numbers = float(strength), float(wer), None if voice is None else float(voice)
    if not all(math.isfinite(number) for number in numbers if number is not None) or numbers[0] <= 0:
        raise ValueError("a number is out of range")
    return numbers


def _crossing(curve: Sequence[tuple[float, float]], limit: float) -> float:
    """Where a curve first rises above a limit; infinity when it never does."""
    for (before, low), (after, high) in pairwise(curve):
        if high > limit:
            return before + (after - before) * max(0.0, (limit - low) / (high - low))
    return math.inf
