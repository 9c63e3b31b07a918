"""Watching the forward passes of a decoder that somebody else's loop drives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from studio.errors import StudioError
from studio.esn.taps import GateTaps


class Passes:
    """Counts a decoder's forward passes, and calls back before each, so that an exception there ends the generation.

    ``count``: passes since ``watched`` was entered; ``prompt``: positions of the first of them; ``ids``: what the pass
    about to run reads, int64 [1, T], None where it reads embeddings. Models that offer no stopping criteria are
    cancelled this way, within one token.
    """

    def __init__(self, decoder: nn.Module) -> None:
        self.count = 0
        self.prompt = 0
        self.ids: torch.Tensor | None = None
        self._before: Callable[[int], None] | None = None
        self._handle = decoder.register_forward_pre_hook(self._hook, with_kwargs=True)

    def read(self) -> torch.Tensor:
        """``ids``; raises StudioError where there are none, since a curve could not be followed."""
        if self.ids is None:
            raise StudioError(
                "The model reads no ids where it should read what it wrote, so its code is not the revision this "
                "studio was made for; clear the intensity curve."
            )
        return self.ids

    @contextmanager
    def watched(self, before: Callable[[int], None]) -> Iterator[None]:
        """Call ``before`` with the number of each pass, from 0."""
        self.count = self.prompt = 0
        self._before = before
        try:
            yield
        finally:
            self._before = self.ids = None

    def remove(self) -> None:
        """Take the hook off."""
        self._handle.remove()

    def _hook(self, module: nn.Module, args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
        if self._before is None:
            return
        self.ids = _ids(args, kwargs)
        self._before(self.count)
        if not self.count:
            self.prompt = _positions(args, kwargs)
        self.count += 1


@dataclass(frozen=True, eq=False)
class Site:
    """Gates that can be steered and counted, and the decoder whose passes run each of them once."""

    taps: GateTaps
    passes: Passes

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons per layer."""
        return self.taps.widths

    def remove(self) -> None:
        """Take all hooks off."""
        self.taps.remove()
        self.passes.remove()


def find(root: object, path: str) -> nn.Module:
    """The module at a dotted path; raises StudioError when the model has none there."""
    found = root
    for name in path.split("."):
        found = getattr(found, name, None)
    if not isinstance(found, nn.Module):
        raise StudioError(
            f"The model has no module '{path}', so its code is not the revision this studio was made for."
        )
    return found


def tap(layers: nn.Module, passes: Passes) -> Site:
    """Tap ``mlp.act_fn`` of each of a decoder's layers; raises StudioError when a layer has no such gate."""
    if not isinstance(layers, nn.ModuleList):
        raise StudioError("The model's layers are no list, so its code is not the revision this studio was made for.")
    gates = [find(layer, "mlp.act_fn") for layer in layers]
    projections = [find(layer, "mlp.gate_proj") for layer in layers]
    weight = projections[0].weight
    assert isinstance(weight, torch.Tensor)
    return Site(GateTaps(gates, _widths(projections), device=weight.device, dtype=weight.dtype).install(), passes)


def _widths(projections: Sequence[nn.Module]) -> list[int]:
    return [int(projection.out_features) for projection in projections]  # type: ignore[arg-type]


def _ids(args: tuple[object, ...], kwargs: Mapping[str, object]) -> torch.Tensor | None:
    for value in (kwargs.get("input_ids"), *args[:1]):
        if isinstance(value, torch.Tensor) and value.dim() == 2 and not value.is_floating_point():
            return value
    return None


def _positions(args: tuple[object, ...], kwargs: Mapping[str, object]) -> int:
    for value in (kwargs.get("inputs_embeds"), kwargs.get("input_ids"), *args):
        if isinstance(value, torch.Tensor) and value.dim() >= 2:
            return int(value.shape[1])
    return 0
