"""One batch of an identification job: convert, judge, keep what counts (METHOD.md, sections 1 and 2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from studio.audio.clip import Clip
from studio.audio.files import AudioFileError, load_clip, save_flac
from studio.corpora.base import Utterance
from studio.errors import Cancelled, StudioError
from studio.judges.base import EmotionJudge, verdict
from studio.judges.content import word_error_rate
from studio.lalm.base import Content, Conversion, ConversionRequest, Progress, SpeechLALM
from studio.pipelines.job import JobFolder
from studio.pipelines.listening import hear, is_savable
from studio.pipelines.plan import Batch
from studio.pipelines.records import Attempt


def attempt(
    model: SpeechLALM,
    judge: EmotionJudge,
    batch: Batch,
    job: JobFolder,
    *,
    module: str,
    wer_threshold: float,
    keep_audio: bool,
    keep_rejected: bool,
    progress: Progress,
    cancelled: Callable[[], bool],
) -> list[Attempt]:
    """Convert ``batch`` while counting the gates of ``module``; shards and audio go into the job's folder.

    ``keep_rejected`` keeps the counts of conversions that fail too, so that a person may accept them. A conversion
    succeeds when the judge hears the target and the emitted text's WER is at most ``wer_threshold``. A source that
    cannot be read is an attempt that failed. Raises Cancelled when asked to stop, StudioError when the model cannot
    carry the batch out or a file cannot be written.
    """
    clips = [_load(each.path, model.info.max_seconds) for each in batch.utterances]
    requests = [
        ConversionRequest(clip, batch.emotion, content=Content.FREE) for clip in clips if isinstance(clip, Clip)
    ]
    rows = len(batch.utterances)
    conversions = iter(
        model.convert(
            requests,
            module=module,
            record=True,
            progress=progress,
            cancelled=cancelled,
        )
        if requests
        else ()
    )
    attempts = []
    for utterance, clip in zip(batch.utterances, clips, strict=True):
        blank = Attempt(
            batch.name, rows, utterance.key, str(utterance.path), batch.emotion, "", None, {}, success=False, reason=""
        )
        if isinstance(clip, str):
            attempts.append(replace(blank, reason=clip))
            continue
        if cancelled():
            raise Cancelled
        attempts.append(
            _judged(blank, utterance, clip, next(conversions), judge, job, wer_threshold, keep_audio, keep_rejected)
        )
    return attempts


def _judged(
    blank: Attempt,
    utterance: Utterance,
    source: Clip,
    conversion: Conversion,
    judge: EmotionJudge,
    job: JobFolder,
    wer_threshold: float,
    keep_audio: bool,
    keep_rejected: bool,
) -> Attempt:
    wer = word_error_rate(utterance.text or "", conversion.text)
    heard = hear(judge, conversion.audio, source)
    if isinstance(heard, str):
        reason = heard
    elif verdict(heard) != blank.emotion:
        reason = f"heard as {verdict(heard)}"
    elif wer > wer_threshold:
        reason = f"WER {wer:.2f} above {wer_threshold:.2f}"
    elif conversion.statistics is None:
        raise StudioError("The model returned no gate counts although recording was asked for.")
    else:
        reason = ""
    shard = audio = None
    audible = is_savable(conversion.audio)
    if conversion.statistics is not None and (not reason or (keep_rejected and audible)):
        shard = job.save_shard(utterance.key, blank.emotion, conversion.statistics)
    if keep_audio and audible:
        audio = job.audio_name(utterance.key, blank.emotion)
        save_flac(job.path / audio, conversion.audio)
    return replace(
        blank,
        text=conversion.text,
        wer=wer,
        judged={} if isinstance(heard, str) else heard,
        success=not reason,
        reason=reason,
        truncated=conversion.truncated,
        shard=shard,
        audio=audio,
    )


def _load(path: Path, max_seconds: float) -> Clip | str:
    """The clip, or why there is none."""
    try:
        return load_clip(path, max_seconds)
    except AudioFileError as error:
        return str(error)
