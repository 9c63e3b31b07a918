"""Lessons of a model's own speech: it says each line several times, and what a judge hears as the emotion teaches.

Each neutral line is converted to each emotion in several takes: greedily, as it will be used, and with seeds. A take is
accepted as a conversion of ``identify`` is: the judge hears the emotion, and the words survived. Every line whose
greedy take was not accepted is a pupil: in the context in which the vectors will act (its own recording, the
instruction for that emotion, its own words), it is taught all accepted takes of the same words, its own with other
seeds and those of other recordings of the line. A line that is the emotion already would only learn to be surer of it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from studio import atomic
from studio.audio.clip import Clip
from studio.corpora.base import Utterance, corpus_fingerprint
from studio.emotions import NEUTRAL
from studio.errors import StudioError
from studio.judges.base import EmotionJudge
from studio.judges.content import normalise, word_error_rate
from studio.lalm.base import Conversion, ConversionRequest, never
from studio.lalm.steerable import Lesson, OwnSpeech, SelfTaught
from studio.pipelines.attempts import rejection
from studio.pipelines.emosteer import Taught, held
from studio.pipelines.listening import hear, load_source
from studio.pipelines.plan import distinct
from studio.pipelines.records import differing_settings

TAKES = "takes.jsonl"
FORMAT = 1
WER_THRESHOLD = 0.15
"""Highest WER of an accepted take (METHOD.md, section 2)."""


@dataclass(frozen=True)
class Take:
    """One conversion: its words, its codec ids, whether a limit cut it off, and why it was rejected ("": accepted)."""

    text: str
    codes: tuple[int, ...]
    truncated: bool
    reason: str


@dataclass(frozen=True)
class Line:
    """All that was said of a line to be in an emotion: the ``words`` it is said with alone and greedily, and takes.

    The first take is greedy too, but beside others, where rounding may tip the choice of a word.
    """

    words: str
    takes: tuple[Take, ...]

    @property
    def accepted(self) -> tuple[Take, ...]:
        """The takes that are like the emotion."""
        return tuple(take for take in self.takes if not take.reason)

    @property
    def is_already(self) -> bool:
        """Whether the line is the emotion as the model says it anyway."""
        return not self.takes[0].reason


@dataclass(frozen=True)
class Spoken:
    """The takes of one line are done: ``done`` of ``total``, each line counted once per emotion.

    ``accepted``: takes so far, by emotion; ``seconds_left``: a guess.
    """

    done: int
    total: int
    accepted: dict[str, int]
    seconds_left: float


@dataclass
class Harvest:
    """What came of an emotion: takes, accepted ones, lines that are it already, pairs dropped for their words."""

    takes: int = 0
    accepted: int = 0
    already: int = 0
    other_words: int = 0
    lessons: int = 0

    def sentence(self, emotion: str, judge: str) -> str:
        """All of it in words."""
        return (
            f"{emotion}: {self.lessons} lessons. Takes: {self.takes}; heard as {emotion} by {judge}, with their words "
            f"kept: {self.accepted}. Lines that are {emotion} already, and need none: {self.already}. Pairs dropped "
            f"because their words differ: {self.other_words}."
        )


def teach(
    model: SelfTaught,
    judge: EmotionJudge,
    utterances: Sequence[Utterance],
    emotions: Sequence[str],
    work: Path,
    *,
    takes: int = 8,
    seed: int = 0,
    on_spoken: Callable[[Spoken], None] = lambda spoken: None,
    on_note: Callable[[str], None] = lambda note: None,
    cancelled: Callable[[], bool] = never,
) -> Taught:
    """Lessons from ``takes`` of each neutral line in each emotion, going on with those kept in ``work``.

    Recordings that cannot be used are left out, and emotions nothing can be learned of; notes say so, and what came of
    each. Raises Cancelled when asked to stop, keeping the takes of finished lines; StudioError when no emotion can be
    learned, or the takes in ``work`` are of another training.
    """
    if takes < 1:
        raise StudioError("At least one take of each line is needed to learn from.")
    lines, _ = distinct(each for each in utterances if each.emotion == NEUTRAL and each.text)
    settings = {
        "model_id": model.info.model_id,
        "model_revision": model.info.revision,
        "corpus": corpus_fingerprint(lines),
        "judge": judge.name,
        "takes": takes,
        "wer_threshold": WER_THRESHOLD,
        "seed": seed,
    }
    with held(work):
        record = _Record(work / TAKES, settings)
        lines = _speak(model, judge, lines, emotions, record, takes, seed, on_spoken, on_note, cancelled)
    harvests = {emotion: Harvest() for emotion in emotions}
    lessons = {emotion: _lessons(emotion, lines, record, harvest) for emotion, harvest in harvests.items()}
    for emotion, harvest in harvests.items():
        on_note(harvest.sentence(emotion, judge.name))
    taught = {emotion: each for emotion, each in lessons.items() if each}
    if not taught:
        raise StudioError(
            f"There is nothing to learn from: no take that {judge.name} accepted has the words of a line that is not "
            "the emotion already; use more lines, more takes (--takes), or another judge."
        )
    facts = {name: settings[name] for name in ("judge", "takes", "wer_threshold")}
    found = {emotion: asdict(harvest) for emotion, harvest in harvests.items()}
    return Taught(taught, facts | {"own_speech": found, "spoken": _digest(taught)})


class _Record:
    """What was said, by line and emotion, in a file that grows by a line; the first holds the settings."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self._path = path
        self.lines: dict[tuple[str, str], Line] = {}
        whole: list[bytes] = []
        try:
            *whole, rest = path.read_bytes().split(b"\n")
            written = json.loads(whole[0]) if whole else None
            if not isinstance(written, dict | None):
                raise ValueError("the first line holds the settings")
            for line in whole[1:]:
                known = json.loads(line)
                takes = tuple(Take(**each | {"codes": tuple(each["codes"])}) for each in known["takes"])
                self.lines[known["key"], known["emotion"]] = Line(known["words"], takes)
        except FileNotFoundError:
            written, rest = None, b""
        except OSError as error:
            raise StudioError(f"'{path}' cannot be read: {atomic.reason(error)}.") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise StudioError(f"The takes in '{path}' cannot be read; delete the file to begin anew.") from error
        if written is None:
            whole = [json.dumps({"format": FORMAT} | settings).encode()]
        elif written != {"format": FORMAT} | settings:
            differing = ", ".join(differing_settings(written, {"format": FORMAT} | settings)).replace("_", " ")
            raise StudioError(
                f"The takes in '{path}' are of a training with other settings ({differing}); choose another work "
                "folder."
            )
        if written is None or rest:  # a process that was killed while writing leaves half a line
            atomic.write_bytes(path, b"".join(line + b"\n" for line in whole))

    def add(self, key: str, emotion: str, line: Line) -> None:
        """Keep what was said of a line."""
        document = {"key": key, "emotion": emotion} | asdict(line)
        try:
            with self._path.open("ab") as stream:
                stream.write(json.dumps(document).encode() + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise StudioError(f"'{self._path}' cannot be written: {atomic.reason(error)}.") from error
        self.lines[key, emotion] = line


def _speak(
    model: SelfTaught,
    judge: EmotionJudge,
    lines: Sequence[Utterance],
    emotions: Sequence[str],
    record: _Record,
    takes: int,
    seed: int,
    on_spoken: Callable[[Spoken], None],
    on_note: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> list[Utterance]:
    """Convert what is not on record yet; returns the lines that could be used."""
    seeds = [None, *(int(np.random.default_rng([seed, number]).integers(2**31)) for number in range(1, takes))]
    wanted = [(line, emotion) for line in lines for emotion in emotions]
    known = {(line.key, emotion) for line, emotion in wanted} & record.lines.keys()
    accepted = dict.fromkeys(emotions, 0)
    for key, emotion in known:
        accepted[emotion] += len(record.lines[key, emotion].accepted)
    unusable: set[str] = set()
    started, before = time.monotonic(), len(known)
    done = before
    for line, emotion in wanted:
        if (line.key, emotion) in known or line.key in unusable:
            continue
        try:
            source = load_source(line.path, model.info.max_seconds)
        except StudioError as problem:
            unusable.add(line.key)
            on_note(f"Left out: {problem}")
            continue
        made = model.model.convert(
            [ConversionRequest(source, emotion, seed=each, text=line.text) for each in seeds], cancelled=cancelled
        )
        said = tuple(_take(each, line, source, emotion, judge) for each in made)
        record.add(line.key, emotion, Line(model.words(line.path, emotion), said))
        accepted[emotion] += len(record.lines[line.key, emotion].accepted)
        done += 1
        pace = (time.monotonic() - started) / (done - before)
        on_spoken(Spoken(done, len(wanted), dict(accepted), pace * (len(wanted) - done)))
    return [line for line in lines if line.key not in unusable]


def _take(made: Conversion, line: Utterance, source: Clip, emotion: str, judge: EmotionJudge) -> Take:
    codes = tuple(int(code) for code in made.speech_tokens[:, 0])
    wer = word_error_rate(line.text or "", made.text)
    reason = rejection(hear(judge, made.audio, source), emotion, wer, WER_THRESHOLD) if codes else "nothing said"
    return Take(made.text, codes, made.truncated, reason)


def _lessons(emotion: str, lines: Sequence[Utterance], record: _Record, harvest: Harvest) -> list[Lesson]:
    """What the lines that are not ``emotion`` by themselves can be taught."""
    examples: dict[str, list[Take]] = {}
    for line in lines:
        said = record.lines[line.key, emotion]
        examples.setdefault(normalise(line.text or ""), []).extend(said.accepted)
        harvest.takes += len(said.takes)
        harvest.accepted += len(said.accepted)
        harvest.already += said.is_already
    lessons: list[Lesson] = []
    for line in lines:
        said = record.lines[line.key, emotion]
        for take in () if said.is_already else examples[normalise(line.text or "")]:
            if take.text == said.words:
                spoken = OwnSpeech(take.text, take.codes, not take.truncated)
                lessons.append(Lesson(line.path, line.text or "", emotion, spoken=spoken))
            else:
                harvest.other_words += 1
    harvest.lessons = len(lessons)
    return lessons


def _digest(lessons: dict[str, list[Lesson]]) -> str:
    """Over all that is spoken, in order."""
    spoken = [[emotion, *(asdict(each.spoken) for each in own if each.spoken)] for emotion, own in lessons.items()]
    return sha256(json.dumps(spoken).encode()).hexdigest()
