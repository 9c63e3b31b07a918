"""Word scores from CTC letters, against a sum over every path."""

from __future__ import annotations

from itertools import groupby, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.lalm.embedded.hearing import Hearing

LETTERS = " ab"
FRAMES = 5


def said(path: tuple[int, ...]) -> str:
    """What a path of classes spells: repeats joined, blanks dropped."""
    return "".join(LETTERS[each - 1] for each, _ in groupby(path) if each)


def table(logs: np.ndarray) -> dict[str, float]:
    """Probability of every text."""
    sums: dict[str, float] = {}
    for path in product(range(len(LETTERS) + 1), repeat=len(logs)):
        probability = float(np.exp(sum(logs[frame, each] for frame, each in enumerate(path))))
        sums[said(path)] = sums.get(said(path), 0.0) + probability
    return sums


def logs_of(seed: int, frames: int = FRAMES) -> np.ndarray:
    scores = np.random.default_rng(seed).normal(0, 1.5, (frames, len(LETTERS) + 1))
    return scores - np.log(np.exp(scores).sum(1, keepdims=True))


def expected(texts: dict[str, float], words: str) -> float:
    return sum(share for text, share in texts.items() if text == words or text.startswith(words + " "))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_words_and_the_end_have_the_probability_of_all_their_paths(seed: int) -> None:
    """In a batch of recordings of two lengths, of which one goes on and the others wait."""
    recordings = [logs_of(seed), logs_of(seed + 1, FRAMES - 2), logs_of(seed + 2)]
    texts = [table(logs) for logs in recordings]
    hearing = Hearing(recordings, LETTERS)
    rows = [0, 1, 2]
    assert np.exp(hearing.end(rows)) == pytest.approx([each[""] for each in texts])
    words = [["a", "b", "ab", "aa", "aab"], ["b", "ba", "a", "bb", "ab"], ["abab", "a", "b", "bab", "aa"]]
    heard = np.exp(hearing.words(rows, words))
    for row in rows:
        assert heard[row] == pytest.approx([expected(texts[row], word) for word in words[row]])
    hearing.say(0, 2)
    hearing.say(1, 0)
    assert np.exp(hearing.end([1, 0])) == pytest.approx([texts[1]["b"], texts[0]["ab"]])
    heard = np.exp(hearing.words([1, 0, 2], [["a", "b"], ["b", "a"], ["a", "b"]]))
    assert heard[0] == pytest.approx([expected(texts[1], f"b {word}") for word in ("a", "b")])
    assert heard[1] == pytest.approx([expected(texts[0], f"ab {word}") for word in ("b", "a")])
    assert heard[2] == pytest.approx([expected(texts[2], word) for word in ("a", "b")])


def test_what_is_heard_in_one_recording_does_not_depend_on_the_others() -> None:
    alone = Hearing([logs_of(3)], LETTERS).words([0], [["ab", "b"]])
    beside = Hearing([logs_of(4, 9), logs_of(3)], LETTERS).words([0, 1], [["aaaaa", "a"], ["ab", "b"]])
    assert np.array_equal(beside[1], alone[0])


def test_what_cannot_be_said_in_the_time_left_is_nearly_impossible() -> None:
    [[long, short]] = Hearing([logs_of(1)], LETTERS).words([0], [["abababab", "a"]])
    assert long < -1e6 < short
