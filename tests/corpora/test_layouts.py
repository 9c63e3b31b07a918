from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from studio.corpora import folders, manifest
from studio.corpora.acted import CREMA_D, EMODB, RAVDESS, TESS
from studio.corpora.base import CorpusError, Problem, ProblemKind
from studio.corpora.layouts import LAYOUTS, read_corpus
from studio.paths import resources_dir


def record(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(400), 16000)
    return path


def found(corpus):
    return [(each.speaker, each.utterance, each.emotion, each.text) for each in corpus.utterances]


def test_ravdess(tmp_path):
    for name in ("03-01-01-01-02-01-01", "03-01-08-02-01-02-24", "03-01-02-01-01-01-01", "03-01-06-01-01-01-01"):
        record(tmp_path / f"Actor_{name[-2:]}" / f"{name}.wav")
    record(tmp_path / "Actor_01" / "03-02-03-01-01-01-01.wav")
    corpus = read_corpus(tmp_path)
    assert corpus.layout == "ravdess"
    assert found(corpus) == [
        ("01", 2, "neutral", "Dogs are sitting by the door."), ("24", 1, "surprise", "Kids are talking by the door.")
    ]  # fmt: skip
    assert corpus.left_out == {"calm": 1, "fear": 1}
    assert corpus.passed_over == 1


def test_crema_d(tmp_path):
    for name in ("1001_DFA_ANG_XX", "1001_IEO_NEU_HI", "1002_WSI_DIS_X"):
        record(tmp_path / "AudioWAV" / f"{name}.wav")
    corpus = read_corpus(tmp_path)
    assert corpus.layout == "crema-d"
    assert found(corpus) == [
        ("1001", 1, "neutral", "It's eleven o'clock."), ("1001", 9, "angry", "Don't forget a jacket.")
    ]  # fmt: skip
    assert corpus.left_out == {"disgust": 1}


def test_emodb_trusts_the_name_and_not_label_files_beside_it(tmp_path):
    for name in ("03a01Fa", "03a01Nc", "16b10Wb", "16b10Td", "03a05La"):
        record(tmp_path / "wav" / f"{name}.wav")
    (tmp_path / "labels.csv").write_text("Filename,Emotion\n03a01Fa.wav,disgust\n")
    corpus = read_corpus(tmp_path)
    assert corpus.layout == "emodb"
    assert [entry[:3] for entry in found(corpus)] == [
        ("03", 1, "happy"), ("03", 1, "neutral"), ("16", 10, "angry"), ("16", 10, "sad")
    ]  # fmt: skip
    assert corpus.utterances[0].text == "Der Lappen liegt auf dem Eisschrank."
    assert corpus.left_out == {"boredom": 1}


def test_tess(tmp_path):
    for name in ("OAF_angry/OAF_back_angry", "OAF_Pleasant_surprise/OAF_back_ps", "YAF_neutral/YAF_bar_neutral",
                 "YAF_fear/YAF_bar_fear", "OAF_neutral/OA_bite_neutral"):  # fmt: skip
        record(tmp_path / f"{name}.wav")
    corpus = read_corpus(tmp_path)
    assert corpus.layout == "tess"
    assert found(corpus) == [
        ("OAF", 1, "angry", "Say the word back."), ("OAF", 1, "surprise", "Say the word back."),
        ("OAF", 3, "neutral", "Say the word bite."), ("YAF", 2, "neutral", "Say the word bar."),
    ]  # fmt: skip
    assert corpus.left_out == {"fear": 1}


@pytest.mark.parametrize("layout", [RAVDESS, CREMA_D, EMODB, TESS], ids=lambda layout: layout.name)
def test_other_names_are_not_recognised(tmp_path, layout):
    for number in range(3):
        record(tmp_path / f"take {number}.wav")
    assert not layout.recognises(tmp_path)
    assert layout.scan(tmp_path).utterances == ()


def test_a_folder_per_emotion(tmp_path):
    for name in (
        "anna/happy/one",
        "anna/neutral/one",
        "anna/neutral/two",
        "ben/Sadness/two",
        "anna/bored/one",
        "loose",
    ):
        record(tmp_path / f"{name}.wav")
    (tmp_path / "anna/neutral/one.txt").write_text("The first line\n", encoding="utf-16")
    corpus = read_corpus(tmp_path)
    assert corpus.layout == "folders"
    assert found(corpus) == [
        ("anna", 2, "happy", None), ("anna", 2, "neutral", "The first line"), ("anna", 3, "neutral", None),
        ("ben", 3, "sad", None),
    ]  # fmt: skip
    assert corpus.left_out == {"boredom": 1, "no emotion folder": 1}


def test_folders_without_speakers_and_with_odd_names(tmp_path):
    record(tmp_path / "Überraschung" / "surprised" / "größe 1.wav")
    record(tmp_path / "angry" / "größe 1.wav")
    (tmp_path / "angry" / "größe 1.txt").mkdir()
    corpus = folders.scan(tmp_path)
    assert found(corpus) == [("unknown", 1, "angry", None), ("Überraschung", 1, "surprise", None)]
    assert "is a directory" in corpus.problems[0].detail


