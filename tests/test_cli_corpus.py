"""``corpus check`` as a user types it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from studio.cli import main
from studio.corpora.layouts import read_corpus
from studio.corpora.splits import save_split
from tests.corpora.conftest import record


def run(*line: object) -> int:
    return main(["corpus", "check", *map(str, line)])


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Twelve takes by three speakers; one is cut short, one has no transcript, one is of another emotion."""
    for number, speaker in enumerate(("anna", "ben", "cleo")):
        for line in range(4):
            path = record(tmp_path / "corpus" / speaker / "neutral" / f"line{line}.wav", 10 * number + line)
            path.with_suffix(".txt").write_text(f"This is line {line}.")
    record(tmp_path / "corpus" / "ben" / "fearful" / "line0.wav", 99)
    cut = tmp_path / "corpus" / "ben" / "neutral" / "line1.wav"
    cut.write_bytes(cut.read_bytes()[:5000])
    (tmp_path / "corpus" / "cleo" / "neutral" / "line2.txt").unlink()
    return tmp_path / "corpus"


def test_a_report_for_people(corpus, capsys):
    assert run(corpus) == 0
    printed, said = capsys.readouterr()
    assert said == ""
    for expected in (
        f"{corpus}\n", "layout      folders", "utterances  11 and 1 that cannot be read", "3, 3 to 4 utterances each",
        "emotions    neutral 11", "rates       16000 Hz 11", "left out    fear 1 (none of the five emotions)",
        "split (seed 0)", "identification", "test-unseen", "unreadable: 1\n  'line1.wav' is damaged or cut short",
        "no-transcript: 1\n  'line2.wav' has no transcript.",
    ):  # fmt: skip
        assert expected in printed


def test_a_report_for_machines(corpus, capsys):
    assert run(corpus, "--json", "--seed", 3) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["layout"] == "folders"
    assert document["utterances"] == 11
    assert document["listed"] == 12
    assert document["hours"] == pytest.approx(11 * 0.5 / 3600, abs=1e-4)
    assert document["left_out"] == {"fear": 1}
    assert document["problem_counts"] == {"unreadable": 1, "no-transcript": 1}
    assert {problem["kind"] for problem in document["problems"]} == {"unreadable", "no-transcript"}
    assert document["seed"] == 3
    assert [row["name"] for row in document["split"]] == ["identification", "development", "test-seen", "test-unseen"]
    assert sum(row["utterances"] for row in document["split"]) <= 11


def test_a_split_that_was_saved_is_shown(corpus, tmp_path, capsys):
    mine = {"mine": [each for each in read_corpus(corpus).utterances if each.speaker != "cleo"]}
    (tmp_path / "job").mkdir()
    save_split(tmp_path / "job" / "split.json", mine)
    for where in (tmp_path / "job", tmp_path / "job" / "split.json"):
        assert run(corpus, "--split", where, "--json") == 0
        [row] = json.loads(capsys.readouterr().out)["split"]
        # One of the eight cannot be read.
        assert (row["name"], row["speakers"], row["utterances"]) == ("mine", ["anna", "ben"], 7)
    assert run(corpus, "--split", tmp_path / "absent.json") == 1
    assert "cannot be read: no such file" in capsys.readouterr().err


def test_no_corpus_is_one_sentence_and_exit_code_1(tmp_path, capsys):
    assert run(tmp_path / "absent") == 1
    assert capsys.readouterr().err.startswith("esn-studio: There is no corpus folder")
    assert run(tmp_path, "--json") == 1
    assert "in no known layout" in json.loads(capsys.readouterr().out)["error"]
    assert run(tmp_path, "--layout", "iemocap") == 1
    assert "no corpus layout 'iemocap'" in capsys.readouterr().err


def test_wrong_usage_is_exit_code_2(tmp_path):
    for wrong in (["corpus"], ["corpus", "check"], ["corpus", "check", str(tmp_path), "--seed", "x"]):
        with pytest.raises(SystemExit) as stopped:
            main(wrong)
        assert stopped.value.code == 2


def test_many_problems_of_a_kind_are_counted_and_a_few_named(corpus, capsys):
    for path in corpus.rglob("*.txt"):
        path.unlink()
    assert run(corpus) == 0
    printed = capsys.readouterr().out
    assert "no-transcript: 11" in printed
    assert printed.count("has no transcript.") == 5
    assert "... and 6 more (--json names all)" in printed


def test_file_names_that_are_no_text_are_printed_escaped(corpus, capsys):
    strange = os.fsdecode(os.fsencode(corpus / "ben" / "neutral") + b"/\xff.wav")
    Path(strange).write_bytes(b"")
    assert run(corpus) == 0
    assert "\\udcff.wav' is empty" in capsys.readouterr().out
    assert run(corpus, "--json") == 0
    paths = [problem["path"] for problem in json.loads(capsys.readouterr().out)["problems"]]
    assert strange in paths


def test_the_corpus_that_ships(capsys):
    assert run("demo") == 0
    printed = capsys.readouterr().out
    assert "split (customary for esd)" in printed
    assert "speakers    10, 60 utterances each" in printed
    assert "No problems found." in printed
