"""The selectors against plain loops, and what the method says about counts, ties and missing emotions."""

from __future__ import annotations

import itertools
import time
from decimal import Decimal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.emotions import TARGETS
from studio.errors import StudioError
from studio.esn.errors import StatisticsError
from studio.esn.selectors import Selector, lape_scores, select, selection_count
from studio.esn.statistics import EmotionStatistics
from tests.esn import reference

RANKING = ("lap", "lape", "mad", "cas")
RATES = ("0.05", "0.1", "0.29", "0.5", "1")


def flat(mask, emotion: str) -> list[int]:
    return mask.flat(emotion).tolist()


@pytest.mark.parametrize("selector", RANKING)
@given(data=reference.counted(), rate=st.sampled_from(RATES), percentile=st.sampled_from((0.0, 50.0, 95.0, 100.0)))
@settings(max_examples=100, deadline=None)
def test_selection_equals_the_plain_loop(selector, data, rate, percentile):
    widths, counts = data
    stats = reference.statistics(counts, widths)
    if selection_count(rate, sum(widths)) == 0:
        with pytest.raises(StudioError, match="selects no neuron"):
            select(stats, Selector(selector), rate)
        return
    mask = select(stats, Selector(selector), rate, percentile=percentile)
    expected = reference.select(counts, selector, rate, percentile)
    assert list(mask.emotions) == list(expected)
    assert {emotion: flat(mask, emotion) for emotion in expected} == expected


@given(data=reference.counted(least_emotions=2))
@settings(max_examples=60, deadline=None)
def test_scores_are_those_of_the_chosen_neurons(data):
    widths, counts = data
    p = reference.probabilities(counts)
    mask = select(reference.statistics(counts, widths), Selector.CAS, "1")
    for emotion in mask.emotions:
        for place, neuron in enumerate(flat(mask, emotion)):
            values = sorted((p[e][neuron] for e in p), reverse=True)
            assert p[emotion][neuron] == values[0]
            assert mask.scores[emotion][place] == torch.tensor(values[0] - values[1], dtype=torch.float32)


@pytest.mark.parametrize(
    ("rate", "n", "count"),
    [(0.29, 100, 29), ("0.29", 100, 29), (Decimal("0.29"), 100, 29), (0.57, 100, 57), (0.005, 530_432, 2652),
     (0.07, 100, 7), (0.001, 999, 0), (1, 7, 7), (1.0, 7, 7), (1e-3, 5000, 5)],
)  # fmt: skip
def test_the_count_is_the_exact_floor(rate, n, count):
    assert selection_count(rate, n) == count


@given(digits=st.integers(1, 10_000), n=st.integers(1, 10**6))
def test_the_count_is_exact_for_any_decimal_rate(digits, n):
    assert selection_count(digits / 10_000, n) == digits * n // 10_000


@pytest.mark.parametrize("rate", [0, -0.1, 1.01, "nan", "inf", "half", float("nan"), "1e999999999"])
def test_rates_outside_the_unit_interval_are_refused(rate):
    with pytest.raises(StudioError, match="rate must lie above 0"):
        selection_count(rate, 100)


def test_a_vanishing_rate_is_refused_at_once():
    with pytest.raises(StudioError, match="selects no neuron"):
        select(reference.statistics({"sad": ([1], 1)}, [1]), Selector.LAP, "1e-999999")


@pytest.mark.parametrize("selector", RANKING)
def test_ties_break_by_layer_and_neuron(selector):
    counts = {emotion: ([3] * 12, 5) for emotion in TARGETS}
    mask = select(reference.statistics(counts, (4, 4, 4)), Selector(selector), 0.5, percentile=0.0)
    first = "happy"
    if selector == "lape":  # no P exceeds the lowest, so nothing is a candidate
        assert mask.count(first) == 0
    else:
        assert reference.pairs(mask, first) == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1)]


def test_cas_leaves_neurons_of_other_emotions_out_and_says_so():
    counts = {"happy": ([9, 9, 9, 1], 10), "sad": ([1, 1, 1, 5], 10)}
    mask = select(reference.statistics(counts, (4,)), Selector.CAS, 0.5)
    assert reference.pairs(mask, "happy") == [(0, 0), (0, 1)]
    assert reference.pairs(mask, "sad") == [(0, 3)]
    assert "sad: only 1 of 2 neurons could be ranked, so its mask is smaller." in mask.metadata["notes"]


