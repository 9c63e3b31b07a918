from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.corpora import esd
from studio.corpora.base import Corpus, CorpusError, Utterance
from studio.corpora.splits import SPLITS, choose, esd_split, seeded_split, split_corpus, spread
from studio.paths import resources_dir


def corpus(speakers, lines, emotions=("neutral",)):
    return [
        Utterance(speaker, line, emotion, Path(f"{speaker}_{line}_{emotion}.wav"), "words")
        for speaker in speakers
        for line in range(1, lines + 1)
        for emotion in emotions
    ]


ENGLISH = [f"{number:04d}" for number in range(11, 21)]


def test_esd_is_split_as_in_the_paper():
    split = esd_split(corpus(ENGLISH, 350))
    expected: dict[str, set[tuple[str, int]]] = {name: set() for name in SPLITS}
    for place, speaker in enumerate(ENGLISH, start=1):
        for line in range(1, 351):
            if place >= 9:
                expected["test-unseen"].add((speaker, line))
            elif line > 250:
                expected["test-seen"].add((speaker, line))
            elif place <= 6 and line <= 200:
                expected["identification"].add((speaker, line))
            else:
                expected["development"].add((speaker, line))
    assert {name: {(each.speaker, each.utterance) for each in part} for name, part in split.items()} == expected


def test_the_demo_corpus_is_split_in_the_same_proportions():
    split = esd_split(esd.read(resources_dir() / "demo"))
    assert {name: len(part) for name, part in split.items()} == {
        "identification": 6 * 34,
        "development": 6 * 9 + 2 * 43,
        "test-seen": 8 * 17,
        "test-unseen": 2 * 60,
    }
    assert {each.utterance for each in split["identification"]} == set(range(1, 35))
    assert {each.utterance for each in split["test-seen"]} == set(range(44, 61))
    assert {each.speaker for each in split["test-unseen"]} == {"0019", "0020"}


def test_all_emotions_of_a_line_stay_together():
    split = esd_split(corpus(ENGLISH, 350, ("neutral", "sad")))
    for part in split.values():
        assert set(Counter((each.speaker, each.utterance) for each in part).values()) == {2}


def test_mandarin_speakers_of_esd_are_left_out():
    assert not any(esd_split(corpus(["0001", "0010"], 350)).values())


@given(speakers=st.integers(1, 12), lines=st.integers(1, 15), seed=st.integers(0, 5))
def test_seeded_split_keeps_speakers_and_lines_apart(speakers, lines, seed):
    everyone = corpus([f"s{number}" for number in range(speakers)], lines)
    split = seeded_split(everyone, seed)
    again = seeded_split(list(reversed(everyone)), seed)
    assert {name: set(part) for name, part in split.items()} == {name: set(part) for name, part in again.items()}
    used = [each for part in split.values() for each in part]
    assert len(used) == len(set(used))
    identified = split["identification"]
    assert identified
    for name in ("test-seen", "test-unseen"):
        assert not {each.utterance for each in identified + split["development"]} & {
            each.utterance for each in split[name]
        }
    heard = {each.speaker for name in SPLITS[:3] for each in split[name]}
    assert not heard & {each.speaker for each in split["test-unseen"]}
    if lines > 1:
        assert split["test-seen"]
        assert bool(split["test-unseen"]) == (speakers > 1)


def test_seed_changes_the_seeded_split():
    everyone = corpus("abcdefgh", 20)
    assert seeded_split(everyone, 1) != seeded_split(everyone, 2)


def test_a_corpus_is_split_by_its_layout():
    utterances = tuple(corpus(ENGLISH, 60))
    assert split_corpus(Corpus("esd", Path(), utterances)) == esd_split(utterances)
    assert split_corpus(Corpus("manifest", Path(), utterances), 3) == seeded_split(utterances, 3)
    mandarin = tuple(corpus(["0001", "0002"], 60))
    assert split_corpus(Corpus("esd", Path(), mandarin)) == seeded_split(mandarin)


def test_choosing_splits_by_name():
    split = esd_split(corpus(ENGLISH, 60))
    assert choose(split, ["test-seen", "test-unseen"]) == split["test-seen"] + split["test-unseen"]
    with pytest.raises(CorpusError, match="no split 'training'; choose of identification"):
        choose(split, ["training"])
    with pytest.raises(CorpusError, match="no utterances in its test-unseen split"):
        choose(esd_split(corpus(ENGLISH[:8], 60)), ["test-unseen"])


def test_a_limit_is_spread_over_speakers():
    everyone = corpus("abc", 10) + corpus("d", 1)
    few = spread(everyone, 9, seed=4)
    assert Counter(each.speaker for each in few) == {"a": 3, "b": 3, "c": 2, "d": 1}
    assert few == [each for each in everyone if each in few]
    assert spread(everyone, 9, seed=4) == few != spread(everyone, 9, seed=5)
    assert spread(everyone, None) == everyone == spread(everyone, 99)
