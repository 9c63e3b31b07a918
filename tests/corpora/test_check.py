from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from studio.corpora.check import CorpusError, Problem, check_corpus
from studio.errors import Cancelled
from studio.paths import resources_dir
from tests.corpora.conftest import record, unprivileged


def make(root: Path, speakers=("anna", "ben"), lines: int = 3) -> list[Path]:
    """A folder per speaker and emotion, each recording with its transcript beside it."""
    files = []
    for number, speaker in enumerate(speakers):
        for place, emotion in enumerate(("neutral", "happy")):
            for line in range(lines):
                path = record(root / speaker / emotion / f"line{line}.wav", 100 * number + 10 * place + line)
                path.with_suffix(".txt").write_text(f"This is line {line}.")
                files.append(path)
    return files


def kinds(problems: tuple[Problem, ...], path: Path) -> list[str]:
    return [problem.kind.value for problem in problems if problem.path == path]


def test_a_corpus_without_faults(tmp_path):
    make(tmp_path)
    record(tmp_path / "anna" / "fearful" / "line0.wav", 7)
    shares: list[float] = []
    report = check_corpus(tmp_path, progress=shares.append)
    assert report.root == tmp_path
    assert report.layout == "folders"
    assert report.problems == ()
    assert report.utterances == report.listed
    assert report.speakers == {"anna": 6, "ben": 6}
    assert report.emotions == {"neutral": 6, "happy": 6}
    assert report.left_out == {"fear": 1}
    assert report.seconds == pytest.approx(6.0)
    assert report.rates == {16_000: 12}
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_every_fault_is_listed_and_none_ends_the_check(tmp_path):
    files = make(tmp_path)
    cut, empty, text, bare, short, long, silent, clipped, copy, _, _, whole = files
    cut.write_bytes(cut.read_bytes()[:5000])
    empty.write_bytes(b"")
    text.write_text("This is no sound.")
    bare.with_suffix(".txt").unlink()
    record(short, 50, seconds=0.1)
    record(long, 51, seconds=31.0, rate=8_000)
    soundfile.write(silent, np.zeros(8_000), 16_000)
    soundfile.write(clipped, np.clip(np.random.default_rng(5).normal(0, 2.0, 8_000), -1, 1), 16_000)
    shutil.copy(whole, copy)
    report = check_corpus(tmp_path)
    expected = {cut: "unreadable", empty: "unreadable", text: "unreadable", bare: "no-transcript", short: "too-short",
                long: "too-long", silent: "silent", clipped: "clipped", copy: "duplicate"}  # fmt: skip
    assert {path: kinds(report.problems, path) for path in files if kinds(report.problems, path)} == {
        path: [kind] for path, kind in expected.items()
    }
    assert len(report.problems) == 9
    assert {each.path for each in report.listed if each not in report.utterances} == {cut, text, empty}
    for problem in report.problems:
        assert problem.path.name in problem.detail
        assert problem.detail.endswith(".")
    [double] = [problem for problem in report.problems if problem.kind == "duplicate"]
    assert str(whole) in double.detail
    assert report.rates == {8_000: 1, 16_000: 8}
    assert report.problem_counts == {
        "unreadable": 3, "no-transcript": 1, "too-short": 1, "too-long": 1, "silent": 1, "clipped": 1, "duplicate": 1
    }  # fmt: skip


def test_a_folder_that_may_not_be_read(open_folder):
    make(open_folder)
    closed = open_folder / "anna" / "happy"
    closed.chmod(0)
    try:
        (open_folder / "ben" / "happy" / "line1.wav").chmod(0)
        with unprivileged():
            report = check_corpus(open_folder)
        assert kinds(report.problems, closed) == ["unreadable"]
        assert report.speakers == {"anna": 3, "ben": 5}
        [problem] = [problem for problem in report.problems if problem.path.name == "line1.wav"]
        assert problem.kind == "unreadable"
        assert "permission denied" in problem.detail
        open_folder.chmod(0)
        for inside in (open_folder, open_folder / "anna"):
            with unprivileged(), pytest.raises(CorpusError, match="permission denied"):
                check_corpus(inside)
    finally:
        open_folder.chmod(0o755)
        closed.chmod(0o755)


@pytest.mark.parametrize("layout", ["auto", "esd"])
def test_esd_with_a_speaker_that_may_not_be_read(open_folder, layout):
    for speaker in ("0011", "0012"):
        record(open_folder / speaker / "Sad" / f"{speaker}_001051.wav", int(speaker))
        (open_folder / speaker / f"{speaker}.txt").write_text(f"{speaker}_001051\tIt is late.\tSad\n")
    (open_folder / "0011").chmod(0)
    try:
        with unprivileged():
            report = check_corpus(open_folder, layout)
        assert report.layout == "esd"
        assert report.speakers == {"0012": 1}
        assert "unreadable" in kinds(report.problems, open_folder / "0011")
    finally:
        (open_folder / "0011").chmod(0o755)


