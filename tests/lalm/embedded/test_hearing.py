"""Word scores from CTC letters, against a sum over every path."""

from __future__ import annotations

from itertools import groupby, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.lalm.embedded.hearing import WordHearing

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


def logs_of(seed: int) -> np.ndarray:
    scores = np.random.default_rng(seed).normal(0, 1.5, (FRAMES, len(LETTERS) + 1))
    return scores - np.log(np.exp(scores).sum(1, keepdims=True))


def expected(texts: dict[str, float], words: str) -> float:
    return sum(share for text, share in texts.items() if text == words or text.startswith(words + " "))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_words_and_the_end_have_the_probability_of_all_their_paths(seed: int) -> None:
    logs = logs_of(seed)
    texts = table(logs)
    hearing = WordHearing(logs, LETTERS)
    assert np.exp(hearing.end()) == pytest.approx(texts[""])
    words = ["a", "b", "ab", "aa", "aab"]
    assert np.exp(hearing.words(words)) == pytest.approx([expected(texts, word) for word in words])
    hearing.say("ab")
    assert np.exp(hearing.end()) == pytest.approx(texts["ab"])
    assert np.exp(hearing.words(["b", "a"])) == pytest.approx([expected(texts, f"ab {word}") for word in ("b", "a")])


def test_what_cannot_be_said_in_the_time_left_is_nearly_impossible() -> None:
    hearing = WordHearing(logs_of(1), LETTERS)
    long, short = hearing.words(["abababab", "a"])
    assert long < -1e6 < short