def test_lape_never_takes_a_silent_neuron_and_records_its_threshold():
    counts = {"happy": ([0, 0, 5, 0], 10), "sad": ([0, 0, 0, 5], 10)}
    mask = select(reference.statistics(counts, (4,)), Selector.LAPE, 0.5, percentile=0.0)
    assert {neuron for emotion in mask.emotions for neuron in flat(mask, emotion)} == {2, 3}
    assert mask.metadata["percentile"] == 0.0
    assert mask.metadata["threshold"] == 0.0


def test_lape_takes_entropies_as_equal_in_whatever_order_emotions_come():
    # Summed in the order of emotions, the entropies of these permuted columns differ in the last bits.
    p = np.array(list(itertools.permutations((0.11, 0.23, 0.37, 0.83)))).T
    for candidates in range(1, p.shape[1] + 1):
        pool = np.flatnonzero(np.isfinite(lape_scores(p, 0.0, candidates)).all(axis=0))
        assert pool.tolist() == list(range(candidates))


def test_an_emotion_without_successes_has_no_mask_and_the_mask_says_so():
    counts = {"happy": ([5, 0], 10), "angry": ([0, 0], 0), "sad": ([0, 5], 10)}
    mask = select(reference.statistics(counts, (2,)), Selector.CAS, 0.5)
    assert mask.emotions == ("happy", "sad")
    assert mask.metadata["compare"] == ["happy", "sad"]
    assert mask.metadata["notes"] == [
        "angry: no successes, so it has no mask.",
        "surprise: no successes, so it has no mask.",
    ]


def test_no_successes_at_all_is_an_error():
    with pytest.raises(StatisticsError, match="None of happy, angry, sad, surprise has successes"):
        select(reference.statistics({"neutral": ([1, 2], 4), "sad": ([0, 0], 0)}, (2,)), Selector.CAS, 0.5)


def test_neutral_joins_only_where_the_compare_set_says_so():
    counts = {"neutral": ([9, 0], 10), "happy": ([8, 4], 10), "sad": ([0, 2], 10)}
    stats = reference.statistics(counts, (2,))
    assert reference.pairs(select(stats, Selector.CAS, 0.5), "happy") == [(0, 0)]
    with_neutral = select(stats, Selector.CAS, 0.5, compare=["sad", "neutral", "happy"])
    assert with_neutral.emotions == ("neutral", "happy", "sad")
    assert reference.pairs(with_neutral, "happy") == [(0, 1)]
    with pytest.raises(StudioError, match="it names fear"):
        select(stats, Selector.CAS, 0.5, compare=["fear"])
    with pytest.raises(StudioError, match="it names none"):
        select(stats, Selector.CAS, 0.5, compare=[])


@pytest.mark.parametrize("selector", RANKING)
def test_a_single_emotion_is_ranked_by_its_probability_where_that_means_anything(selector):
    counts = {"sad": ([1, 4, 2, 3], 5)}
    mask = select(reference.statistics(counts, (4,)), Selector(selector), 0.5, percentile=0.0)
    expected = [0, 1] if selector == "mad" else [1, 3]  # a single emotion deviates nowhere from its own mean
    assert flat(mask, "sad") == expected
    assert any("no other emotion" in note for note in mask.metadata["notes"]) == (selector != "lap")


@given(widths=reference.layer_widths(), seed=st.integers(0, 2**70), rate=st.sampled_from(RATES))
@settings(max_examples=60, deadline=None)
def test_random_draws_the_right_number_without_replacement_and_by_seed_alone(widths, seed, rate):
    n = sum(widths)
    if selection_count(rate, n) == 0:
        return
    some = reference.statistics({"happy": ([0] * n, 4), "sad": ([1] * n, 2)}, widths)
    other = reference.statistics({"sad": ([2] * n, 9)}, widths)
    mask, again = (select(stats, Selector.RANDOM, rate, seed=seed) for stats in (some, other))
    assert mask.count("happy") == mask.count("sad") == len(set(flat(mask, "sad"))) == selection_count(rate, n)
    assert flat(mask, "sad") == flat(again, "sad")


def test_random_is_uniform_and_differs_between_emotions_and_seeds():
    n, draws = 50, 400
    stats = reference.statistics({emotion: ([1] * n, 2) for emotion in TARGETS}, (20, 30))
    hits = np.zeros(n)
    for seed in range(draws):
        mask = select(stats, Selector.RANDOM, 0.2, seed=seed)
        assert len({tuple(flat(mask, emotion)) for emotion in TARGETS}) == 4
        for emotion in TARGETS:
            hits[flat(mask, emotion)] += 1
    expected = draws * len(TARGETS) * 0.2
    assert np.abs(hits - expected).max() < 5 * np.sqrt(expected * 0.8)


