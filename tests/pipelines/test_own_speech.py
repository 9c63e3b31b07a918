"""Lessons of a model's own speech, on a toy whose words and emotions are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.audio.clip import Clip
from studio.audio.files import save_wav
from studio.corpora.base import Utterance
from studio.emotions import EMOTIONS
from studio.errors import Cancelled, StudioError
from studio.lalm.base import Conversion, ConversionRequest
from studio.lalm.steerable import Lesson, OwnSpeech, Site
from studio.pipelines.own_speech import TAKES, Spoken, teach
from tests.toy import INFO, tone

HELLO, BYE = "hello there my friend", "good bye"

SAID = {
    "a": [(HELLO, "neutral"), (HELLO, "angry"), (HELLO, "sad")],
    "b": [(HELLO, "neutral"), (HELLO, "neutral"), (HELLO, "neutral")],
    "c": [("Hello there, my friend.", "angry"), ("Hello there, my friend.", "angry"), (HELLO, "neutral")],
    "d": [(BYE, "neutral"), ("good buy", "angry"), (BYE, "angry")],
    "e": [("a line nobody else says", "neutral")] * 3,
}
"""By recording: each take's words, and what is heard in it. Which codec id it has says whose take it is."""

TEXTS = {"a": HELLO, "b": HELLO, "c": HELLO, "d": "Good bye!", "e": "a line nobody else says"}


def code(name: str, take: int) -> int:
    return 10 * ord(name) + take


class Choir:
    """A toy :class:`studio.lalm.steerable.SelfTaught`: says what ``SAID`` says; the audio's name is what is heard."""

    info = INFO
    needs_recordings = False
    at_once = 1

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, tuple[int | None, ...]]] = []
        self.model: Any = self

    @property
    def site(self) -> Site:
        raise NotImplementedError

    def loss(self, lessons: Sequence[Lesson], seed: int) -> torch.Tensor:
        raise NotImplementedError

    def words(self, source: Path, emotion: str) -> str:
        return SAID[source.stem][0][0]

    def convert(self, requests: Sequence[ConversionRequest], cancelled: Callable[[], bool]) -> list[Conversion]:
        if cancelled():
            raise Cancelled
        name, target = requests[0].source.name, requests[0].target
        self.asked.append((name, target, tuple(request.seed for request in requests)))
        return [
            Conversion(text, tone(0.2, name=heard), np.array([[code(name, take)]]), truncated=name == "d")
            for take, (text, heard) in enumerate(SAID[name][: len(requests)])
        ]


class ByName:
    """Hears what the clip is called."""

    name = "by name"

    def judge(self, clip: Clip, reference: Clip | None = None) -> dict[str, float]:
        assert reference is not None
        return {emotion: float(emotion == clip.name) for emotion in EMOTIONS}


@pytest.fixture
def lines(tmp_path: Path) -> list[Utterance]:
    found = []
    for number, name in enumerate(SAID):
        save_wav(tmp_path / f"{name}.wav", tone(0.3))
        found.append(Utterance(f"s{number}", 1, "neutral", tmp_path / f"{name}.wav", TEXTS[name]))
    return found


def learn(lines: Sequence[Utterance], work: Path, emotions: Sequence[str] = ("angry",), **more: Any) -> Any:
    return teach(more.pop("model", Choir()), ByName(), lines, emotions, work, takes=more.pop("takes", 3), **more)


