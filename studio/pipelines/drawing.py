"""Which successes of a job are drawn, and what is to be said of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

from studio.emotions import in_order
from studio.esn.errors import StatisticsError
from studio.esn.mask import HUMAN
from studio.pipelines.plan import drawing_key
from studio.pipelines.records import Attempt, JobError, read_attempts, read_document, settings_of
from studio.pipelines.verdicts import load_verdicts

STATISTICS = "statistics.stats.safetensors"
"""Statistics of the drawn successes, in the job folder."""

Counts = TypeVar("Counts")


@dataclass(frozen=True, eq=False)
class Drawing:
    """The successes of each emotion that are drawn in a job's ``folder``, and the metadata of statistics over them."""

    folder: Path
    drawn: dict[str, list[Attempt]]
    metadata: dict[str, Any]

    def is_of(self, metadata: Mapping[str, Any]) -> bool:
        """Whether statistics with these ``metadata`` are over the same successes."""
        return bool(metadata.get("drawn") == self.metadata["drawn"])


def load_drawing(folder: Path, cap: int | None = None, seed: int | None = None, *, human: bool = False) -> Drawing:
    """Draw from the successes of a job, finished or not, at most ``cap`` per emotion with ``seed``.

    Without ``cap`` and ``seed`` the job's own. The draw takes the first successes in the order of ``drawing_key``, so
    the same job, cap and seed always give the same statistics. With ``human``, successes are the conversions that a
    person accepted (``verdicts``), whatever the judge and the WER said: masks from them are the paper's CAS-H (section
    5.4). Raises JobError when the folder is no job or nothing succeeded.
    """
    folder = Path(folder)
    document = read_document(folder)
    settings = settings_of(document, folder)
    cap = document.get("cap") if cap is None else cap
    seed = settings.get("seed", 0) if seed is None else seed
    if not (cap is None or (type(cap) is int and cap >= 1)) or type(seed) is not int:
        raise JobError(f"The successes of '{folder}' cannot be capped at {cap!r} with seed {seed!r}.")
    attempts = attempts_that_count(folder, read_attempts(folder), human=human)
    if human and not any(each.success for each in attempts):
        raise JobError(f"No conversion in '{folder}' that can be counted was accepted by a person; review some first.")
    return drawing_of(folder, document, attempts, cap, seed, human=human)


def drawing_of(
    folder: Path,
    document: Mapping[str, Any],
    attempts: Sequence[Attempt],
    cap: int | None,
    seed: int,
    *,
    human: bool = False,
) -> Drawing:
    """As ``load_drawing``, of ``attempts`` known already; ``document`` is the job's."""
    drawn = draw(attempts, cap, seed)
    if not drawn:
        raise JobError(f"No conversion in '{folder}' succeeded, so there are no statistics to select neurons from.")
    return Drawing(folder, drawn, describe(document, attempts, drawn, cap, seed, human=human))


def attempts_that_count(folder: Path, attempts: Sequence[Attempt], *, human: bool) -> list[Attempt]:
    """The attempts as they are; with ``human``, a success is what a person accepted and there are counts of."""
    if not human:
        return list(attempts)
    verdicts = load_verdicts(folder)
    return [replace(each, success=verdicts.get(each.id, False) and each.shard is not None) for each in attempts]


def review_order(attempts: Iterable[Attempt], seed: int) -> list[Attempt]:
    """In which order a person listens: each emotion's attempts in drawing order, the emotions taking turns.

    Whoever stops after a while has then heard a uniform sample of each emotion, and what was accepted is one of all
    that would have been.
    """
    by_emotion: dict[str, list[Attempt]] = {}
    for each in attempts:
        by_emotion.setdefault(each.emotion, []).append(each)
    queues = [
        sorted(by_emotion[emotion], key=lambda each: drawing_key(seed, each.emotion, each.key))
        for emotion in in_order(by_emotion)
    ]
    return [each for turn in zip_longest(*queues) for each in turn if each is not None]


def describe(
    document: Mapping[str, Any],
    attempts: Iterable[Attempt],
    drawn: Mapping[str, Sequence[Attempt]],
    cap: int | None,
    seed: int,
    *,
    human: bool = False,
) -> dict[str, Any]:
    """Metadata of statistics over the ``drawn`` of ``attempts``; ``drawn`` in it is a hash over which these are."""
    identifiers = [each.id for successes in drawn.values() for each in successes]
    people = {"judge": HUMAN, "wer_threshold": None} if human else {}
    return (
        {key: document["settings"].get(key) for key in _CARRIED}
        | people
        | {
            "date": document.get("date"),
            "cap": cap,
            "seed": seed,
            "success_counts": {
                emotion: len(drawn.get(emotion, ())) for emotion in in_order(each.emotion for each in attempts)
            },
            "drawn": hashlib.sha256(json.dumps(identifiers).encode()).hexdigest(),
        }
    )


def draw(attempts: Iterable[Attempt], cap: int | None, seed: int) -> dict[str, list[Attempt]]:
    """The successes of each emotion that has some: in drawing order, at most ``cap`` (None: all)."""
    successes: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        if attempt.success:
            successes.setdefault(attempt.emotion, []).append(attempt)
    return {
        emotion: sorted(own, key=lambda each: drawing_key(seed, emotion, each.key))[:cap]
        for emotion, own in successes.items()
    }


_CARRIED = (
    "model_id", "model_revision", "config_digest", "module", "judge", "wer_threshold", "corpus_fingerprint", "split"
)  # fmt: skip


def counts_in(by_emotion: Mapping[str, Counts], folder: Path, success: Attempt) -> Counts:
    """What a conversion's shard holds for its emotion; raises StatisticsError when that is nothing."""
    found = by_emotion.get(success.emotion)
    if found is None:
        raise StatisticsError(f"'{folder / str(success.shard)}' holds no counts for {success.emotion}.")
    return found