def test_random_matches_another_masks_layers():
    widths = (10, 5, 8)
    counts = {"happy": (list(range(23)), 30), "sad": (list(range(23, 0, -1)), 30)}
    stats = reference.statistics(counts, widths)
    model = select(stats, Selector.CAS, 0.3)
    per_layer = {emotion: model.histogram(emotion).tolist() for emotion in model.emotions}
    mask = select(stats, Selector.RANDOM, 0.005, seed=3, layer_counts=per_layer)
    for emotion in ("happy", "sad"):
        assert mask.histogram(emotion).tolist() == model.histogram(emotion).tolist()
    assert mask.metadata["layer_matched"] is True
    assert mask.metadata["rate"] is None
    for wrong in ({"happy": [1, 2]}, {"happy": [1, 2, 3]}, {"happy": [1, 6, 1], "sad": [0, 0, 0]}):
        with pytest.raises(StudioError, match="counts per layer"):
            select(stats, Selector.RANDOM, 0.1, layer_counts=wrong)
    with pytest.raises(StudioError, match="random masks only"):
        select(stats, Selector.CAS, 0.1, layer_counts=per_layer)


@pytest.mark.parametrize("selector", list(Selector))
def test_equal_statistics_and_settings_give_equal_bytes(selector, tmp_path):
    counts = {"happy": ([5, 1, 2, 8], 10), "sad": ([0, 5, 5, 5], 9)}
    stats = reference.statistics(counts, (2, 2))
    stats.metadata.update(model_id="tiny", date="2026-01-02", success_counts={"happy": 3, "sad": 2}, cap=50)
    stats.save(tmp_path / "a.stats.safetensors")
    select(stats, selector, 0.5, seed=4).save(tmp_path / "a.esn.safetensors")
    select(EmotionStatistics.load(tmp_path / "a.stats.safetensors"), selector, "0.50", seed=4).save(
        tmp_path / "b.esn.safetensors"
    )
    assert (tmp_path / "a.esn.safetensors").read_bytes() == (tmp_path / "b.esn.safetensors").read_bytes()


def test_the_mask_records_where_it_comes_from():
    stats = reference.statistics({"happy": ([5, 1], 10), "sad": ([1, 5], 10)}, (2,))
    stats.metadata.update(
        model_id="tiny", model_revision="r1", config_digest="abc", module="language", cap=50, wer_threshold=0.15,
        judge="judge", corpus_fingerprint="f00", split="identification", success_counts={"happy": 50, "sad": 7},
        seed=11, date="2026-01-02T03:04:05", unrelated="dropped",
    )  # fmt: skip
    metadata = select(stats, Selector.CAS, 0.5).metadata
    assert {key: metadata[key] for key in stats.metadata if key != "unrelated"} == {
        key: value for key, value in stats.metadata.items() if key != "unrelated"
    }
    assert "unrelated" not in metadata
    assert (metadata["selector"], metadata["rate"], metadata["percentile"]) == ("cas", 0.5, None)
    assert select(stats, Selector.RANDOM, 0.5, seed=2).metadata["seed"] == 2
    assert select(stats, Selector.LAPE, 0.5, percentile=90).metadata["percentile"] == 90


@pytest.mark.parametrize("percentile", [-1, 100.5, float("nan")])
def test_percentiles_outside_0_to_100_are_refused(percentile):
    with pytest.raises(StudioError, match="percentile must lie"):
        select(reference.statistics({"sad": ([1], 1)}, (1,)), Selector.LAPE, 1, percentile=percentile)


def test_a_negative_seed_is_refused():
    with pytest.raises(StudioError, match="must not be negative"):
        select(reference.statistics({"sad": ([1], 1)}, (1,)), Selector.RANDOM, 1, seed=-1)


def test_selection_on_the_reference_models_size_is_quick():
    widths = (18_944,) * 28
    random = np.random.default_rng(0)
    counts = {emotion: (random.integers(0, 12_000, sum(widths)).tolist(), 12_000) for emotion in TARGETS}
    stats = reference.statistics(counts, widths)
    times = []
    for _ in range(3):
        start = time.process_time()
        mask = select(stats, Selector.CAS, 0.005)
        times.append(time.process_time() - start)
    assert mask.count("sad") == 2652
    assert min(times) < 0.5  # 0.05 s on an idle core; the margin is for busy ones