def test_lines_that_are_not_the_emotion_learn_from_takes_of_the_same_words(lines, tmp_path):
    notes: list[str] = []
    model = Choir()
    taught = learn(lines, tmp_path / "work", model=model, on_note=notes.append)
    pairs = [(each.source.stem, each.spoken) for each in taught.lessons["angry"]]
    first, last = OwnSpeech(HELLO, (code("a", 1),), True), OwnSpeech(BYE, (code("d", 2),), False)
    # c is angry already and says other words, so a and b learn of a's second take only; what d's second take says has
    # lost a word; e is never angry.
    assert pairs == [("a", first), ("b", first), ("d", last)]
    assert notes == [
        "angry: 3 lessons. Takes: 15; heard as angry by by name, with their words kept: 4. Lines that are angry "
        "already, and need none: 1. Pairs dropped because their words differ: 4."
    ]
    assert [(name, seeds[0]) for name, _, seeds in model.asked] == [(name, None) for name in SAID]
    [drawn] = {seeds[1:] for _, _, seeds in model.asked}
    assert len(set(drawn)) == 2
    assert {name: taught.facts[name] for name in ("judge", "takes")} == {"judge": "by name", "takes": 3}
    assert taught.facts["own_speech"]["angry"] == {
        "takes": 15, "accepted": 4, "already": 1, "other_words": 4, "lessons": 3,
    }  # fmt: skip


def test_an_emotion_nobody_hears_is_left_out_and_said(lines, tmp_path):
    notes: list[str] = []
    taught = learn(lines, tmp_path / "work", ("happy", "angry"), on_note=notes.append)
    assert list(taught.lessons) == ["angry"]
    assert notes[0].startswith("happy: 0 lessons. Takes: 15; heard as happy by by name, with their words kept: 0.")
    with pytest.raises(StudioError, match="There is nothing to learn from: no take that by name accepted"):
        learn(lines, tmp_path / "other", ("happy",))
    # One take of each line: only c is accepted, and its words are nobody else's.
    with pytest.raises(StudioError, match="There is nothing to learn from"):
        learn(lines, tmp_path / "greedy", takes=1)


@pytest.mark.parametrize("lost", [b"", b'{"key": "s2/00'])
def test_what_was_said_is_kept_when_it_is_stopped_or_killed(lines, tmp_path, lost):
    seen: list[Spoken] = []
    whole = learn(lines, tmp_path / "whole", on_spoken=seen.append)
    assert [(each.done, each.total) for each in seen] == [(number, 5) for number in range(1, 6)]
    assert [each.accepted["angry"] for each in seen] == [1, 1, 3, 4, 4]
    assert seen[-1].seconds_left == 0
    model = Choir()
    with pytest.raises(Cancelled):
        learn(lines, tmp_path / "parts", model=model, cancelled=lambda: len(model.asked) == 2)
    path = tmp_path / "parts" / TAKES
    path.write_bytes(path.read_bytes() + lost)
    model, seen = Choir(), []
    again = learn(lines, tmp_path / "parts", model=model, on_spoken=seen.append)
    assert [name for name, _, _ in model.asked] == ["c", "d", "e"]
    assert [(each.done, each.accepted["angry"]) for each in seen] == [(3, 3), (4, 4), (5, 4)]
    assert again == whole
    assert path.read_bytes() == (tmp_path / "whole" / TAKES).read_bytes()


def test_takes_of_another_training_are_not_passed_off(lines, tmp_path):
    learn(lines, tmp_path / "work")
    with pytest.raises(StudioError, match=r"other settings \(takes, seed\); choose another work folder"):
        learn(lines, tmp_path / "work", takes=2, seed=1)
    with pytest.raises(StudioError, match=r"other settings \(corpus\)"):
        learn(lines[1:], tmp_path / "work")
    path = tmp_path / "work" / TAKES
    for damage in (b"[]\n", b"{\n", path.read_bytes().replace(b'"codes"', b'"cords"')):
        path.write_bytes(damage)
        with pytest.raises(StudioError, match="cannot be read; delete the file to begin anew"):
            learn(lines, tmp_path / "work")


def test_a_recording_that_cannot_be_read_is_left_out_and_named(lines, tmp_path):
    lines[3].path.write_bytes(b"no sound")
    notes: list[str] = []
    taught = learn(lines, tmp_path / "work", ("angry", "sad"), on_note=notes.append)
    assert [note for note in notes if note.startswith("Left out: ")] == [notes[0]]
    assert "d.wav" in notes[0]
    assert {each.source.stem for each in taught.lessons["angry"]} == {"a", "b"}
