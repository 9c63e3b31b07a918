"""Finding emotion-sensitive neurons: sample activations, keep successes, count, select (METHOD.md, sections 1 to 3)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from studio.corpora.base import Utterance, corpus_fingerprint
from studio.emotions import NEUTRAL, TARGETS
from studio.errors import StudioError
from studio.esn.mask import EsnMask
from studio.esn.selectors import DEFAULT_PERCENTILE, DEFAULT_RATE, Selector, select
from studio.esn.statistics import EmotionStatistics
from studio.judges.base import EmotionJudge
from studio.lalm.base import LANGUAGE, ModelInfo, Progress, SpeechLALM, never, no_progress
from studio.pipelines.attempts import attempt
from studio.pipelines.evidence import draw, load_job_statistics, statistics_of
from studio.pipelines.job import JobFolder
from studio.pipelines.plan import Batch, distinct, plan
from studio.pipelines.records import Attempt

__all__ = ["Event", "Finished", "Identification", "IdentifySettings", "Progressed", "Started", "Warned", "identify",
           "load_job_statistics"]  # fmt: skip

STATISTICS = "statistics.stats.safetensors"
"""Statistics of the drawn successes, in the job folder."""

FEW = 10
"""With fewer successes a mask is noisy (METHOD.md: c = 10)."""


@dataclass(frozen=True)
class IdentifySettings:
    """What to identify neurons from, and how they are selected.

    ``cap``, ``selector``, ``rate`` and ``percentile`` may change when a job is resumed: they need no new conversions,
    or only more of the same. ``split`` names where the utterances come from, for the record. ``batch`` conversions run
    together where the model can. ``stop_early`` leaves off an emotion once ``cap`` of its conversions succeeded; the
    sample is the same either way (``plan``). ``keep_rejected`` keeps the counts of conversions the judge refuses, which
    a person may accept later (``verdicts``), at the cost of disk. Raises StudioError for numbers that make no sense.
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
    batch: int = 16
    stop_early: bool = True
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


@dataclass(frozen=True)
class Started:
    """The plan stands: ``total`` conversions at most, ``done`` of them by an earlier run."""

    total: int
    done: int
    job: str


@dataclass(frozen=True)
class Progressed:
    """A batch is done; ``latest`` are its attempts. ``total`` shrinks when an emotion has all it needs.

    ``attempts`` and ``successes`` count per emotion; ``seconds_left`` is a guess from this run's pace.
    """

    total: int
    done: int
    seconds_left: float
    attempts: dict[str, int]
    successes: dict[str, int]
    latest: tuple[Attempt, ...]


@dataclass(frozen=True)
class Warned:
    """Something a person should know about the result."""

    sentence: str


@dataclass(frozen=True)
class Finished:
    """Everything is done; ``counts`` are the neurons selected per emotion, ``successes`` those drawn."""

    attempts: dict[str, int]
    successes: dict[str, int]
    counts: dict[str, int]
    seconds: float


Event = Started | Progressed | Warned | Finished
EventSink = Callable[[Event], None]


@dataclass(frozen=True, eq=False)
class Identification:
    """The mask, the statistics it comes from, and what a person should know about them."""

    mask: EsnMask
    statistics: EmotionStatistics
    warnings: tuple[str, ...]


def identify(
    model: SpeechLALM,
    judge: EmotionJudge,
    utterances: Sequence[Utterance],
    settings: IdentifySettings,
    work: Path,
    *,
    on_event: EventSink = lambda event: None,
    progress: Progress = no_progress,
    cancelled: Callable[[], bool] = never,
    date: str | None = None,
) -> Identification:
    """Convert the neutral utterances to each emotion, keep the successes, count their gates and select neurons.

    ``work`` is the job folder: the same call on it goes on where it was cancelled or killed, and ends with the same
    statistics and mask as an uninterrupted run. ``date`` (ISO; today) is written into both.
    Raises Cancelled when asked to stop; StudioError when the utterances cannot be used, the folder belongs to another
    job, or nothing succeeded.
    """
    began = time.monotonic()
    info = model.info
    if settings.module not in info.gates:
        raise StudioError(f"{info.title} has no {settings.module} module; it has {' and '.join(info.gates)}.")
    usable, notes = _usable(utterances)
    if not info.batches:
        settings = replace(settings, batch=1)
    batches = plan(usable, settings.emotions, settings.batch, settings.seed)
    record = _results_depend_on(settings, info, judge, corpus_fingerprint(usable))
    warnings = list(notes)
    with JobFolder(work, record, date=date or datetime.now(UTC).date().isoformat(), cap=settings.cap) as job:
        run = _Run(job, batches, settings)
        on_event(Started(run.total, run.done, str(work)))
        for note in notes:
            on_event(Warned(note))
        for batch in batches:
            if run.needs(batch):
                attempts = attempt(
                    model,
                    judge,
                    batch,
                    job,
                    module=settings.module,
                    wer_threshold=settings.wer_threshold,
                    keep_audio=settings.keep_audio,
                    keep_rejected=settings.keep_rejected,
                    progress=run.within(progress, len(batch.utterances)),
                    cancelled=cancelled,
                )
                job.append(attempts)
                on_event(run.advance(attempts))
                progress(run.done / max(1, run.total))
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


class _Run:
    """How far a job is."""

    def __init__(self, job: JobFolder, batches: Sequence[Batch], settings: IdentifySettings) -> None:
        self._settings = settings
        self._batches = batches
        self._finished = job.finished
        self.attempts: Counter[str] = Counter(dict.fromkeys(settings.emotions, 0))
        self.successes: Counter[str] = Counter(dict.fromkeys(settings.emotions, 0))
        for each in job.attempts:
            self._count(each)
        self._began, self._before = time.monotonic(), self.done

    @property
    def done(self) -> int:
        return self.attempts.total()

    @property
    def total(self) -> int:
        return self.done + sum(len(batch.utterances) for batch in self._batches if self.needs(batch))

    def needs(self, batch: Batch) -> bool:
        """Whether ``batch`` is still to be converted."""
        full = self._settings.stop_early and self.successes[batch.emotion] >= self._settings.cap
        return not full and batch.name not in self._finished

    def advance(self, attempts: Sequence[Attempt]) -> Progressed:
        self._finished.add(attempts[0].batch)
        for each in attempts:
            self._count(each)
        pace = (time.monotonic() - self._began) / (self.done - self._before)
        left = pace * (self.total - self.done)
        return Progressed(self.total, self.done, left, dict(self.attempts), dict(self.successes), tuple(attempts))

    def within(self, progress: Progress, rows: int) -> Progress:
        """Progress of the whole from that of a batch of ``rows`` under way."""
        done, total = self.done, self.total
        return lambda share: progress((done + rows * share) / total)

    def _count(self, each: Attempt) -> None:
        if each.emotion in self.attempts:
            self.attempts[each.emotion] += 1
            self.successes[each.emotion] += each.success


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


def _results_depend_on(
    settings: IdentifySettings, info: ModelInfo, judge: EmotionJudge, fingerprint: str
) -> dict[str, Any]:
    """The settings of a job that cannot change once it has begun."""
    return {
        "model_id": info.model_id,
        "model_revision": info.revision,
        "config_digest": info.config_digest,
        "module": settings.module,
        "judge": judge.name,
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
