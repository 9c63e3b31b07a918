"""The recogniser a take's words are checked with."""

from __future__ import annotations

import numpy as np

from studio.audio.clip import Clip
from studio.session.listening import recogniser_of
from studio.session.sources import open_source


def test_a_demo_line_is_heard_and_noise_is_not_taken_for_it() -> None:
    source = open_source("demo:0012_000003")
    assert source.text is not None
    recognise = recogniser_of(source.text)
    assert recognise is not None
    assert recognise(source.clip) == source.text
    noise = np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)
    assert recognise(Clip(noise, 16_000)) != source.text


def test_another_line_is_not_heard_as_the_expected_one() -> None:
    recognise = recogniser_of("call me a taxi right away please")
    assert recognise is not None
    source = open_source("demo:0012_000003")
    assert recognise(source.clip) == source.text


def test_words_no_dictionary_knows_leave_the_corpus_lines() -> None:
    recognise = recogniser_of("zxqv wrglm")
    assert recognise is not None
    assert recognise(open_source("demo:0011_000001").clip) == "the old house is ready and you know it"
