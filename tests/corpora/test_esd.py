from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from studio.corpora import esd
from studio.corpora.base import CorpusError, Problem, ProblemKind, Utterance, corpus_fingerprint
from studio.corpora.transcripts import decode
from studio.paths import resources_dir

FOLDERS = {"Neutral": 0, "Angry": 350, "Happy": 700, "Sad": 1050, "Surprise": 1400}
EMOTIONS = {"Neutral": "neutral", "Angry": "angry", "Happy": "happy", "Sad": "sad", "Surprise": "surprise"}


def record(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(0, 0.1, 800)
    soundfile.write(path, noise, 16000)


def make(root: Path, part: str = "", suffix: str = "wav", encoding: str = "utf-8", speakers=("0011", "0012")) -> None:
    for speaker in speakers:
        lines = []
        for folder, offset in FOLDERS.items():
            for line in (1, 2):
                name = f"{speaker}_{offset + line:06d}"
                record(root / speaker / folder / part / f"{name}.{suffix}", offset + line)
                lines.append(f"{name}\tThe café is n° {line}, they say.\t{folder}")
        (root / speaker / f"{speaker}.txt").write_text("\r\n".join(lines) + "\r\n", encoding=encoding)


@pytest.mark.parametrize("part", ["", "train", "test", "evaluation"])
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_reads_both_layouts_in_every_format(tmp_path, part, suffix):
    make(tmp_path, part, suffix)
    found = esd.read(tmp_path)
    assert len(found) == 20
    assert {(each.emotion, each.utterance) for each in found} == {(e, n) for e in EMOTIONS.values() for n in (1, 2)}
    angry = next(each for each in found if each.speaker == "0012" and each.emotion == "angry" and each.utterance == 2)
    assert angry.path == tmp_path / "0012" / "Angry" / part / f"0012_000352.{suffix}"
    assert esd.recognises(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-1"])
def test_reads_transcripts_in_every_encoding_seen(tmp_path, encoding):
    make(tmp_path, encoding=encoding, speakers=("0011",))
    assert {each.text for each in esd.read(tmp_path)} == {f"The café is n° {line}, they say." for line in (1, 2)}


def test_transcripts_separated_by_blanks(tmp_path):
    make(tmp_path, speakers=("0011",))
    (tmp_path / "0011" / "0011.txt").write_text(
        "\n0011_000001 It is sad.   Neutral\n0011_000002  Nobody knows it\nnonsense\n0011_000351\tGone\n"
    )
    texts = {each.path.stem: each.text for each in esd.read(tmp_path)}
    assert texts["0011_000001"] == "It is sad."
    assert texts["0011_000002"] == "Nobody knows it"
    assert texts["0011_000351"] == "Gone"
    assert texts["0011_000352"] is None


def test_transcripts_with_slips(tmp_path):
    make(tmp_path, speakers=("0011",))
    (tmp_path / "0011" / "0011.txt").write_text(
        "\ufeff0011_000001 No tab here\tNeutral\n"
        "0011_000002\t\tTwo tabs there.\t\tNeutral\n"
        "0011_000351\tHe is sad\n"
        "\n0011_000352\n",
        encoding="utf-16",
    )
    texts = {each.path.stem: each.text for each in esd.read(tmp_path)}
    assert texts["0011_000001"] == "No tab here"
    assert texts["0011_000002"] == "Two tabs there."
    assert texts["0011_000351"] == "He is sad"
    assert texts["0011_000352"] is None


def test_transcripts_under_another_name(tmp_path):
    make(tmp_path, speakers=("0011",))
    (tmp_path / "0011" / "0011.txt").rename(tmp_path / "0011" / "transcription.TXT")
    assert all(each.text for each in esd.read(tmp_path))


@pytest.mark.parametrize("around", ["ESD", "Emotional Speech Dataset (ESD)/Emotion Speech Dataset"])
def test_archive_folders_around_it_are_looked_through(tmp_path, around):
    make(tmp_path / around)
    assert len(esd.read(tmp_path)) == 20
    assert esd.recognises(tmp_path)


def test_one_speaker_alone(tmp_path):
    make(tmp_path)
    assert esd.recognises(tmp_path / "0012")
    corpus = esd.scan(tmp_path / "0012")
    assert len(corpus.utterances) == 10
    assert {each.speaker for each in corpus.utterances} == {"0012"}
    assert all(each.text for each in corpus.utterances)


@pytest.mark.parametrize("order", ["{part}/{speaker}/{emotion}", "{speaker}/{part}/{emotion}"])
def test_parts_above_emotions_or_speakers(tmp_path, order):
    make(tmp_path / "flat")
    for path in sorted((tmp_path / "flat").rglob("*.wav")):
        part = "train" if path.stem.endswith("1") else "evaluation"
        place = order.format(part=part, speaker=path.stem[:4], emotion=path.parent.name)
        (tmp_path / "esd" / place).mkdir(parents=True, exist_ok=True)
        path.rename(tmp_path / "esd" / place / path.name)
    for speaker in ("0011", "0012"):
        place = "train/{0}" if order.startswith("{part}") else "{0}"
        (tmp_path / "flat" / speaker / f"{speaker}.txt").rename(
            tmp_path / "esd" / place.format(speaker) / f"{speaker}.txt"
        )
    assert esd.recognises(tmp_path / "esd")
    corpus = esd.scan(tmp_path / "esd")
    assert len(corpus.utterances) == 20
    assert all(each.text for each in corpus.utterances)
    assert {each.emotion for each in corpus.utterances} == set(EMOTIONS.values())
    assert corpus.problems == ()


def test_foreign_files_and_folders_are_passed_over(tmp_path):
    make(tmp_path, speakers=("0011",))
    record(tmp_path / "0011" / "Neutral" / "._0011_000001.wav")
    record(tmp_path / "0011" / "Neutral" / "take2.wav")
    record(tmp_path / "0011" / "0011_000003.wav")
    (tmp_path / "0011" / "Neutral" / "0011_000004.txt").write_text("not a sound")
    record(tmp_path / "0011" / "Fear" / "0011_001751.wav")
    corpus = esd.scan(tmp_path)
    assert len(corpus.utterances) == 10
    assert corpus.left_out == {"fear": 1}
    assert corpus.problems == ()
    assert corpus.passed_over == 2


def test_missing_transcripts_are_said_and_not_fatal(tmp_path):
    make(tmp_path)
    (tmp_path / "0012" / "0012.txt").unlink()
    corpus = esd.scan(tmp_path)
    assert [each.text is None for each in corpus.utterances] == [False] * 10 + [True] * 10
    absent = tmp_path / "0012" / "0012.txt"
    sentence = f"Speaker 0012 has no transcripts: '{absent}' is missing."
    assert corpus.problems == (Problem(absent, ProblemKind.MISSING, sentence),)
    absent.mkdir()
    [problem] = esd.scan(tmp_path).problems
    assert problem.kind == "unreadable"
    assert "is a directory" in problem.detail


def test_no_corpus_is_one_sentence(tmp_path):
    with pytest.raises(CorpusError, match="There is no corpus folder"):
        esd.read(tmp_path / "absent")
    (tmp_path / "file").write_text("")
    with pytest.raises(CorpusError, match="is a file; name the corpus folder"):
        esd.read(tmp_path / "file")
    with pytest.raises(CorpusError, match="holds no ESD recordings; expected are files like"):
        esd.read(tmp_path)
    assert not esd.recognises(tmp_path)


def test_the_demo_corpus(tmp_path):
    found = esd.read(resources_dir() / "demo")
    assert len(found) == 600
    assert {each.emotion for each in found} == {"neutral"}
    assert all(each.text and each.path.is_file() for each in found)
    assert found[0] == Utterance(
        "0011", 1, "neutral", resources_dir() / "demo/0011/Neutral/0011_000001.ogg", found[0].text
    )


def test_fingerprint_follows_contents_and_nothing_else(tmp_path):
    make(tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "elsewhere")
    found = esd.read(tmp_path / "here")
    first = corpus_fingerprint(found)
    assert corpus_fingerprint(reversed(esd.read(tmp_path / "elsewhere"))) == first
    assert corpus_fingerprint(found[1:]) != first
    with found[3].path.open("ab") as stream:
        stream.write(b"\0")
    assert corpus_fingerprint(found) != first
    found[3].path.unlink()
    assert len(corpus_fingerprint(found)) == 64


def test_decoding_never_fails():
    assert decode(b"") == ""
    assert decode(b"\xff\xfeA") == "\N{REPLACEMENT CHARACTER}"
    assert decode("größe".encode("iso-8859-1")) == "größe"
    assert decode("größe".encode("utf-16-le")) == "größe"
    assert decode("Don\u2019t \u201cgo\u201d".encode("cp1252")) == "Don\u2019t \u201cgo\u201d"
    assert decode("0001_000001\t打远一看，它们的确很是美丽，\t中立".encode("gb2312")).split("\t")[2] == "中立"
    assert decode(b"\x81 caf\xe9") == "\x81 caf\xe9"
