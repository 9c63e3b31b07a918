"""One batch of an identification job: convert, judge, keep what counts (METHOD.md, sections 1 and 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from studio.audio.clip import Clip
from studio.audio.files import save_flac
from studio.corpora.base import Utterance
from studio.errors import Cancelled, StudioError
from studio.esn.statistics import GateStatistics
from studio.judges.base import EmotionJudge, verdict
from studio.judges.content import word_error_rate
from studio.lalm.base import Content, Conversion, ConversionRequest, Progress, SpeechLALM, never, no_progress
from studio.pipelines.job import JobFolder
from studio.pipelines.listening import hear, is_savable, load_source
from studio.pipelines.plan import Batch
from studio.pipelines.records import HEARD_AS, Attempt


@dataclass(frozen=True)
class Rules:
    """Which gates are counted, and the highest WER of a success."""

    module: str
    wer_threshold: float


@dataclass(frozen=True, eq=False)
class Outcome:
    """An attempt before anything of it is stored, with its counts and audio where there are some."""

    attempt: Attempt
    statistics: GateStatistics | None = None
    audio: Clip | None = None


def load_sources(batch: Batch, max_seconds: float) -> list[Clip | str]:
    """The recording of each utterance, or a sentence why there is none."""
    sources: list[Clip | str] = []
    for each in batch.utterances:
        try:
            sources.append(load_source(each.path, max_seconds))
        except StudioError as error:
            sources.append(str(error))
    return sources


def attempt(
    model: SpeechLALM, judge: EmotionJudge, batch: Batch, sources: Sequence[Clip | str], rules: Rules
) -> list[Outcome]:
    """``convert``, then ``judged``."""
    return judged(judge, batch, sources, convert(model, batch, sources, rules), rules)


def convert(
    model: SpeechLALM,
    batch: Batch,
    sources: Sequence[Clip | str],
    rules: Rules,
    *,
    progress: Progress = no_progress,
    cancelled: Callable[[], bool] = never,
) -> list[Conversion]:
    """Convert those ``sources`` of ``batch`` that can be used, while counting gates.

    Raises Cancelled when asked to stop, StudioError when the model cannot carry the batch out.
    """
    requests = [
        ConversionRequest(source, batch.emotion, content=Content.FREE) for source in sources if isinstance(source, Clip)
    ]
    if not requests:
        return []
    return model.convert(requests, module=rules.module, record=True, progress=progress, cancelled=cancelled)


def judged(
    judge: EmotionJudge,
    batch: Batch,
    sources: Sequence[Clip | str],
    conversions: Iterable[Conversion],
    rules: Rules,
    *,
    cancelled: Callable[[], bool] = never,
) -> list[Outcome]:
    """Judge what ``convert`` made of ``sources``.

    A conversion succeeds when the judge hears the target and the emitted text's WER is at most the rules' threshold. A
    source that could not be used is an attempt that failed. Raises Cancelled when asked to stop.
    """
    made = iter(conversions)
    outcomes = []
    for utterance, source in zip(batch.utterances, sources, strict=True):
        if isinstance(source, str):
            outcomes.append(Outcome(replace(_blank(batch, utterance), reason=source)))
            continue
        if cancelled():
            raise Cancelled
        outcomes.append(_judged(_blank(batch, utterance), utterance, source, next(made), judge, rules))
    return outcomes


def rejection(heard: Mapping[str, float] | str, emotion: str, wer: float, threshold: float) -> str:
    """Why a conversion to ``emotion`` that was ``heard`` so is no success, in a few words; empty when it is one."""
    if isinstance(heard, str):
        return heard
    if verdict(heard) != emotion:
        return f"{HEARD_AS}{verdict(heard)}"
    return f"WER {wer:.2f} above {threshold:.2f}" if wer > threshold else ""


def store(outcomes: Sequence[Outcome], job: JobFolder, *, keep_audio: bool, keep_rejected: bool) -> list[Attempt]:
    """Write counts and audio into the job's folder, then the attempts into its record; returns these.

    ``keep_rejected`` keeps the counts of conversions that failed too, so that a person may accept them. Raises
    StudioError when a file cannot be written.
    """
    attempts = []
    for outcome in outcomes:
        kept = outcome.attempt
        if outcome.statistics is not None and (kept.success or (keep_rejected and outcome.audio is not None)):
            kept = replace(kept, shard=job.save_shard(kept.key, kept.emotion, outcome.statistics))
        if keep_audio and outcome.audio is not None:
            kept = replace(kept, audio=job.audio_name(kept.key, kept.emotion))
            save_flac(job.path / str(kept.audio), outcome.audio)
        attempts.append(kept)
    job.append(attempts)
    return attempts


def _blank(batch: Batch, utterance: Utterance) -> Attempt:
    return Attempt(
        batch.name,
        len(batch.utterances),
        utterance.key,
        str(utterance.path),
        batch.emotion,
        "",
        None,
        {},
        success=False,
        reason="",
    )


def _judged(
    blank: Attempt, utterance: Utterance, source: Clip, conversion: Conversion, judge: EmotionJudge, rules: Rules
) -> Outcome:
    wer = word_error_rate(utterance.text or "", conversion.text)
    heard = hear(judge, conversion.audio, source)
    reason = rejection(heard, blank.emotion, wer, rules.wer_threshold)
    if not reason and conversion.statistics is None:
        raise StudioError("The model returned no gate counts although recording was asked for.")
    kept = replace(
        blank,
        text=conversion.text,
        wer=wer,
        judged={} if isinstance(heard, str) else heard,
        success=not reason,
        reason=reason,
        truncated=conversion.truncated,
    )
    return Outcome(kept, conversion.statistics, conversion.audio if is_savable(conversion.audio) else None)