HEADER = "path,speaker,emotion,text,utterance id"


def write_manifest(folder: Path, name: str) -> Path:
    for take in "abcd":
        record(folder / "sounds" / f"{take}.wav")
    rows = [
        ("sounds/a.wav", "anna", "Happiness", "hello, there", "7"),
        ("sounds/b.wav", "anna", "neutral", "hello, there", "7"),
        ("sounds/c.wav", "ben", "fear", "bye", "8"), ("sounds/d.wav", "ben", "", "bye", "8"),
        ("sounds/gone.wav", "ben", "sad", "bye", "8"), ("", "ben", "sad", "bye", "8"),
    ]  # fmt: skip
    file = folder / name
    keys = HEADER.split(",")
    if name.endswith("jsonl"):
        lines = [json.dumps(dict(zip(keys, row, strict=True))) for row in rows] + ["", "{broken", "[1]"]
    else:
        separator = "\t" if name.endswith("tsv") else ","
        lines = [separator.join(keys)] + [separator.join(f'"{cell}"' for cell in row) for row in rows]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


@pytest.mark.parametrize("name", ["manifest.csv", "manifest.tsv", "manifest.jsonl"])
def test_manifests(tmp_path, name):
    file = write_manifest(tmp_path, name)
    corpus = read_corpus(tmp_path)
    assert corpus.layout == "manifest"
    assert found(corpus) == [
        ("anna", 7, "happy", "hello, there"), ("anna", 7, "neutral", "hello, there"), ("ben", 8, "neutral", "bye")
    ]  # fmt: skip
    assert corpus.left_out == {"fear": 1}
    assert any("there is no recording 'sounds/gone.wav'" in problem.detail for problem in corpus.problems)
    assert {problem.kind for problem in corpus.problems} == {"missing"}
    nameless = [problem for problem in corpus.problems if "names no recording" in problem.detail]
    assert len(nameless) == (3 if name.endswith("jsonl") else 1)
    assert found(read_corpus(file)) == found(corpus)


def test_a_manifest_with_other_separators_columns_and_ids(tmp_path):
    record(tmp_path / "a.wav")
    record(tmp_path / "b.wav")
    (tmp_path / "list.csv").write_text("File;Label;Transcript\na.wav;sad;one line\nb.wav;ps;one line\n")
    assert found(read_corpus(tmp_path / "list.csv")) == [
        ("unknown", 1, "sad", "one line"), ("unknown", 1, "surprise", "one line")
    ]  # fmt: skip
    (tmp_path / "list.csv").write_text("path\na.wav\nb.wav\n")
    assert [entry[1:] for entry in found(read_corpus(tmp_path / "list.csv"))] == [
        (2, "neutral", None), (3, "neutral", None)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("", "names no recordings"), ("speaker,text\nanna,hello\n", "names no recording"), ("path\n\0\n", "recording")],
)
def test_manifests_that_name_nothing(tmp_path, content, sentence):
    (tmp_path / "manifest.csv").write_text(content)
    with pytest.raises(CorpusError, match=sentence):
        read_corpus(tmp_path)


def test_no_manifest_is_one_sentence(tmp_path):
    with pytest.raises(CorpusError, match=r"is no manifest: a \.csv"):
        manifest.scan(tmp_path)


def test_what_cannot_be_recognised_is_one_sentence(tmp_path):
    with pytest.raises(CorpusError, match="no corpus folder"):
        read_corpus(tmp_path / "absent")
    with pytest.raises(CorpusError, match="in no known layout; name one of manifest, esd, ravdess"):
        read_corpus(tmp_path)
    with pytest.raises(CorpusError, match="no corpus layout 'iemocap'; choose auto or"):
        read_corpus(tmp_path, "iemocap")
    with pytest.raises(CorpusError, match="holds no recordings of the five emotions in the layout 'esd'"):
        read_corpus(tmp_path, "esd")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(CorpusError, match="in no known layout"):
        read_corpus(tmp_path / "notes.txt")


def test_the_demo_corpus_is_esd(tmp_path):
    corpus = read_corpus(resources_dir() / "demo")
    assert corpus.layout == "esd"
    assert len(corpus.utterances) == 600
    assert corpus.problems == ()


def test_unreadable_folders_do_not_end_the_search(tmp_path, monkeypatch):
    for speaker in ("anna", "ben"):
        record(tmp_path / speaker / "sad" / "a.wav")
    scan = os.scandir

    def refuse(path):
        # Who runs this may be root, who may read anything.
        if str(path).endswith("anna"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    corpus = folders.scan(tmp_path)
    assert [entry[0] for entry in found(corpus)] == ["ben"]
    anna = tmp_path / "anna"
    assert corpus.problems == (Problem(anna, ProblemKind.UNREADABLE, f"'{anna}' cannot be read: permission denied."),)


def test_every_layout_is_known_by_name():
    assert LAYOUTS == ("manifest", "esd", "ravdess", "crema-d", "emodb", "tess", "folders")
