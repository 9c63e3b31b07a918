"""Finding emotion-sensitive neurons: sample activations, keep successes, count, select (METHOD.md, sections 1 to 3)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from studio.corpora.base import Utterance, corpus_entries, fingerprint_of
from studio.emotions import NEUTRAL, TARGETS
from studio.errors import Cancelled, StudioError
from studio.esn.mask import EsnMask
from studio.esn.selectors import DEFAULT_PERCENTILE, DEFAULT_RATE, Selector, select, selection_count
from studio.esn.statistics import EmotionStatistics
from studio.lalm.base import LANGUAGE, ModelInfo, Progress, never, no_progress
from studio.pipelines.attempts import Rules, store
from studio.pipelines.course import Course
from studio.pipelines.drawing import STATISTICS, draw
from studio.pipelines.events import Event, EventSink, Finished, Progressed, Started, Warned
from studio.pipelines.evidence import load_job_statistics, statistics_of
from studio.pipelines.job import JobFolder
from studio.pipelines.plan import distinct, plan
from studio.pipelines.workers import Workers

__all__ = [
    "Event", "EventSink", "Finished", "Identification", "IdentifySettings", "Progressed", "Started", "Warned",
    "identify", "load_job_statistics",
]  # fmt: skip

FEW = 10
"""With fewer successes a mask is noisy (METHOD.md: c = 10)."""


@dataclass(frozen=True)
class IdentifySettings:
    """What to identify neurons from, and how they are selected.

    ``cap``, ``selector``, ``rate`` and ``percentile`` may change when a job is resumed: they need no new conversions,
    or only more of the same. ``split`` names where the utterances come from, for the record. ``batch`` conversions run
    together where the model can.

    ``stop_early`` leaves off an emotion once ``cap`` of its conversions succeeded. What is drawn is a uniform sample of
    all successes either way, and the same one: utterances are converted in an order that is random from the start
    (``plan``), and drawn are the first ``cap`` successes in it, of which none can come later.

    ``part`` (k, n) takes every n-th batch of the plan, beginning with the k-th, and leaves the others to runs of the
    same settings elsewhere; the folders merge into that of one run over all (``merge``). ``keep_rejected`` keeps the
    counts of conversions the judge refuses, which a person may accept later (``verdicts``), at the cost of disk.
    Raises StudioError for numbers that make no sense.
    """

    emotions: tuple[str, ...] = TARGETS
    module: str = LANGUAGE
    selector: Selector = Selector.CAS
    rate: float = DEFAULT_RATE
    percentile: float = DEFAULT_PERCENTILE
    cap: int = 50
    wer_threshold: float = 0.15
    seed: int = 0
    split: str = ""
    batch: int = 32
    stop_early: bool = True
    part: tuple[int, int] = (1, 1)
    keep_audio: bool = True
    keep_rejected: bool = True

    def __post_init__(self) -> None:
        if not self.emotions:
            raise StudioError("Name at least one emotion to identify neurons for.")
        for name, least in (("cap", 1), ("batch", 1), ("seed", 0), ("wer_threshold", 0)):
            if not getattr(self, name) >= least:
                raise StudioError(
                    f"The {name.replace('_', ' ')} must be at least {least}; it is {getattr(self, name)}."
                )
        if not 1 <= self.part[0] <= self.part[1]:
            raise StudioError(f"There is no part {self.part[0]} of {self.part[1]}; parts count from 1.")
        if not 0 <= self.percentile <= 100:
            raise StudioError(f"The percentile must lie between 0 and 100; it is {self.percentile}.")


@dataclass(frozen=True, eq=False)
class Identification:
    """The mask, the statistics it comes from, and what a person should know about them."""

    mask: EsnMask
    statistics: EmotionStatistics
    warnings: tuple[str, ...]


def identify(
    workers: Workers,
    utterances: Sequence[Utterance],
    settings: IdentifySettings,
    work: Path,
    *,
    on_event: EventSink = lambda event: None,
    progress: Progress = no_progress,
    cancelled: Callable[[], bool] = never,
    pausing: Callable[[], bool] = never,
    date: str | None = None,
) -> Identification:
    """Convert the neutral utterances to each emotion, keep the successes, count their gates and select neurons.

    ``workers`` do the conversions: ``InProcess`` for one model. Batches are stored in the order of the plan, whichever
    is done first, so the folder does not show how many worked on it.

    ``work`` is the job folder: the same call on it goes on where it was stopped or killed, and ends with the same
    statistics and mask, byte for byte, as an uninterrupted run. ``date`` (ISO; today) is written into both.

    Two ways to stop, both ending in Cancelled with the folder ready to go on: ``cancelled`` is asked at every token
    (while others convert, several times a second), and what is converted at that moment is dropped, and converted again
    later; ``pausing`` is asked before every batch, so what is under way is finished and stored and nothing is lost.
    Raises StudioError when the utterances cannot be used, the folder belongs to another job, or nothing succeeded.
    """
    began = time.monotonic()
    info = workers.info
    _require_possible(info, settings)
    usable, notes = _usable(utterances)
    if not info.batches:
        settings = replace(settings, batch=1)
    entries = corpus_entries(usable)
    record = _results_depend_on(settings, info, workers.judge, fingerprint_of(entries))
    part, parts = settings.part
    batches = [
        batch
        for batch in plan(usable, settings.emotions, settings.batch, settings.seed)
        if batch.number % parts == part - 1
    ]
    warnings = list(notes)
    with JobFolder(work, record, entries, date=date or datetime.now(UTC).date().isoformat(), cap=settings.cap) as job:
        enough = settings.cap if settings.stop_early else None
        run = Course(batches, job.attempts, settings.emotions, enough)
        on_event(Started(run.total, run.done, str(work)))
        for note in notes:
            on_event(Warned(note))
        results = workers.carry_out(
            run.wanted(pausing),
            Rules(settings.module, settings.wer_threshold),
            progress=lambda batch, share: progress(run.share(batch, share)),
            cancelled=cancelled,
        )
        with closing(results):
            for batch, outcomes in results:
                if run.needs(batch):  # one of many workers may have run ahead of what turned out to be enough
                    attempts = store(
                        outcomes, job, keep_audio=settings.keep_audio, keep_rejected=settings.keep_rejected
                    )
                    on_event(run.advance(attempts))
                    progress(run.done / max(1, run.total))
        if run.done < run.total:
            raise Cancelled
        wanted = [each for each in job.attempts if each.emotion in settings.emotions]
        drawn = {emotion: len(own) for emotion, own in draw(wanted, settings.cap, settings.seed).items()}
        for emotion in settings.emotions:
            warning = _shortage(emotion, run.successes[emotion], run.attempts[emotion])
            if warning:
                warnings.append(warning)
                on_event(Warned(warning))
        statistics = statistics_of(work, job.document, wanted, settings.cap, settings.seed)
        statistics.save(work / STATISTICS)
        mask = select(
            statistics,
            settings.selector,
            settings.rate,
            seed=settings.seed,
            percentile=settings.percentile,
            compare=settings.emotions,
        )
    counts = {emotion: mask.count(emotion) for emotion in mask.emotions}
    on_event(Finished(dict(run.attempts), drawn, counts, time.monotonic() - began))
    return Identification(mask, statistics, tuple(warnings))


def _require_possible(info: ModelInfo, settings: IdentifySettings) -> None:
    """Say now what would fail after hours."""
    if settings.module not in info.gates:
        raise StudioError(f"{info.title} has no {settings.module} module; it has {' and '.join(info.gates)}.")
    neurons = sum(info.gates[settings.module])
    if not neurons:
        raise StudioError(
            f"{info.title} has no gated layers, so there are no neurons to find in it; train learned vectors instead."
        )
    if selection_count(settings.rate, neurons) == 0:
        raise StudioError(f"A rate of {settings.rate} selects no neuron of {neurons}; use at least {1 / neurons:.2g}.")


def _usable(utterances: Sequence[Utterance]) -> tuple[list[Utterance], list[str]]:
    """Neutral utterances with a transcript, each once, and what had to be left out."""
    neutral = [each for each in utterances if each.emotion == NEUTRAL]
    if not neutral:
        raise StudioError("The corpus has no neutral utterances to convert; identification starts from neutral speech.")
    spoken = [each for each in neutral if each.text]
    if not spoken:
        raise StudioError("The corpus has no transcripts, so it cannot be said which conversions keep their words.")
    usable, doubles = distinct(spoken)
    notes = []
    if len(spoken) < len(neutral):
        notes.append(
            f"{len(neutral) - len(spoken)} of {len(neutral)} neutral utterances have no transcript and are left out."
        )
    if doubles:
        notes.append(f"{doubles} utterances are there twice under one name; the second ones are left out.")
    return usable, notes


def _results_depend_on(settings: IdentifySettings, info: ModelInfo, judge: str, fingerprint: str) -> dict[str, Any]:
    """The settings of a job that cannot change once it has begun."""
    return {
        "model_id": info.model_id,
        "model_revision": info.revision,
        "config_digest": info.config_digest,
        "module": settings.module,
        "judge": judge,
        "wer_threshold": settings.wer_threshold,
        "corpus_fingerprint": fingerprint,
        "split": settings.split,
        "seed": settings.seed,
        "batch": settings.batch,
    }


def _shortage(emotion: str, successes: int, attempts: int) -> str | None:
    if successes == 0:
        return f"None of {attempts} conversions to {emotion} succeeded, so the mask has no neurons for it."
    if successes < FEW:
        return (
            f"Only {successes} of {attempts} conversions to {emotion} succeeded; neurons found from fewer than {FEW} "
            "are unreliable."
        )
    return None
