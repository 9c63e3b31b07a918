"""What a model says of its layers, told in a line."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from studio.gui.shown import ShownMask
from studio.gui.state import StudioState


def spans(labels: Sequence[str]) -> str:
    """Neighbours with one label as a stretch: "0–21 text and speech, 22–27 text only"; empty without labels."""
    told = []
    for label, members in groupby(range(len(labels)), key=lambda layer: labels[layer]):
        layers = list(members)
        stretch = str(layers[0]) if len(layers) == 1 else f"{layers[0]}\N{EN DASH}{layers[-1]}"
        told.append(f"{stretch} {label}")
    return ", ".join(told)


def labels_of(state: StudioState) -> tuple[str, ...]:
    """What the loaded model says of the layers of the open mask; empty when the mask is not one of its."""
    mask: ShownMask | None = state.mask
    if mask is None or state.model is None or state.model.gates.get(mask.module) != mask.widths:
        return ()
    return state.model.layer_labels.get(mask.module, ())
