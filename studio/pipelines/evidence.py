"""Statistics from a job's folder: which successes are drawn, and the sum of their counts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from studio.esn.errors import StatisticsError
from studio.esn.mask import HUMAN
from studio.esn.statistics import EmotionStatistics, GateStatistics, in_order
from studio.pipelines.plan import drawing_key
from studio.pipelines.records import Attempt, JobError, read_attempts, read_document, settings_of
from studio.pipelines.verdicts import load_verdicts

STATISTICS = "statistics.stats.safetensors"
"""Statistics of the drawn successes, in the job folder."""


def load_job_statistics(
    folder: Path, cap: int | None = None, seed: int | None = None, *, human: bool = False
) -> EmotionStatistics:
    """Statistics over the successes of a job, finished or not, at most ``cap`` per emotion drawn with ``seed``.

    Without ``cap`` and ``seed`` the job's own. The draw takes the first successes in the order of ``drawing_key``, so
    the same job, cap and seed always give the same statistics. With ``human``, successes are the conversions that a
    person accepted (``verdicts``), whatever the judge and the WER said: masks from them are the paper's CAS-H (section
    5.4). Raises JobError when the folder is no job or nothing succeeded, StatisticsError when a shard is damaged.
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
    return statistics_of(folder, document, attempts, cap, seed, human=human)


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


def statistics_of(
    folder: Path,
    document: Mapping[str, Any],
    attempts: Sequence[Attempt],
    cap: int | None,
    seed: int,
    *,
    human: bool = False,
) -> EmotionStatistics:
    """Sum the shards of the successes that are drawn; ``document`` is the job's, see ``load_job_statistics``."""
    drawn = draw(attempts, cap, seed)
    if not drawn:
        raise JobError(f"No conversion in '{folder}' succeeded, so there are no statistics to select neurons from.")
    metadata = describe(document, attempts, drawn, cap, seed, human=human)
    by_emotion = _held(folder, metadata["drawn"])
    if by_emotion is None:
        by_emotion = {emotion: sum_of(folder, successes) for emotion, successes in drawn.items()}
    return EmotionStatistics(next(iter(by_emotion.values())).widths, by_emotion, metadata)


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


def sum_of(folder: Path, successes: Iterable[Attempt]) -> GateStatistics:
    """The counts of ``successes`` (at least one) of a job together; raises StatisticsError when one is damaged."""
    return GateStatistics.sum(load_shard(folder, success) for success in successes)


def load_shard(folder: Path, success: Attempt) -> GateStatistics:
    """The counts of one conversion; raises StatisticsError when they are damaged."""
    path = folder / str(success.shard)
    statistics = EmotionStatistics.load(path).by_emotion.get(success.emotion)
    if statistics is None:
        raise StatisticsError(f"'{path}' holds no counts for {success.emotion}.")
    return statistics


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


def _held(folder: Path, drawn: str) -> dict[str, GateStatistics] | None:
    """The counts a run has summed already, if it drew the same; a thousand times faster than the shards."""
    try:
        held = EmotionStatistics.load(folder / STATISTICS)
    except StatisticsError:
        return None
    return held.by_emotion if held.metadata.get("drawn") == drawn else None
