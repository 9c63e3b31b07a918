from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from studio.judges.content import WordErrors
from studio.pipelines.effects import Condition, Row, effects, matrix, wilson

BASE, SELF, CROSS, RANDOM = (
    Condition("baseline"), Condition("self", 1.0), Condition("cross", 1.0), Condition("random", 1.0)
)  # fmt: skip


def row(utterance, target, condition, variant, matched, probability=0.5, **more):
    return Row(utterance, target, condition, variant, bool(matched), probability, WordErrors(0, 5), **more)


def paired(targets=("happy", "sad"), count=6):
    """Baseline, self-effect and two random masks with known outcomes."""
    draw = np.random.default_rng(2)
    rows = []
    for utterance in map(str, range(count)):
        for target in targets:
            rows.append(row(utterance, target, BASE, "", draw.random() < 0.4, draw.random()))
            rows.append(row(utterance, target, SELF, target, draw.random() < 0.8, draw.random()))
            rows += [row(utterance, target, RANDOM, seed, draw.random() < 0.5, draw.random()) for seed in "01"]
    return rows


def test_changes_are_paired_and_errors_are_over_utterances():
    rows = paired()
    found = {each.condition: each for each in effects(rows)}
    assert list(found) == [BASE, SELF, RANDOM]
    base = {(each.utterance, each.target): each for each in rows if each.condition == BASE}
    for target in ("happy", "sad"):
        changes = [
            100.0 * (each.matched - base[each.utterance, target].matched)
            for each in rows
            if each.condition == SELF and each.target == target
        ]
        cell = found[SELF].targets[target]
        assert cell.change == pytest.approx(np.mean(changes))
        assert cell.error == pytest.approx(np.std(changes, ddof=1) / math.sqrt(6))
        assert cell.utterances == 6
    by_utterance = [
        np.mean(
            [
                100.0 * (each.matched - base[each.utterance, each.target].matched)
                for each in rows
                if each.condition == SELF and each.utterance == utterance
            ]
        )
        for utterance in map(str, range(6))
    ]
    assert found[SELF].mean.change == pytest.approx(np.mean(by_utterance))
    assert found[SELF].mean.error == pytest.approx(np.std(by_utterance, ddof=1) / math.sqrt(6))


def test_baseline_has_no_change_and_an_interval_per_target():
    [base, *_] = effects(paired())
    assert base.mean.change == 0
    assert base.mean.error == 0
    assert base.mean.low is None
    cell = base.targets["happy"]
    assert cell.low is not None
    assert cell.high is not None
    assert cell.low < cell.match < cell.high


def test_variants_are_averaged_and_told_apart():
    rows = paired(("sad",), 4)
    [*_, random] = effects(rows)
    base = {each.utterance: each.matched for each in rows if each.condition == BASE}
    per_seed = {
        seed: np.mean([100.0 * (each.matched - base[each.utterance]) for each in rows if each.variant == seed])
        for seed in "01"
    }
    assert random.variants == pytest.approx(per_seed)
    assert random.mean.change == pytest.approx(np.mean(list(per_seed.values())))


def test_every_target_weighs_the_same():
    rows = [row("a", "happy", BASE, "", 0), row("a", "happy", SELF, "happy", 1)]
    rows += [row(name, "sad", kind, "sad", 0) for name in "abc" for kind in (BASE, SELF)]
    assert effects(rows)[1].mean.change == pytest.approx(50.0)


def test_words_are_counted_over_everything():
    rows = [
        row("a", "sad", BASE, "", 0, heard=WordErrors(1, 4), measures={"level": -20.0}),
        row("b", "sad", BASE, "", 0, heard=WordErrors(1, 16), measures={"level": -30.0, "pitch": 5.0}),
    ]
    [base] = effects(rows)
    assert base.mean.wer == 0
    assert base.mean.heard_wer == pytest.approx(10.0)
    assert base.mean.measures == {"level": -25.0, "pitch": 5.0}
    assert effects(paired())[0].mean.heard_wer is None


def test_a_single_utterance_has_no_standard_error():
    assert effects(paired(count=1))[1].mean.error is None


def test_matrix_by_mask_emotion_and_target():
    rows = [
        row("a", "happy", BASE, "", 0), row("b", "happy", BASE, "", 1), row("a", "sad", BASE, "", 1),
        row("a", "happy", SELF, "happy", 1), row("b", "happy", SELF, "happy", 1),
        row("a", "happy", CROSS, "sad", 0), row("b", "happy", CROSS, "sad", 0), row("a", "sad", CROSS, "happy", 0),
        row("a", "happy", RANDOM, "0", 1),
    ]  # fmt: skip
    assert matrix(rows) == {"happy": {"happy": 50.0, "sad": -100.0}, "sad": {"happy": -50.0}}


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (0, 40), (7, 40), (40, 40), (500, 1000)])
def test_wilson_interval(successes, trials):
    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    assert wilson(successes, trials) == pytest.approx((expected.low, expected.high))


def test_nothing_tried_says_nothing():
    assert wilson(0, 0) == (0.0, 1.0)


def test_names_for_tables():
    assert [each.name for each in (BASE, SELF, Condition("deactivate"), Condition("cross", 0.3))] == [
        "baseline", "self 1", "deactivate", "cross 0.3"
    ]  # fmt: skip
