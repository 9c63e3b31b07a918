"""Render settings: what is allowed, what they ask a model for, and their JSON form."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.emotions import EMOTIONS, TARGETS
from studio.errors import StudioError
from studio.esn.automation import Automation
from studio.esn.intervention import Mode, TokenScope
from studio.lalm.base import Content
from studio.session.settings import RenderSettings
from tests.toy import tone, toy_mask

SETTINGS = st.builds(
    RenderSettings,
    target=st.sampled_from(EMOTIONS),
    mode=st.sampled_from(Mode),
    strengths=st.dictionaries(st.sampled_from(TARGETS), st.floats(0, 10)),
    mask_path=st.none() | st.text(),
    mask_sha=st.none() | st.text(),
    module=st.sampled_from(["language", "synthesis"]),
    layers=st.none() | st.tuples(st.integers(0, 5), st.integers(5, 40)),
    scope=st.sampled_from(TokenScope),
    automation=st.none()
    | st.lists(st.tuples(st.floats(0, 60), st.floats(0, 1)), min_size=1, unique_by=lambda point: point[0]).map(
        lambda points: Automation(tuple(sorted(points)))
    ),
    seed=st.none() | st.integers(0, 2**63 - 1),
    content=st.sampled_from(Content),
    model_id=st.text(),
)


@given(SETTINGS)
def test_json_round_trip(settings: RenderSettings) -> None:
    assert RenderSettings.from_json(json.loads(json.dumps(settings.to_json()))) == settings


@pytest.mark.parametrize(
    "values",
    [
        {"target": "bored"},
        {"target": "happy", "strengths": {"bored": 1.0}},
        {"target": "happy", "strengths": {"sad": -0.1}},
        {"target": "happy", "strengths": {"sad": math.nan}},
        {"target": "happy", "strengths": {"sad": math.inf}},
        {"target": "happy", "layers": (4, 2)},
        {"target": "happy", "layers": (-1, 2)},
        {"target": "happy", "seed": -1},
        {"target": "happy", "seed": 2**63},
    ],
)
def test_out_of_range_is_one_sentence(values: dict[str, Any]) -> None:
    with pytest.raises(StudioError) as caught:
        RenderSettings(**values)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "shout"},
        {"layers": [1]},
        {"layers": "all"},
        {"strengths": [1, 2]},
        {"strengths": {"sad": "much"}},
        {"seed": "x"},
        {"scope": None},
        {"target": "bored"},
    ],
)
def test_damaged_json_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(StudioError):
        RenderSettings.from_json(RenderSettings("happy").to_json() | change)


@pytest.mark.parametrize("document", [None, [], "text", {}, {"target": "happy"}])
def test_foreign_json_is_refused(document: Any) -> None:
    with pytest.raises(StudioError, match="damaged"):
        RenderSettings.from_json(document)


def test_zero_strengths_ask_for_no_steering_and_need_no_mask() -> None:
    settings = RenderSettings("angry", strengths={"angry": 0.0, "sad": 0.0})
    assert settings.is_baseline
    assert settings.steering(None) is None
    assert settings.request(tone(), None).steering is None


def test_steering_carries_the_settings() -> None:
    mask = toy_mask()
    settings = RenderSettings(
        "angry", Mode.CLAMP, {"angry": 0.5, "sad": 0.0}, layers=(0, 1), scope=TokenScope.GENERATED, seed=4
    )
    request = settings.request(tone(), mask)
    assert request.steering is not None
    assert request.steering.mask is mask
    assert request.steering.mode is Mode.CLAMP
    assert dict(request.steering.strengths) == {"angry": 0.5}
    assert request.steering.layers == (0, 1)
    assert request.steering.scope is TokenScope.GENERATED
    assert (request.target, request.seed, request.content) == ("angry", 4, Content.FREE)


def test_steering_without_mask_or_with_a_lacking_one_is_refused() -> None:
    with pytest.raises(StudioError, match="needs an ESN mask"):
        RenderSettings("angry", strengths={"angry": 1.0}).steering(None)
    with pytest.raises(StudioError, match="no neurons for neutral"):
        RenderSettings("angry", strengths={"neutral": 1.0}).steering(toy_mask())
