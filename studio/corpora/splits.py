"""Which utterances identify neurons, which tune settings, and which are kept for the test."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from studio import atomic
from studio.corpora import esd
from studio.corpora.base import CorpusError, Utterance, by_speaker
from studio.emotions import EMOTIONS

IDENTIFICATION = "identification"
DEVELOPMENT = "development"
TEST_SEEN = "test-seen"
TEST_UNSEEN = "test-unseen"
SPLITS = (IDENTIFICATION, DEVELOPMENT, TEST_SEEN, TEST_UNSEEN)

FILE = "split.json"
"""Name of the split in the folder of an identification job."""
_FORMAT = 1

_SPEAKERS = tuple(f"{number:04d}" for number in range(11, 21))
_IDENTIFYING, _SEEN = _SPEAKERS[:6], _SPEAKERS[:8]
_IDENTIFYING_LINES, _DEVELOPMENT_LINES = 200, 250

# The shares of ESD's split, for corpora that have none of their own.
_LINE_SHARES = (_IDENTIFYING_LINES / esd.LINES, _DEVELOPMENT_LINES / esd.LINES)
_SPEAKER_SHARES = (0.6, 0.8)

Name = TypeVar("Name", str, int)
Split = dict[str, list[Utterance]]
"""Utterances by the name of the part they are in; who is in none is not used."""


@dataclass(frozen=True)
class SplitRow:
    """One part of a split: its speakers, how many lines they speak in it, how many recordings, and per emotion."""

    name: str
    speakers: tuple[str, ...]
    lines: int
    utterances: int
    emotions: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """The row for JSON."""
        return asdict(self) | {"speakers": list(self.speakers)}


def choose_split(layout: str, utterances: Sequence[Utterance], seed: int = 0) -> Split:
    """The customary split of a corpus in ``layout`` where it has one (ESD's English speakers), else the seeded one."""
    return esd_split(utterances) if has_own_split(layout, utterances) else seeded_split(utterances, seed)


def has_own_split(layout: str, utterances: Sequence[Utterance]) -> bool:
    """Whether a corpus has a customary split, whatever the seed."""
    return layout == esd.LAYOUT and not {each.speaker for each in utterances}.isdisjoint(_SPEAKERS)


def esd_split(utterances: Sequence[Utterance]) -> Split:
    """The split of METHOD.md, section 5, over ESD's English speakers S1..S10 = 0011..0020; others are left out.

    Identification: S1-S6, lines 1-200; development: S1-S6, 201-250, and S7-S8, 1-250; test-seen: S1-S8, 251-350;
    test-unseen: S9-S10, all lines. In a corpus of that layout with too few lines for a test (the demo corpus has 60)
    both boundaries shrink with the number of lines, rounded: 34 and 43 of 60.
    """
    lines = max((each.utterance for each in utterances), default=0)
    lines = esd.LINES if lines > _DEVELOPMENT_LINES else lines
    identifying = round(_IDENTIFYING_LINES * lines / esd.LINES)
    development = round(_DEVELOPMENT_LINES * lines / esd.LINES)
    split: Split = {name: [] for name in SPLITS}
    for each in utterances:
        if each.speaker not in _SPEAKERS:
            continue
        if each.speaker not in _SEEN:
            name = TEST_UNSEEN
        elif each.utterance > development:
            name = TEST_SEEN
        elif each.speaker in _IDENTIFYING and each.utterance <= identifying:
            name = IDENTIFICATION
        else:
            name = DEVELOPMENT
        split[name].append(each)
    return split


def seeded_split(utterances: Sequence[Utterance], seed: int = 0) -> Split:
    """A split of any corpus in ESD's proportions that keeps speakers and lines apart.

    Speakers and lines are each drawn into groups, the larger part for identification. Identification takes its
    speakers on its lines, development the speakers of the first two groups on the lines of the first two groups as
    far as identification has not got them, test-seen these speakers on the remaining lines, test-unseen the remaining
    speakers on the remaining lines only. So no test line was heard before from anyone, and no unseen speaker was heard
    at all; what would break that is in no split.
    """
    names, numbers = {each.speaker for each in utterances}, {each.utterance for each in utterances}
    speakers = _groups(sorted(names), _SPEAKER_SHARES, random.Random(f"speakers {seed}"))
    lines = _groups(sorted(numbers), _LINE_SHARES, random.Random(f"lines {seed}"))
    split: Split = {name: [] for name in SPLITS}
    for each in utterances:
        speaker, line = speakers[each.speaker], lines[each.utterance]
        if line == 2:
            split[TEST_UNSEEN if speaker == 2 else TEST_SEEN].append(each)
        elif speaker < 2:
            split[IDENTIFICATION if speaker == line == 0 else DEVELOPMENT].append(each)
    return split


def choose(split: Mapping[str, list[Utterance]], names: Sequence[str]) -> list[Utterance]:
    """The utterances of some splits; raises CorpusError for a name there is none of, or when they are empty."""
    for name in names:
        if name not in split:
            raise CorpusError(f"There is no split '{name}'; choose of {', '.join(split)}.")
    chosen = [each for name in names for each in split[name]]
    if not chosen:
        raise CorpusError(f"The corpus has no utterances in its {' and '.join(names)} split.")
    return chosen


def spread(utterances: Sequence[Utterance], limit: int | None, seed: int = 0) -> list[Utterance]:
    """At most ``limit`` of ``utterances``, drawn at random and as evenly over the speakers as they allow."""
    if limit is None or limit >= len(utterances):
        return list(utterances)
    queues = []
    for speaker, own in by_speaker(utterances).items():
        random.Random(f"{speaker} {seed}").shuffle(own)
        queues.append(own)
    rounds = [each for turn in range(max(map(len, queues))) for own in queues for each in own[turn : turn + 1]]
    kept = set(rounds[:limit])
    return [each for each in utterances if each in kept]


def split_table(split: Mapping[str, Sequence[Utterance]]) -> list[SplitRow]:
    """A row for each part, in order, empty ones too."""
    rows = []
    for name, part in split.items():
        emotions = Counter(each.emotion for each in part)
        speakers = tuple(sorted({each.speaker for each in part}))
        rows.append(
            SplitRow(
                name,
                speakers,
                len({each.utterance for each in part}),
                len(part),
                {emotion: emotions[emotion] for emotion in EMOTIONS if emotions[emotion]},
            )
        )
    return rows


def save_split(path: Path, split: Mapping[str, Sequence[Utterance]]) -> None:
    """Write which utterances, by key, are in which part; raises StudioError when the file cannot be written."""
    parts = {name: [each.key for each in part] for name, part in split.items()}
    atomic.write_json(path, {"format": _FORMAT, "splits": parts})


def load_split(path: Path, utterances: Sequence[Utterance]) -> Split:
    """The split in ``path`` over ``utterances``, in its own order; utterances it does not name are in no part.

    Raises CorpusError when the file is no split or names utterances that are not there.
    """
    parts = _read(path)
    present: dict[str, list[Utterance]] = {}
    for each in utterances:
        present.setdefault(each.key, []).append(each)
    missing = {key for keys in parts.values() for key in keys} - present.keys()
    if missing:
        raise CorpusError(
            f"The split '{path}' names {len(missing)} recordings that are not in this corpus, such as "
            f"'{min(missing)}'; give the corpus it was made for."
        )
    # A key that several recordings have is there several times, once for each.
    return {name: [each for key in dict.fromkeys(keys) for each in present[key]] for name, keys in parts.items()}


def _groups(names: list[Name], shares: tuple[float, float], draw: random.Random) -> dict[Name, int]:
    """Each name's group, 0, 1 or 2, sized by the cumulated ``shares``; the last group has somebody if two are there."""
    draw.shuffle(names)
    first = max(1, round(shares[0] * len(names)))
    second = round(shares[1] * len(names))
    if len(names) > 1:
        first, second = min(first, len(names) - 1), min(max(second, first), len(names) - 1)
    return {name: 0 if place < first else 1 if place < second else 2 for place, name in enumerate(names)}


def _read(path: Path) -> dict[str, list[str]]:
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise CorpusError(f"The split '{path}' cannot be read: {atomic.reason(error)}.") from error
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"'{path}' is no split, or damaged.") from error
    parts = document.get("splits") if isinstance(document, dict) else None
    number = document.get("format") if isinstance(document, dict) else None
    if type(number) is int and number > _FORMAT:
        raise CorpusError(f"'{path}' has format {number}, newer than this version reads; update ESN Studio.")
    known = type(number) is int and number == _FORMAT
    if not known or not isinstance(parts, dict) or not all(map(_is_names, parts.values())):
        raise CorpusError(f"'{path}' is no split, or damaged.")
    return parts


def _is_names(keys: Any) -> bool:
    return isinstance(keys, list) and all(isinstance(key, str) for key in keys)
