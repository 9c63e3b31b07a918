from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from studio.corpora import esd
from studio.corpora.base import CorpusError, Utterance, corpus_fingerprint
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


def test_an_archive_folder_in_between_is_looked_through(tmp_path):
    make(tmp_path / "Emotion Speech Dataset")
    assert len(esd.read(tmp_path)) == 20
    assert esd.recognises(tmp_path)


def test_foreign_files_and_folders_are_passed_over(tmp_path):
    make(tmp_path, speakers=("0011",))
    record(tmp_path / "0011" / "Neutral" / "._0011_000001.wav")
    record(tmp_path / "0011" / "Neutral" / "take2.wav")
    record(tmp_path / "0011" / "0011_000003.wav")
    (tmp_path / "0011" / "Neutral" / "0011_000004.txt").write_text("not a sound")
    record(tmp_path / "0011" / "Fear" / "0011_001751.wav")
    corpus = esd.scan(tmp_path)
    assert len(corpus.utterances) == 10
    assert corpus.left_out == {"Fear": 1}
    assert corpus.problems == ()


def test_missing_transcripts_are_said_and_not_fatal(tmp_path):
    make(tmp_path)
    (tmp_path / "0012" / "0012.txt").unlink()
    corpus = esd.scan(tmp_path)
    assert [each.text is None for each in corpus.utterances] == [False] * 10 + [True] * 10
    assert corpus.problems == (f"Speaker 0012 has no transcripts: '{tmp_path / '0012' / '0012.txt'}' is missing.",)
    (tmp_path / "0012" / "0012.txt").mkdir()
    assert "is a directory" in esd.scan(tmp_path).problems[0]


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
