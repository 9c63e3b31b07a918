"""What was asked for: kept with a job, read back by window and command line alike."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from studio.errors import StudioError
from studio.esn.selectors import Selector
from studio.pipelines.identify import IdentifySettings
from studio.pipelines.recipe import (
    EVERYTHING,
    FILE,
    Recipe,
    load_recipe,
    save_recipe,
    settings_of,
    split_of,
    to_convert,
)
from tests.pipelines.conftest import make_corpus


def test_it_survives_the_disk(tmp_path):
    recipe = Recipe(
        corpus=tmp_path / "Größe", emotions=("sad",), limit=3, rate=0.29, judge="choice:mine:load", share=(2, 3)
    )
    save_recipe(recipe, tmp_path)
    assert load_recipe(tmp_path) == recipe


def test_fields_of_later_versions_have_their_defaults(tmp_path):
    save_recipe(Recipe(corpus=tmp_path), tmp_path)
    document = json.loads((tmp_path / FILE).read_text())
    del document["share"], document["keep_rejected"]
    (tmp_path / FILE).write_text(json.dumps(document))
    assert load_recipe(tmp_path) == Recipe(corpus=tmp_path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", "is damaged, so"),
        (b"[]", "not written by this version"),
        (b'{"format": 99}', "not written by this version"),
        (b'{"format": 1, "corpus": null}', "is damaged, so"),
        (b'{"format": 1, "corpus": "x", "share": [1]}', "is damaged, so"),
        (b'{"format": 1, "corpus": "x", "rate": "much", "cap": true}', r"is damaged \(rate, cap\), so"),
    ],
)
def test_damage_is_one_sentence(tmp_path, content, sentence):
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(StudioError, match=sentence):
        load_recipe(tmp_path)


def test_a_folder_without_one_says_what_to_choose(tmp_path):
    with pytest.raises(StudioError, match=r"has no 'search.json'.*Choose the folder of a search, or of esn-studio"):
        load_recipe(tmp_path)


def test_every_answer_reaches_the_pipeline():
    assert settings_of(Recipe()) == IdentifySettings(split="identification")
    changed = Recipe(
        emotions=("sad",), module="synthesis", selector="mad", rate=0.1, percentile=50.0, cap=3, wer_threshold=0.5,
        seed=4, part="all", batch=2, stop_early=False, share=(2, 3), keep_audio=False, keep_rejected=False,
    )  # fmt: skip
    assert settings_of(changed) == IdentifySettings(
        emotions=("sad",), module="synthesis", selector=Selector.MAD, rate=0.1, percentile=50.0, cap=3,
        wer_threshold=0.5, seed=4, split="all", batch=2, stop_early=False, part=(2, 3), keep_audio=False,
        keep_rejected=False,
    )  # fmt: skip


def test_what_only_selects_belongs_to_the_same_job(tmp_path):
    recipe = Recipe(corpus=tmp_path)
    assert recipe.same_job(replace(recipe, selector="mad", rate=0.1, cap=3, emotions=("sad",), keep_audio=False))
    for other in (
        replace(recipe, seed=1),
        replace(recipe, judge="emotion2vec"),
        replace(recipe, limit=5),
        replace(recipe, wer_threshold=0.2),
        replace(recipe, batch=3),
    ):
        assert not recipe.same_job(other)


def test_neutral_utterances_of_one_part_are_converted(tmp_path):
    utterances = make_corpus(tmp_path, speakers=4)
    loud = replace(utterances[0], emotion="angry", path=utterances[0].path.with_name("loud.flac"))
    everything = Recipe(part=EVERYTHING)
    assert to_convert(everything, split_of(everything, "folders", [*utterances, loud])) == list(utterances)
    few = Recipe(limit=3)
    split = split_of(few, "folders", utterances)
    chosen = to_convert(few, split)
    assert len(chosen) == 3
    assert set(chosen) <= set(split["identification"])