def test_names_in_any_alphabet_and_in_none(tmp_path):
    record(tmp_path / "Jürgen" / "happy" / "größe 1.wav", 1)
    record(tmp_path / "小明" / "neutral" / "你好.flac", 2)
    broken = os.fsdecode(os.fsencode(tmp_path) + b"/b\xfcrger/sad/\xff\xfe.wav")
    record(tmp_path / "moved.wav", 3)
    Path(broken).parent.mkdir(parents=True)
    Path(tmp_path / "moved.wav").rename(broken)
    Path(broken).write_bytes(Path(broken).read_bytes()[:3000])
    report = check_corpus(tmp_path)
    assert set(report.speakers) == {"Jürgen", "小明"}
    assert kinds(report.problems, Path(broken)) == ["unreadable"]
    document = json.dumps(report.as_dict(), ensure_ascii=False).encode("utf-8", "backslashreplace")
    assert os.fsencode(broken) in [os.fsencode(problem["path"]) for problem in json.loads(document)["problems"]]


def test_any_rate_channels_width_and_format(tmp_path):
    rng = np.random.default_rng(0)
    formats = [("a.wav", "PCM_16", 8_000, 1), ("b.wav", "PCM_24", 44_100, 2), ("c.wav", "PCM_32", 96_000, 1),
               ("d.wav", "FLOAT", 22_050, 2), ("e.flac", "PCM_24", 48_000, 1), ("f.ogg", "VORBIS", 16_000, 1),
               ("g.mp3", "MPEG_LAYER_III", 44_100, 2)]  # fmt: skip
    for name, subtype, rate, channels in formats:
        path = tmp_path / "sad" / name
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, rng.normal(0, 0.1, (rate, channels)), rate, subtype=subtype)
        path.with_suffix(".txt").write_text("words")
    report = check_corpus(tmp_path)
    assert report.problems == ()
    assert report.seconds == pytest.approx(7.0, abs=0.1)
    assert report.rates == {8_000: 1, 16_000: 1, 22_050: 1, 44_100: 2, 48_000: 1, 96_000: 1}


def test_two_recordings_of_one_name_are_said_because_one_is_used(tmp_path):
    for folder, seed in (("original", 1), ("copy of it", 2)):
        record(tmp_path / folder / "Actor_01" / "03-01-03-01-01-01-01.wav", seed)
        record(tmp_path / folder / "Actor_01" / "03-01-01-01-01-01-01.wav", 9)
    report = check_corpus(tmp_path)
    assert report.layout == "ravdess"
    assert [problem.kind for problem in report.problems] == ["duplicate", "duplicate"]
    details = " ".join(problem.detail for problem in report.problems)
    assert "sounds exactly as" in details
    assert "only one of them is used" in details


def test_silence_twice_is_silence_and_no_copy(tmp_path):
    for name in "ab":
        path = tmp_path / "sad" / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, np.zeros(8_000), 16_000)
        path.with_suffix(".txt").write_text("words")
    assert [problem.kind for problem in check_corpus(tmp_path).problems] == ["silent", "silent"]


def test_a_file_that_goes_away_while_the_check_runs(tmp_path):
    files = make(tmp_path, lines=40)
    gone = files[-1]

    def remove(share: float) -> None:
        if gone.exists():
            gone.unlink()

    report = check_corpus(tmp_path, progress=remove)
    assert kinds(report.problems, gone) == ["missing"]


def test_the_check_stops_when_asked(tmp_path):
    make(tmp_path, lines=40)
    shares: list[float] = []
    with pytest.raises(Cancelled):
        check_corpus(tmp_path, progress=shares.append, cancelled=lambda: bool(shares))
    assert shares == [64 / 160]
    with pytest.raises(Cancelled):
        check_corpus(tmp_path, progress=shares.append, cancelled=lambda: True)


def test_no_corpus_is_one_sentence(tmp_path):
    with pytest.raises(CorpusError, match="There is no corpus folder"):
        check_corpus(tmp_path / "absent")
    with pytest.raises(CorpusError, match="in no known layout"):
        check_corpus(tmp_path)


def test_the_demo_corpus_has_no_faults():
    report = check_corpus(resources_dir() / "demo")
    assert report.problems == ()
    assert report.emotions == {"neutral": 600}
    assert len(report.speakers) == 10
    assert report.rates == {16_000: 600}
    assert report.as_dict()["utterances"] == 600
