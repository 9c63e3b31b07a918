"""Names of exported files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studio.errors import StudioError
from studio.session.naming import FIELDS, plan, reserve, safe_name, strength_name, take_name, taken_names
from studio.session.render import render
from studio.session.settings import RenderSettings
from studio.session.take import Take
from tests.toy import ToyJudge, ToyLALM, tone, toy_mask


def made(settings: RenderSettings, name: str = "tone") -> Take:
    take = render(ToyLALM(), tone(name=name), [settings], mask=toy_mask(), judge=ToyJudge())[0]
    return replace(take, created="2026-11-20T14:05:06+00:00", stars=4)


@pytest.fixture
def take() -> Take:
    return made(RenderSettings("happy", strengths={"happy": 0.5, "sad": 0.125}, layers=(0, 1), seed=3))


def test_every_field_says_what_it_promises(take: Take) -> None:
    template = " ".join(f"{name}={{{name}}}" for name in FIELDS)
    assert take_name(take, 7, template) == (
        "source_tone_target_happy_mode_gain_strengths_happy0.50_sad0.125_layers_layers0-1_seed_seed3_take_07_"
        "stars_4_verdict_happy_model_toy_date_2026-11-20_time_140506"
    )


def test_the_usual_name_leaves_no_gap_for_what_is_not_set(take: Take) -> None:
    assert take_name(take) == "tone_happy_gain_happy0.50_sad0.125_seed3"
    assert take_name(made(RenderSettings("sad"))) == "tone_sad_baseline"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{source", "unbalanced"),
        ("{colour}", r"no field \{colour\}; known: source"),
        ("{take.__class__}", "no field"),
        ("{take:>9}", "no field"),
        ("{take!r}", "no field"),
        ("{}", "no field"),
    ],
)
def test_templates_that_ask_for_more_are_refused(take: Take, template: str, said: str) -> None:
    with pytest.raises(StudioError, match=said):
        take_name(take, 1, template)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("../a b/ü:*", "a_b_ü"),
        ("a\0b\nc\\d", "a_b_c_d"),
        ("-rf", "rf"),
        ("nul", "nul_"),
        ("COM1.x", "COM1.x_"),
        ("...", "take"),
        ("", "take"),
        ("ü" * 300, "ü" * 80),
        ("漢字 かな", "漢字_かな"),
    ],
)
def test_names_are_safe_on_every_system(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_strengths_have_the_decimals_they_need() -> None:
    assert [strength_name(value) for value in (1, 0.1 + 0.2, 0.125, 0.33333)] == ["1.00", "0.30", "0.125", "0.333"]


def test_names_give_way_to_one_another_and_to_what_is_there(tmp_path: Path) -> None:
    assert plan(["a", "A", "b", "a"], {"B", "a-2"}) == ["a", "A-3", "b-2", "a-4"]
    for name in ("x.wav", "y.json", "z.txt"):
        (tmp_path / name).touch()
    assert taken_names(tmp_path) == {"x", "y"}
    assert taken_names(tmp_path / "none") == set()
    assert reserve(tmp_path / "new", "a", ".wav").name == "a.wav"
    assert [reserve(tmp_path, "x", ".flac").name for _ in range(2)] == ["x-2.flac", "x-3.flac"]
