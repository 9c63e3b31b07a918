"""What can be evaluated: a mask's neurons, or learned vectors, and the controls that belong to each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from studio.audio.clip import Clip
from studio.esn.emosteer import EmoSteering, EmoVectors, rotated
from studio.esn.intervention import Mode, Steering
from studio.esn.mask import EsnMask
from studio.esn.selectors import Selector, select
from studio.esn.statistics import EmotionStatistics, GateStatistics
from studio.lalm.base import ConversionRequest, ModelInfo


@dataclass(frozen=True, eq=False)
class Steers:
    """How a conversion is steered: neurons, learned vectors, or neither."""

    steering: Steering | None = None
    emosteer: EmoSteering | None = None

    def request(self, source: Clip, target: str, text: str | None = None) -> ConversionRequest:
        """The row of a batch that converts ``source``, whose transcript is ``text``, so."""
        return ConversionRequest(source, target, self.steering, emosteer=self.emosteer, text=text)


class Candidate(Protocol):
    """Something that steers towards emotions with strengths."""

    @property
    def emotions(self) -> Sequence[str]:
        """What it can steer towards."""
        ...

    @property
    def kind(self) -> str:
        """What a person calls it: mask, learned vectors."""
        ...

    def require_fit(self, info: ModelInfo, module: str) -> None:
        """Raises StudioError unless it fits the model."""
        ...

    def steer(self, emotion: str, strength: float) -> Steers:
        """Towards ``emotion``."""
        ...

    def control(self, seed: int) -> Candidate:
        """A random one of the same size at the same place."""
        ...

    def silenced(self, emotion: str) -> Steers | None:
        """With what carries ``emotion`` switched off; None where there is no such thing."""
        ...

    def describe(self) -> dict[str, Any]:
        """What it is, for the results."""
        ...


@dataclass(frozen=True, eq=False)
class MaskCandidate:
    """A mask in a mode; its strengths are in the mode's unit."""

    mask: EsnMask
    mode: Mode
    kind: str = "mask"

    @property
    def emotions(self) -> Sequence[str]:
        """See :class:`Candidate`."""
        return self.mask.emotions

    def require_fit(self, info: ModelInfo, module: str) -> None:
        """See :class:`Candidate`."""
        self.mask.check_fits(info.model_id, module, info.gates[module])

    def steer(self, emotion: str, strength: float) -> Steers:
        """See :class:`Candidate`."""
        return Steers(Steering(self.mask, self.mode, {emotion: strength}))

    def control(self, seed: int) -> MaskCandidate:
        """See :class:`Candidate`."""
        return replace(self, mask=layer_matched(self.mask, seed))

    def silenced(self, emotion: str) -> Steers | None:
        """See :class:`Candidate`."""
        return Steers(Steering(self.mask, Mode.DEACTIVATE, {emotion: 1.0}))

    def describe(self) -> dict[str, Any]:
        """See :class:`Candidate`."""
        mask = self.mask
        return {
            "mask": mask.fingerprint(),
            "selector": mask.metadata.get("selector"),
            "method": mask.method,
            "rate": mask.metadata.get("rate"),
            "mode": str(self.mode),
        }


@dataclass(frozen=True, eq=False)
class VectorsCandidate:
    """Learned vectors; their strengths are alphas. There is nothing to silence: without them the model is as it was."""

    vectors: EmoVectors
    kind: str = "learned vectors"

    @property
    def emotions(self) -> Sequence[str]:
        """See :class:`Candidate`."""
        return self.vectors.emotions

    def require_fit(self, info: ModelInfo, module: str) -> None:
        """See :class:`Candidate`."""
        self.vectors.check_fits(info.model_id, info.emosteer_sites)

    def steer(self, emotion: str, strength: float) -> Steers:
        """See :class:`Candidate`."""
        return Steers(emosteer=EmoSteering(self.vectors, {emotion: strength}))

    def control(self, seed: int) -> VectorsCandidate:
        """See :class:`Candidate`: behind a random rotation of the hidden state."""
        return replace(self, vectors=rotated(self.vectors, seed))

    def silenced(self, emotion: str) -> Steers | None:
        """See :class:`Candidate`."""
        return None

    def describe(self) -> dict[str, Any]:
        """See :class:`Candidate`."""
        facts = {"emosteer": self.vectors.fingerprint(), "method": "EmoSteer", "mode": "learned"}
        return facts | {"site": self.vectors.site, "eps": self.vectors.eps}


def layer_matched(mask: EsnMask, seed: int) -> EsnMask:
    """A random mask with as many neurons as ``mask`` in every layer, for each of its emotions."""
    empty = GateStatistics.zeros(mask.widths)
    stats = EmotionStatistics(mask.widths, {emotion: replace(empty, tokens=1) for emotion in mask.emotions})
    counts = {emotion: mask.histogram(emotion).tolist() for emotion in mask.emotions}
    return select(stats, Selector.RANDOM, 1, seed=seed, compare=mask.emotions, layer_counts=counts)
