"""What differs between two takes' settings, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from studio.emotions import EMOTIONS
from studio.session.settings import RenderSettings
from studio.session.take import Take

_NAMES = {"mask_sha": "mask", "scope": "tokens", "automation": "curve", "model_id": "model", "emosteer_sha": "vectors"}
_SELF_EXPLAINING = {"mode", "layers", "tokens", "seed", "curve"}
_STEERING = {"mode", "strengths", "mask_sha", "module", "layers", "scope", "automation", "alphas", "emosteer_sha"}


@dataclass(frozen=True)
class Difference:
    """One setting that is not the same: its name, and its value in the first and in the second take."""

    name: str
    first: str
    second: str

    @property
    def phrase(self) -> str:
        """The second take's value, named unless it speaks for itself: ``angry 0.50``, ``layers 1\N{EN DASH}4``."""
        return self.second if self.name in _SELF_EXPLAINING else f"{self.name} {self.second}"

    @property
    def steering(self) -> bool:
        """Whether the setting means nothing while every strength is 0."""
        return self.name.removeprefix("alpha ") in EMOTIONS or self.name in {_NAMES.get(key, key) for key in _STEERING}


def differences(first: Take, second: Take) -> list[Difference]:
    """What differs from ``first`` to ``second``, in the order of the settings; empty when nothing does.

    Where neither is steered, the settings of steering do not count.
    """
    found = []
    if first.source is not second.source and first.source.fingerprint() != second.source.fingerprint():
        found.append(Difference("source", first.source_name, second.source_name))
    before, after = first.settings, second.settings
    neither = before.is_baseline and after.is_baseline
    ignored = {"mask_path", "emosteer_path"} | (_STEERING if neither else set())
    for key in (each.name for each in fields(before)):
        if key in ignored or getattr(before, key) == getattr(after, key):
            continue
        if key == "strengths":
            found += _strengths(before.strengths, after.strengths)
        elif key == "alphas":
            found += _strengths(before.alphas, after.alphas, "alpha ")
        else:
            found.append(Difference(_NAMES.get(key, key.replace("_", " ")), _said(key, before), _said(key, after)))
    return found


def _strengths(first: Mapping[str, float], second: Mapping[str, float], kind: str = "") -> list[Difference]:
    pairs = ((kind + emotion, first.get(emotion, 0.0), second.get(emotion, 0.0)) for emotion in EMOTIONS)
    return [Difference(emotion, f"{left:.2f}", f"{right:.2f}") for emotion, left, right in pairs if left != right]


def _said(key: str, settings: RenderSettings) -> str:
    value: Any = getattr(settings, key)
    if key == "layers":
        return "all layers" if value is None else f"layers {value[0]}\N{EN DASH}{value[1]}"
    if key == "seed":
        return "greedy" if value is None else f"seed {value}"
    if key == "automation":
        return "no curve" if value is None else f"curve of {len(value.points)} points"
    if key == "scope":
        return f"{value} tokens"
    if key in ("mask_sha", "emosteer_sha"):
        where = settings.mask_path if key == "mask_sha" else settings.emosteer_path
        path = Path(where).name if where else (value or "none")[:8]
        return path.removesuffix(".safetensors").removesuffix(".esn").removesuffix(".emosteer")
    return "none" if value is None else str(value)
