"""Looking at a whole corpus before hours are spent on it: what is in it, and what is wrong with it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.audio.files import AudioFileError
from studio.audio.soundness import Soundness, examine
from studio.corpora.base import Corpus, CorpusError, Problem, ProblemKind, Utterance
from studio.corpora.layouts import AUTO, read_corpus
from studio.emotions import EMOTIONS
from studio.errors import Cancelled
from studio.progress import Progress, never, no_progress

__all__ = ["LONGEST_SECONDS", "SHORTEST_SECONDS", "SILENT_LEVEL", "CorpusError", "CorpusReport", "Problem",
           "ProblemKind", "check_corpus"]  # fmt: skip

SHORTEST_SECONDS = 0.3
LONGEST_SECONDS = 30.0
"""The audio encoders of large models hear at most this much at once."""
SILENT_LEVEL = -60.0
"""dB re full scale; see ``Soundness.level``. Quiet corpora such as RAVDESS lie above -45."""

_WORKERS = min(8, 2 + (os.cpu_count() or 1))
_AT_ONCE = 64
"""Files between two looks at whether to stop."""


@dataclass(frozen=True)
class CorpusReport:
    """What a corpus holds and what is wrong with it.

    ``utterances`` are those whose sound could be read, ``listed`` all that the layout names; ``speakers``,
    ``emotions``, ``rates`` (Hz) and ``seconds`` count the former. ``left_out`` counts recordings by the name of an
    emotion that is none of the five, ``passed_over`` sound files whose names mean nothing in this layout.
    """

    root: Path
    layout: str
    utterances: tuple[Utterance, ...]
    listed: tuple[Utterance, ...]
    speakers: dict[str, int]
    emotions: dict[str, int]
    left_out: dict[str, int]
    passed_over: int
    seconds: float
    rates: dict[int, int]
    problems: tuple[Problem, ...]

    @property
    def problem_counts(self) -> dict[str, int]:
        """How many problems there are of each kind that there is."""
        found = Counter(problem.kind for problem in self.problems)
        return {kind.value: found[kind] for kind in ProblemKind if found[kind]}

    def as_dict(self) -> dict[str, Any]:
        """Everything but the utterances themselves, which are counted, for JSON."""
        return {
            "root": str(self.root),
            "layout": self.layout,
            "utterances": len(self.utterances),
            "listed": len(self.listed),
            "speakers": self.speakers,
            "emotions": self.emotions,
            "left_out": self.left_out,
            "passed_over": self.passed_over,
            "seconds": round(self.seconds, 3),
            "hours": round(self.seconds / 3600, 4),
            "rates": {str(rate): count for rate, count in self.rates.items()},
            "problem_counts": self.problem_counts,
            "problems": [
                {"path": str(problem.path), "kind": problem.kind.value, "detail": problem.detail}
                for problem in self.problems
            ],
        }


def check_corpus(
    root: Path,
    layout: str = AUTO,
    *,
    progress: Progress = no_progress,
    cancelled: Callable[[], bool] = never,
) -> CorpusReport:
    """Read the corpus at ``root`` and decode every recording in it; nothing that is wrong with one ends the check.

    Raises CorpusError when there is no corpus (see ``read_corpus``), Cancelled when asked to stop.
    """
    if cancelled():
        raise Cancelled
    corpus = read_corpus(root, layout)
    problems = list(corpus.problems)
    heard: list[tuple[Utterance, Soundness]] = []
    first_of: dict[bytes, Utterance] = {}
    named: dict[str, Utterance] = {}
    for utterance, found in _examined(corpus.utterances, progress, cancelled):
        if isinstance(found, Problem):
            problems.append(found)
            continue
        heard.append((utterance, found))
        problems += _problems_of(utterance, found)
        # Silence equals silence without being a copy of anything.
        same = first_of.setdefault(found.digest, utterance) if found.level >= SILENT_LEVEL else utterance
        alike = named.setdefault(utterance.key, utterance)
        if same is not utterance:
            problems.append(_problem(utterance, ProblemKind.DUPLICATE, f"sounds exactly as '{same.path}'"))
        elif alike is not utterance:
            words = f"has speaker, line, emotion and name of '{alike.path}', and only one of them is used"
            problems.append(_problem(utterance, ProblemKind.DUPLICATE, words))
    return _report(corpus, heard, problems)


def _examined(
    utterances: Sequence[Utterance], progress: Progress, cancelled: Callable[[], bool]
) -> Iterator[tuple[Utterance, Soundness | Problem]]:
    """Each utterance with what was found, in order; decoding happens outside the interpreter's lock, so threads do."""
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="corpus-check") as pool:
        for start in range(0, len(utterances), _AT_ONCE):
            if cancelled():
                raise Cancelled
            some = utterances[start : start + _AT_ONCE]
            yield from zip(some, pool.map(_examine, some), strict=True)
            progress((start + len(some)) / len(utterances))


def _examine(utterance: Utterance) -> Soundness | Problem:
    try:
        return examine(utterance.path)
    except AudioFileError as error:
        kind = ProblemKind.UNREADABLE if os.path.lexists(utterance.path) else ProblemKind.MISSING
        return Problem(utterance.path, kind, str(error))


def _problems_of(utterance: Utterance, found: Soundness) -> Iterator[Problem]:
    if not utterance.text:
        yield _problem(utterance, ProblemKind.NO_TRANSCRIPT, "has no transcript")
    if found.seconds < SHORTEST_SECONDS:
        words = f"is only {found.seconds:.2f} s long (under {SHORTEST_SECONDS:g} s)"
        yield _problem(utterance, ProblemKind.TOO_SHORT, words)
    if found.seconds > LONGEST_SECONDS:
        words = f"is {found.seconds:.1f} s long (over {LONGEST_SECONDS:g} s)"
        yield _problem(utterance, ProblemKind.TOO_LONG, words)
    if found.level < SILENT_LEVEL:
        yield _problem(utterance, ProblemKind.SILENT, f"is silent (below {SILENT_LEVEL:g} dB of full scale)")
    if found.clipped:
        places = "one place" if found.clipped == 1 else f"{found.clipped} places"
        yield _problem(utterance, ProblemKind.CLIPPED, f"is clipped in {places}")


def _problem(utterance: Utterance, kind: ProblemKind, words: str) -> Problem:
    return Problem(utterance.path, kind, f"'{utterance.path.name}' {words}.")


def _report(corpus: Corpus, heard: Sequence[tuple[Utterance, Soundness]], problems: Sequence[Problem]) -> CorpusReport:
    emotions = Counter(utterance.emotion for utterance, _ in heard)
    return CorpusReport(
        root=corpus.root,
        layout=corpus.layout,
        utterances=tuple(utterance for utterance, _ in heard),
        listed=corpus.utterances,
        speakers=dict(sorted(Counter(utterance.speaker for utterance, _ in heard).items())),
        emotions={emotion: emotions[emotion] for emotion in EMOTIONS if emotions[emotion]},
        left_out=dict(sorted(corpus.left_out.items())),
        passed_over=corpus.passed_over,
        seconds=sum(found.seconds for _, found in heard),
        rates=dict(sorted(Counter(found.rate for _, found in heard).items())),
        problems=tuple(problems),
    )
