"""The settings of one render: everything a model needs besides the source clip."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from studio.audio.clip import Clip
from studio.emotions import EMOTIONS
from studio.errors import StudioError
from studio.esn.automation import Automation
from studio.esn.emosteer import EmoSteering, EmoVectors
from studio.esn.intervention import Mode, Steering, TokenScope
from studio.esn.mask import EsnMask
from studio.lalm.base import LANGUAGE, Content, ConversionRequest


@dataclass(frozen=True)
class RenderSettings:
    """What is asked for (``target``) and how it is steered.

    ``strengths`` maps mask emotions to finite strengths >= 0 in the unit of ``mode`` (METHOD.md, section 4; for
    ``deactivate`` any positive number means on). ``layers`` is an inclusive window of layer indices, None for all.
    ``automation`` is a curve of shares of the strengths over the source's time, None for full strength throughout.
    ``seed`` None decodes greedily. ``mask_sha`` is the mask's fingerprint, ``mask_path`` where it was read from.
    ``alphas`` maps emotions to alphas of learned vectors (EmoShift), beside the neurons or instead of them;
    ``emosteer_sha`` and ``emosteer_path`` name these as the mask is named.
    Raises StudioError when a value is out of range.
    """

    target: str
    mode: Mode = Mode.GAIN
    strengths: Mapping[str, float] = field(default_factory=dict)
    mask_path: str | None = None
    mask_sha: str | None = None
    module: str = LANGUAGE
    layers: tuple[int, int] | None = None
    scope: TokenScope = TokenScope.ALL
    automation: Automation | None = None
    seed: int | None = None
    content: Content = Content.FREE
    model_id: str = ""
    alphas: Mapping[str, float] = field(default_factory=dict)
    emosteer_path: str | None = None
    emosteer_sha: str | None = None

    def __post_init__(self) -> None:
        if self.target not in EMOTIONS:
            raise StudioError(f"'{self.target}' is not a target emotion; choose one of {', '.join(EMOTIONS)}.")
        for emotion, strength in self.strengths.items():
            if emotion not in EMOTIONS:
                raise StudioError(f"'{emotion}' has no strength to set; choose among {', '.join(EMOTIONS)}.")
            if not (math.isfinite(strength) and strength >= 0):
                raise StudioError(f"The strength of {emotion} is {strength}; it must be a number of 0 or more.")
        for emotion, alpha in self.alphas.items():
            if emotion not in EMOTIONS:
                raise StudioError(f"'{emotion}' has no alpha to set; choose among {', '.join(EMOTIONS)}.")
            if not (math.isfinite(alpha) and alpha >= 0):
                raise StudioError(f"The alpha of {emotion} is {alpha}; it must be a number of 0 or more.")
        if self.layers is not None and not 0 <= self.layers[0] <= self.layers[1]:
            raise StudioError(f"The layer window {self.layers[0]}-{self.layers[1]} is empty; write it as first-last.")
        if self.seed is not None and not 0 <= self.seed < 2**63:
            raise StudioError(f"The seed {self.seed} is out of range; use a whole number from 0 to 2^63 - 1.")

    @property
    def is_baseline(self) -> bool:
        """Whether nothing is steered."""
        return not (self.steers_neurons or self.steers_learned)

    @property
    def steers_neurons(self) -> bool:
        """Whether neurons of a mask are steered."""
        return any(self.strengths.values()) and not self._silent

    @property
    def steers_learned(self) -> bool:
        """Whether learned vectors steer."""
        return any(self.alphas.values()) and not self._silent

    @property
    def _silent(self) -> bool:
        return self.automation is not None and self.automation.is_silent

    def steering(self, mask: EsnMask | None) -> Steering | None:
        """The intervention these settings ask for with ``mask``; None for the baseline.

        Raises StudioError when something is to be steered and there is no mask, or the mask lacks an emotion or layer.
        """
        if not self.steers_neurons:
            return None
        if mask is None:
            raise StudioError("Steering needs an ESN mask and none is loaded; choose one, or set every strength to 0.")
        strengths = {emotion: strength for emotion, strength in self.strengths.items() if strength}
        return Steering(mask, self.mode, strengths, self.layers, self.scope, self.automation)

    def emosteer(self, vectors: EmoVectors | None) -> EmoSteering | None:
        """What these settings ask of learned ``vectors``; None when nothing.

        Raises StudioError when something is asked and there are none, or they lack an emotion.
        """
        if not self.steers_learned:
            return None
        if vectors is None:
            raise StudioError("An alpha needs learned vectors and none are loaded; choose a file, or set alpha to 0.")
        return EmoSteering(vectors, {name: alpha for name, alpha in self.alphas.items() if alpha}, self.automation)

    def request(
        self, source: Clip, mask: EsnMask | None, vectors: EmoVectors | None = None, text: str | None = None
    ) -> ConversionRequest:
        """The row of a batch that renders ``source``, whose transcript is ``text``, with these settings."""
        neurons, learned = self.steering(mask), self.emosteer(vectors)
        return ConversionRequest(source, self.target, neurons, self.content, self.seed, learned, text)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self) | {
            "strengths": dict(self.strengths),
            "alphas": dict(self.alphas),
            "layers": list(self.layers) if self.layers else None,
            "automation": [list(point) for point in self.automation.points] if self.automation else None,
        }

    @classmethod
    def from_json(cls, document: Any) -> RenderSettings:
        """The settings ``to_json`` described. Raises StudioError when they are not in order."""
        try:
            window = document["layers"]
            return cls(
                target=str(document["target"]),
                mode=Mode(document["mode"]),
                strengths={str(emotion): float(value) for emotion, value in document["strengths"].items()},
                mask_path=_optional_text(document["mask_path"]),
                mask_sha=_optional_text(document["mask_sha"]),
                module=str(document["module"]),
                layers=None if window is None else (int(window[0]), int(window[1])),
                scope=TokenScope(document["scope"]),
                automation=_automation(document.get("automation")),
                seed=None if document["seed"] is None else int(document["seed"]),
                content=Content(document["content"]),
                model_id=str(document["model_id"]),
                alphas={str(emotion): float(value) for emotion, value in document.get("alphas", {}).items()},
                emosteer_path=_optional_text(document.get("emosteer_path")),
                emosteer_sha=_optional_text(document.get("emosteer_sha")),
            )
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
            raise StudioError(f"The render settings are damaged ({type(error).__name__}: {error}).") from error


def _automation(points: Any) -> Automation | None:
    return None if points is None else Automation(tuple((float(time), float(share)) for time, share in points))


def _optional_text(value: Any) -> str | None:
    return None if value is None else str(value)
