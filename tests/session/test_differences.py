"""What differs between two takes, and what was measured of them later."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from studio.errors import StudioError
from studio.esn.intervention import Mode, TokenScope
from studio.judges import naturalness, speaker
from studio.lalm.base import Content
from studio.session import measures
from studio.session.differences import differences
from studio.session.measures import LEAST_SIMILARITY, Measures, with_measures
from studio.session.render import render
from studio.session.reproduce import compare, render_again
from studio.session.settings import RenderSettings
from studio.session.take import Flag, Take
from tests.toy import INFO, ToyLALM, tone, toy_mask


def take(**settings: Any) -> Take:
    asked = RenderSettings(**{"target": "happy"} | settings)
    return render(ToyLALM(), tone(), [asked], mask=toy_mask())[0]


STEERED = {"happy": 0.5}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({}, {}, []),
        ({}, {"target": "sad"}, [("target", "happy", "sad")]),
        ({"strengths": STEERED}, {"strengths": {"happy": 1.0}}, [("happy", "0.50", "1.00")]),
        (
            {"strengths": STEERED, "seed": 3},
            {"strengths": {"sad": 0.2, **STEERED}, "layers": (0, 1)},
            [("sad", "0.00", "0.20"), ("layers", "all layers", "layers 0–1"), ("seed", "seed 3", "greedy")],
        ),
        (
            {"strengths": STEERED},
            {"strengths": STEERED, "mode": Mode.ADD, "scope": TokenScope.GENERATED, "content": Content.LOCK},
            [("mode", "gain", "add"), ("tokens", "all tokens", "generated tokens"), ("content", "free", "lock")],
        ),
        ({"mode": Mode.ADD}, {"mode": Mode.GAIN, "layers": (0, 0)}, []),
    ],
)
def test_differences_in_words(first: dict[str, Any], second: dict[str, Any], expected: list[tuple[str, ...]]) -> None:
    found = differences(take(**first), take(**second))
    assert [(each.name, each.first, each.second) for each in found] == expected


def test_another_source_is_a_difference() -> None:
    first = take()
    other = replace(first, source=tone(2.0), source_name="longer")
    assert [each.phrase for each in differences(first, other)] == ["source longer"]


def test_a_voice_below_the_limit_is_flagged_once() -> None:
    plain = take()
    other = with_measures(with_measures(plain, Measures(3.1, 0.2)), Measures(3.2, LEAST_SIMILARITY - 0.01))
    assert other.flags == (Flag.VOICE,)
    assert (other.naturalness, other.similarity) == (3.2, LEAST_SIMILARITY - 0.01)
    assert with_measures(other, Measures(3.2, LEAST_SIMILARITY)).flags == ()
    assert with_measures(plain, Measures(None, None)).flags == ()


def test_packages_that_are_not_there_are_named_and_leave_measures_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_clips: object) -> float:
        raise StudioError("needs a package")

    monkeypatch.setattr(measures, "find_spec", lambda _name: None)
    monkeypatch.setattr(naturalness, "naturalness", absent)
    monkeypatch.setattr(speaker, "similarity", lambda _first, _second: 0.7)
    assert [sentence.partition(":")[0] for sentence in measures.lacking()] == [
        "Naturalness needs a package that is not installed",
        "Speaker similarity needs a package that is not installed",
    ]
    assert measures.measure(tone(), tone()) == Measures(None, 0.7)


def test_a_take_of_another_model_is_not_rendered_again() -> None:
    made = take()
    with pytest.raises(StudioError, match="so it cannot be rendered again"):
        render_again(ToyLALM(replace(INFO, revision="r2")), made, None)
    assert render_again(ToyLALM(), made, None).identical


def test_comparisons_say_how_far_apart_renders_are() -> None:
    first, louder = tone(), tone(level=0.75)
    assert "differ by up to 0.25 of full scale" in compare(first, louder).sentence
    assert compare(first, tone(0.5)).sentence == "8000 samples instead of 16000"
