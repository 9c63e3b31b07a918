"""What a model says of its layers, on the heatmap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pytestqt.qtbot import QtBot

from studio.esn.mask import EsnMask
from studio.gui.localize.heatmap import HeatmapView
from studio.gui.localize.labels import labels_of, spans
from studio.gui.shown import ShownMask
from studio.gui.state import StudioState
from studio.lalm.base import ModelInfo

LABELS = ("text and speech",) * 22 + ("text only",) * 6
WIDTHS = (4,) * 28


def shown(widths: tuple[int, ...] = WIDTHS) -> ShownMask:
    mask = EsnMask(widths, {"happy": np.array([[1, 2]], dtype=np.int32)}, {"happy": np.zeros(1, dtype=np.float32)})
    return ShownMask(mask, "m", Path("m"), widths, {"happy": tuple(mask.histogram("happy").tolist())})


def test_neighbours_are_told_together() -> None:
    assert spans(LABELS) == "0\N{EN DASH}21 text and speech, 22\N{EN DASH}27 text only"
    assert spans(("a", "b")) == "0 a, 1 b"
    assert spans(()) == ""


def test_only_the_models_own_masks_are_labelled() -> None:
    state = StudioState()
    assert labels_of(state) == ()
    state.set_model(
        ModelInfo("k", "r", "d", "K", {"language": WIDTHS}, 24_000, 30.0, layer_labels={"language": LABELS})
    )
    state.set_mask(shown())
    assert labels_of(state) == LABELS
    state.set_mask(shown((4,) * 3))
    assert labels_of(state) == ()


def test_the_heatmap_says_it(qtbot: QtBot) -> None:
    view = HeatmapView()
    qtbot.addWidget(view)
    view.show_mask(shown())
    assert view._axes["layers"].labelText == "layer"
    view.name_layers(LABELS)
    assert view._axes["layers"].labelText == "layer (0\N{EN DASH}21 text and speech, 22\N{EN DASH}27 text only)"
    assert view._name(23) == "Layer 23 (text only)"
    view.name_layers(())
    assert view._name(23) == "Layer 23"
    assert view._axes["layers"].labelText == "layer"
