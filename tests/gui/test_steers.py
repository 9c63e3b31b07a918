"""The panel's values as they are kept, and as a take's settings give them back."""

from __future__ import annotations

import json

import pytest

from studio.errors import StudioError
from studio.gui.asking import settings_of
from studio.gui.shown import Steer
from studio.gui.steers import panel_document, read_panel, steer_of

FULL = Steer(
    target="angry",
    mode="add",
    strengths={"angry": 0.2, "sad": 0.1, "happy": 0.0},
    layers=(1, 3),
    scope="generated",
    seed=12,
    content="lock",
    automation=((0.0, 0.0), (1.5, 0.75)),
    muted=frozenset({"sad"}),
)


@pytest.mark.parametrize("steer", [Steer(), FULL, Steer(mode="clamp", layers=(0, 2)), Steer(target="sad", seed=0)])
def test_the_panel_is_kept_as_it_was(steer: Steer) -> None:
    assert read_panel(json.loads(json.dumps(panel_document(steer)))) == steer


def test_settings_give_back_what_was_asked_for() -> None:
    assert steer_of(settings_of(FULL, None)) == FULL.canonical()


def test_a_project_without_panel_has_the_default_one_and_a_broken_one_is_refused() -> None:
    assert read_panel({}) == Steer()
    with pytest.raises(StudioError, match="settings are damaged"):
        read_panel({"target": None})
