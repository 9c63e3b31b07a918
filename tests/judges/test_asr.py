from __future__ import annotations

import numpy as np
import pytest

from studio.audio.clip import Clip
from studio.audio.files import load_clip
from studio.corpora import esd
from studio.errors import StudioError
from studio.judges.asr import Recogniser, recognise, recogniser_for, words_of
from studio.judges.bigram import bigram_arpa
from studio.judges.content import WordErrors, word_error_rate, word_errors
from studio.paths import resources_dir


@pytest.fixture(scope="module")
def demo():
    return esd.read(resources_dir() / "demo")


@pytest.fixture(scope="module")
def hear(demo):
    return Recogniser({line.text for line in demo})


def total(pairs):
    return sum((word_errors(reference, heard) for reference, heard in pairs), WordErrors(0, 0)).rate


def test_hears_clean_demo_lines_and_notices_what_was_cut_out(demo, hear):
    lines = [line for line in demo if line.utterance in (3, 14, 31)][::3]
    clips = [load_clip(line.path) for line in lines]
    assert total((line.text, hear(clip)) for line, clip in zip(lines, clips, strict=True)) < 0.05
    cut = [
        Clip(np.delete(clip.samples, slice(len(clip.samples) // 2, len(clip.samples) // 2 + 8000)), clip.rate)
        for clip in clips
    ]
    assert total((line.text, hear(clip)) for line, clip in zip(lines, cut, strict=True)) > 0.12


def test_hears_a_line_that_is_not_among_the_sentences(demo):
    others = {line.text for line in demo if line.utterance != 14}
    line = next(line for line in demo if line.utterance == 14)
    assert word_error_rate(line.text, recognise(load_clip(line.path), others)) <= 0.2


def test_other_words_are_heard_as_other_words(demo, hear):
    said, claimed = (next(line for line in demo if line.utterance == number) for number in (5, 60))
    assert word_error_rate(claimed.text, hear(load_clip(said.path))) > 0.7


def test_what_was_heard_before_changes_nothing(demo, hear):
    clips = [load_clip(line.path) for line in demo[:3]]
    forward = [hear(clip) for clip in clips]
    assert [hear(clip) for clip in reversed(clips)] == forward[::-1]


def test_silence_and_nearly_nothing_say_nothing(hear):
    assert hear(Clip(np.zeros(16000, np.float32), 16000)) == ""
    assert hear(Clip(np.zeros(0, np.float32), 16000)) == ""
    assert isinstance(hear(Clip(np.full(3, 0.5, np.float32), 16000)), str)


def test_any_rate_is_heard(demo, hear):
    line = demo[0]
    clip = load_clip(line.path)
    assert hear(clip.at_rate(48000)) == hear(clip) == line.text


def test_words_without_a_pronunciation_are_left_out(demo):
    clip = load_clip(demo[0].path)
    hear = Recogniser([demo[0].text, "Eisschrank qwrtz the old house"])
    assert set(hear.unknown) == {"eisschrank", "qwrtz"}
    assert hear(clip) == demo[0].text
    with pytest.raises(StudioError, match="none of them"):
        Recogniser(["qwrtz blorfl", "12 34", ""])


def test_recognisers_are_kept(demo):
    sentences = frozenset(line.text for line in demo[:2])
    assert recogniser_for(sentences) is recogniser_for(frozenset(sorted(sentences)))


def test_words_of_a_transcript():
    assert words_of("Don’t forget: a JACKET — at 12 o'clock!") == ["don't", "forget", "a", "jacket", "at", "o'clock"]


def test_bigram_probabilities_add_up_to_one():
    lines = bigram_arpa([["a", "b"], ["a", "c", "b"], ["c"]]).splitlines()
    single: dict[str, float] = {}
    backoff: dict[str, float] = {}
    pairs: dict[tuple[str, str], float] = {}
    for line in lines[lines.index("\\1-grams:") + 1 : lines.index("\\2-grams:") - 1]:
        log, word, weight = line.split()
        single[word], backoff[word] = 10 ** float(log), 10 ** float(weight)
    for line in lines[lines.index("\\2-grams:") + 1 : lines.index("\\end\\") - 1]:
        log, first, second = line.split()
        pairs[first, second] = 10 ** float(log)
    words = ["a", "b", "c", "</s>"]
    assert sum(single[word] for word in words) == pytest.approx(1, abs=1e-4)
    # Backed-off pairs weigh the unigram; seen ones hold its share already.
    for first in ("<s>", "a", "b", "c"):
        mass = sum(pairs.get((first, word), backoff[first] * single[word]) for word in words)
        assert mass == pytest.approx(1, abs=1e-4)
    with pytest.raises(ValueError, match="at least one word"):
        bigram_arpa([])
