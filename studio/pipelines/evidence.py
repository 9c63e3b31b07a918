"""Statistics from a job's folder: which successes are drawn, and the sum of their counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import zip_longest
from pathlib import Path
from typing import Any

from studio.esn.errors import StatisticsError
from studio.esn.mask import HUMAN
from studio.esn.statistics import EmotionStatistics, GateStatistics, in_order
from studio.pipelines.plan import drawing_key
from studio.pipelines.records import SETTINGS, Attempt, JobError, read_attempts, read_document
from studio.pipelines.verdicts import load_verdicts


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
    settings = document.get("settings")
    if not isinstance(settings, dict):
        raise JobError(f"'{folder / SETTINGS}' is damaged: it has no settings.")
    cap = document.get("cap") if cap is None else cap
    seed = settings.get("seed", 0) if seed is None else seed
    if not (cap is None or (type(cap) is int and cap >= 1)) or type(seed) is not int:
        raise JobError(f"The successes of '{folder}' cannot be capped at {cap!r} with seed {seed!r}.")
    attempts = read_attempts(folder)
    if not human:
        return statistics_of(folder, document, attempts, cap, seed)
    accepted = accepted_by_people(attempts, load_verdicts(folder))
    if not any(each.success for each in accepted):
        raise JobError(f"No conversion in '{folder}' that can be counted was accepted by a person; review some first.")
    found = statistics_of(folder, document, accepted, cap, seed)
    return replace(found, metadata=found.metadata | {"judge": HUMAN, "wer_threshold": None})


def accepted_by_people(attempts: Iterable[Attempt], verdicts: Mapping[str, bool]) -> list[Attempt]:
    """The attempts with people's verdicts for the judge's: what nobody accepted, or has no counts, is no success."""
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
    folder: Path, document: Mapping[str, Any], attempts: Sequence[Attempt], cap: int | None, seed: int
) -> EmotionStatistics:
    """Merge the shards of the successes that are drawn; ``document`` is the job's, see ``load_job_statistics``."""
    drawn = draw(attempts, cap, seed)
    if not drawn:
        raise JobError(f"No conversion in '{folder}' succeeded, so there are no statistics to select neurons from.")
    by_emotion = {
        emotion: reduce(GateStatistics.merge, (_load_shard(folder, success) for success in successes))
        for emotion, successes in drawn.items()
    }
    metadata = {key: document["settings"].get(key) for key in _CARRIED} | {
        "date": document.get("date"),
        "cap": cap,
        "seed": seed,
        "success_counts": {
            emotion: len(drawn.get(emotion, ())) for emotion in in_order(each.emotion for each in attempts)
        },
    }
    return EmotionStatistics(next(iter(by_emotion.values())).widths, by_emotion, metadata)


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


def _load_shard(folder: Path, success: Attempt) -> GateStatistics:
    path = folder / str(success.shard)
    statistics = EmotionStatistics.load(path).by_emotion.get(success.emotion)
    if statistics is None:
        raise StatisticsError(f"'{path}' holds no counts for {success.emotion}.")
    return statistics
