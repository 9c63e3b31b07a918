from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.corpora import esd
from studio.corpora.base import CorpusError, Utterance
from studio.corpora.splits import (
    SPLITS,
    choose,
    choose_split,
    esd_split,
    load_split,
    save_split,
    seeded_split,
    split_table,
    spread,
)
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
    utterances = corpus(ENGLISH, 60)
    assert choose_split("esd", utterances, 3) == esd_split(utterances)
    assert choose_split("manifest", utterances, 3) == seeded_split(utterances, 3)
    mandarin = corpus(["0001", "0002"], 60)
    assert choose_split("esd", mandarin) == seeded_split(mandarin)


def test_esd_with_lines_missing_at_the_end_keeps_its_boundaries():
    whole = esd_split(corpus(ENGLISH, 350))
    most = esd_split(corpus(ENGLISH, 347))
    assert most["identification"] == whole["identification"]
    assert most["development"] == whole["development"]


def test_a_saved_split_is_read_back(tmp_path):
    everyone = corpus("abcdefgh", 20, ("neutral", "sad"))
    strange = Utterance("gr\udcfcn", 1, "neutral", Path("\udcff.wav"), None)
    split = seeded_split(everyone, 4)
    split["identification"].append(strange)
    save_split(tmp_path / "split.json", split)
    assert load_split(tmp_path / "split.json", [strange, *reversed(everyone)]) == split
    newer = corpus("abcdefghi", 20, ("neutral", "sad"))
    assert load_split(tmp_path / "split.json", [*newer, strange]) == split


def test_recordings_of_one_name_stay_in_one_part(tmp_path):
    first, second = (Utterance("a", 1, "sad", Path(folder, "x.wav"), None) for folder in "pq")
    save_split(tmp_path / "split.json", {"one": [first, second], "none": []})
    assert load_split(tmp_path / "split.json", [first, second]) == {"one": [first, second], "none": []}


def test_a_split_of_another_corpus_is_refused(tmp_path):
    everyone = corpus("ab", 5)
    save_split(tmp_path / "split.json", {"one": everyone})
    with pytest.raises(CorpusError, match="names 5 recordings that are not in this corpus, such as 'b/000001/neutral/"):
        load_split(tmp_path / "split.json", everyone[:5])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is no split, or damaged"),
        (b"\xff\xfe", "is no split, or damaged"),
        (b"[" * 100_000, "is no split, or damaged"),
        (b"[1]", "is no split, or damaged"),
        (b'{"format": 1}', "is no split, or damaged"),
        (b'{"format": 1, "splits": {"a": [1]}}', "is no split, or damaged"),
        (b'{"format": true, "splits": {}}', "is no split, or damaged"),
        (b'{"format": 2, "splits": {}}', "newer than this version reads"),
    ],
)
def test_files_that_are_no_split(tmp_path, content, sentence):
    (tmp_path / "split.json").write_bytes(content)
    with pytest.raises(CorpusError, match=sentence):
        load_split(tmp_path / "split.json", corpus("ab", 5))
    with pytest.raises(CorpusError, match="cannot be read: no such file"):
        load_split(tmp_path / "absent.json", [])


def test_the_table_of_a_split():
    rows = split_table(esd_split(corpus(ENGLISH, 60, ("sad", "neutral"))))
    assert [row.name for row in rows] == list(SPLITS)
    assert rows[0].speakers == tuple(ENGLISH[:6])
    assert (rows[0].lines, rows[0].utterances, rows[0].emotions) == (34, 408, {"neutral": 204, "sad": 204})
    assert list(rows[0].emotions) == ["neutral", "sad"]
    assert rows[3].as_dict() == {
        "name": "test-unseen",
        "speakers": ["0019", "0020"],
        "lines": 60,
        "utterances": 240,
        "emotions": {"neutral": 120, "sad": 120},
    }
    [empty] = split_table({"none": []})
    assert (empty.speakers, empty.lines, empty.utterances, empty.emotions) == ((), 0, 0, {})


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
