from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from studio.corpora.base import Utterance
from studio.pipelines.plan import distinct, plan


def lines(count):
    return [Utterance("s", number, "neutral", Path(f"s_{number}.wav"), "words") for number in range(count)]


@settings(deadline=None)
@given(count=st.integers(1, 40), size=st.integers(1, 9), seed=st.integers(0, 3))
def test_every_utterance_is_converted_once_to_every_emotion(count, size, seed):
    batches = plan(lines(count), ("happy", "sad"), size, seed)
    for emotion in ("happy", "sad"):
        own = [batch for batch in batches if batch.emotion == emotion]
        assert sorted(each.utterance for batch in own for each in batch.utterances) == list(range(count))
        assert [len(batch.utterances) for batch in own[:-1]] == [size] * (len(own) - 1)
    assert len({batch.name for batch in batches}) == len(batches)
    assert [batch.emotion for batch in batches] == ["happy", "sad"] * (len(batches) // 2)


def test_the_order_is_drawn_by_seed_and_emotion_and_not_by_how_the_corpus_is_listed():
    def order(utterances, emotion, seed):
        batches = plan(utterances, ("happy", "sad"), 8, seed)
        return [each.utterance for batch in batches if batch.emotion == emotion for each in batch.utterances]

    first = order(lines(40), "happy", 1)
    assert first != list(range(40))
    assert order(list(reversed(lines(40))), "happy", 1) == first
    assert order(lines(40), "sad", 1) != first
    assert order(lines(40), "happy", 2) != first


def test_an_utterance_keeps_its_place_when_others_are_missing():
    def order(utterances):
        return [each.utterance for batch in plan(utterances, ("sad",), 4, 7) for each in batch.utterances]

    odd = [each for each in lines(40) if each.utterance % 2]
    assert order(odd) == [number for number in order(lines(40)) if number % 2]


def test_the_start_of_the_order_is_a_fair_sample():
    counts = [0] * 10
    for seed in range(600):
        for each in plan(lines(10), ("sad",), 3, seed)[0].utterances:
            counts[each.utterance] += 1
    assert sum(counts) == 1800
    # Standard deviation 11; five of them.
    assert all(abs(count - 180) < 56 for count in counts)


def test_utterances_of_one_name_are_taken_once():
    twice = [*lines(3), Utterance("s", 1, "neutral", Path("elsewhere/s_1.wav"), "words")]
    assert distinct(twice) == (lines(3), 1)
