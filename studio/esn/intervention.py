"""Interventions as one form per gate: g <- max(scale * g + shift, floor) (paper section 3.4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import torch

from studio.errors import StudioError
from studio.esn.automation import Automation
from studio.esn.errors import MaskError
from studio.esn.mask import EsnMask


class Mode(StrEnum):
    """What happens to a selected gate g at strength a: (1 + a) g, g + a, max(g, a), or 0."""

    GAIN = "gain"
    ADD = "add"
    CLAMP = "clamp"
    DEACTIVATE = "deactivate"


class TokenScope(StrEnum):
    """Which positions are steered: prompt and generated ones alike, or generated ones only."""

    ALL = "all"
    GENERATED = "generated"


@dataclass(frozen=True, eq=False)
class Steering:
    """How one row of a batch is steered.

    ``strengths``: emotion -> a >= 0, for any number of emotions at once; strength 0 is the baseline in every mode, and
    above 0 switches deactivation on. ``layers``: first and last layer to steer, both included; None for all.
    ``automation``: shares of the strengths over the source's time; the model that generates asks it for every position.
    Raises StudioError for strengths or layers that make no sense, MaskError for an emotion the mask does not hold.
    """

    mask: EsnMask
    mode: Mode
    strengths: dict[str, float]
    layers: tuple[int, int] | None = None
    scope: TokenScope = TokenScope.ALL
    automation: Automation | None = None

    def __post_init__(self) -> None:
        for emotion, strength in self.strengths.items():
            if not (math.isfinite(strength) and strength >= 0):
                raise StudioError(f"The strength for {emotion} must be a number of at least 0; it is {strength}.")
            if strength > 0 and emotion not in self.mask.indices:
                raise MaskError(
                    f"The mask has no neurons for {emotion} (it has {', '.join(self.mask.emotions)}); "
                    "set its strength to 0 or choose another mask."
                )
        if self.layers is not None:
            first, last = self.layers
            if not 0 <= first <= last < len(self.mask.widths):
                raise StudioError(
                    f"Layers {first} to {last} are no range within 0 to {len(self.mask.widths) - 1}, the mask's layers."
                )

    @cached_property
    def is_identity(self) -> bool:
        """True when no gate changes: the row is the baseline."""
        if self.automation is not None and self.automation.is_silent:
            return True
        return not any(len(self._selected(emotion)) for emotion in self._active())

    def write(self, scale: torch.Tensor, shift: torch.Tensor, floor: torch.Tensor) -> None:
        """Turn identity coefficients, float32 [N] over all layers, into this row's.

        Emotions that share a neuron add up: scale = 1 + sum of a, shift = sum of a; the largest floor holds.
        """
        amounts = torch.zeros(len(scale), dtype=torch.float64)
        for emotion in self._active():
            selected = self._selected(emotion)
            strength = self.strengths[emotion]
            match self.mode:
                case Mode.GAIN | Mode.ADD:
                    amounts[selected] += strength
                case Mode.CLAMP:
                    floor[selected] = floor[selected].clamp_min(strength)
                case Mode.DEACTIVATE:
                    scale[selected] = 0.0
                    shift[selected] = 0.0
        if self.mode is Mode.GAIN:
            scale.copy_(1 + amounts)
        elif self.mode is Mode.ADD:
            chosen = amounts > 0
            shift[chosen] = amounts[chosen].to(torch.float32)

    def _active(self) -> list[str]:
        return [emotion for emotion, strength in self.strengths.items() if strength > 0]

    def _selected(self, emotion: str) -> torch.Tensor:
        flat = self.mask.flat(emotion)
        if self.layers is not None:
            layer = self.mask.indices[emotion][:, 0]
            first, last = self.layers
            flat = flat[(layer >= first) & (layer <= last)]
        return torch.from_numpy(flat)


@dataclass(frozen=True)
class Needs:
    """Which of scale, shift and floor change anything, in any row of a layer."""

    scale: bool
    shift: bool
    floor: bool


@dataclass(frozen=True, eq=False)
class Coefficients:
    """One layer's scale, shift and floor, each float32 [batch, 1, width]."""

    scale: torch.Tensor
    shift: torch.Tensor
    floor: torch.Tensor

    def apply(self, gate: torch.Tensor) -> torch.Tensor:
        """max(scale * g + shift, floor) for a gate [batch, tokens, width]."""
        return torch.addcmul(self.shift, gate, self.scale).clamp_min_(self.floor)

    def apply_needed(self, gate: torch.Tensor, needs: Needs) -> torch.Tensor | None:
        """What ``apply`` gives, to the bit, by fewer operations; None where that is the gate itself.

        ``needs``: those of these coefficients, or more.
        """
        if needs.shift:
            shifted = torch.addcmul(self.shift, gate, self.scale)
            return shifted.clamp_min_(self.floor) if needs.floor else shifted
        if needs.scale:
            scaled = gate * self.scale
            return scaled.clamp_min_(self.floor) if needs.floor else scaled
        return torch.maximum(gate, self.floor) if needs.floor else None

    def needs(self) -> Needs:
        """What of these coefficients is not the identity; a shift of plus zero is none (it turns -0.0 into 0.0)."""
        shifts = (self.shift != 0) | ~self.shift.signbit()
        return Needs(bool((self.scale != 1).any()), bool(shifts.any()), bool((self.floor != -math.inf).any()))

    def at_share(self, shares: torch.Tensor) -> Coefficients:
        """These coefficients with the strengths of each row times its share, [batch] in 0..1.

        Share 1 is what they are and share 0 the identity, both to the bit. Deactivation has no degrees: it holds
        wherever the share is above 0.
        """
        share = shares.to(self.scale).view(-1, 1, 1)
        off, full = share == 0, share == 1
        scaled = torch.where(full | (self.scale == 0), self.scale, 1 + (self.scale - 1) * share)
        return Coefficients(
            torch.where(off, 1.0, scaled),
            torch.where(off, -0.0, self.shift * share),
            torch.where(off, -math.inf, self.floor * share),
        )

    def to(self, device: torch.device, dtype: torch.dtype) -> Coefficients:
        """A copy for gates of that device and dtype."""
        return Coefficients(
            *(value.to(device, dtype, copy=True).contiguous() for value in (self.scale, self.shift, self.floor))
        )

    def copy_(self, other: Coefficients) -> None:
        """Overwrite in place."""
        self.scale.copy_(other.scale)
        self.shift.copy_(other.shift)
        self.floor.copy_(other.floor)

    def neutralise_(self) -> None:
        """Overwrite in place with the identity."""
        self.scale.fill_(1.0)
        self.shift.fill_(-0.0)
        self.floor.fill_(-math.inf)


def coefficients(rows: Sequence[Steering | None], widths: Sequence[int]) -> list[Coefficients]:
    """Coefficients of each layer for a batch; None, and strength 0, is the identity.

    The identity is (1, -0.0, -inf): added to any g, and to -0.0 too, minus zero changes no bit.
    Raises MaskError when a row's mask covers other layers than ``widths``.
    """
    widths = tuple(widths)
    size = (len(rows), sum(widths))
    scale, shift, floor = torch.ones(size), torch.full(size, -0.0), torch.full(size, -math.inf)
    for row, steering in enumerate(rows):
        if steering is None or steering.is_identity:
            continue
        if steering.mask.widths != widths:
            raise MaskError(
                f"The mask covers {len(steering.mask.widths)} layers with {sum(steering.mask.widths)} neurons, but the "
                f"model has {len(widths)} with {sum(widths)}; choose a mask made for this model and module."
            )
        steering.write(scale[row], shift[row], floor[row])
    parts = [torch.split(value.unsqueeze(1), list(widths), dim=-1) for value in (scale, shift, floor)]
    return [Coefficients(*layer) for layer in zip(*parts, strict=True)]
