"""One function from source and settings to judged takes, for the command line and the window alike."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from studio.audio.clip import Clip
from studio.errors import Cancelled, StudioError
from studio.esn.emosteer import EmoVectors
from studio.esn.mask import EsnMask
from studio.judges.base import EmotionJudge, verdict
from studio.judges.content import word_error_rate
from studio.lalm.base import AudioSink, Content, Conversion, ModelInfo, Progress, SpeechLALM, never, no_progress
from studio.session.masks import widths_of
from studio.session.settings import RenderSettings
from studio.session.take import Flag, Take

DRIFT_WER = 0.15
"""Word error rate above which a take says other words than its source (METHOD.md, section 2)."""

SLURRED_WER = 0.25
"""How much worse than the source's a recogniser's word error rate may be before a take counts as slurred."""

SILENT_PEAK = 1e-3
CLIPPED_LEVEL = 0.999
CLIPPED_RUN = 3
"""Samples in a row at full scale that are heard as clipping."""

_CONVERTING = 0.9
"""Share of the progress that goes to the model; the judges get the rest."""

Recogniser = Callable[[Clip], str]
"""Speech to text; whatever vocabulary it needs, it brings."""


def render(
    model: SpeechLALM,
    source: Clip,
    settings: Sequence[RenderSettings],
    *,
    mask: EsnMask | None = None,
    vectors: EmoVectors | None = None,
    reference: str | None = None,
    judge: EmotionJudge | None = None,
    recognise: Recogniser | None = None,
    progress: Progress = no_progress,
    cancelled: Callable[[], bool] = never,
    on_audio: AudioSink | None = None,
    at_once: int | None = None,
) -> list[Take]:
    """Render ``source`` once per entry of ``settings``, all in one batch where the model can.

    ``at_once``: at most so many in one batch, for a model that has not the memory for more.
    ``reference`` is what the source says; without it no word error rate is known. ``on_audio`` gets (index into
    ``settings``, samples) while a model that streams is at work. Model id and fingerprints are filled into each
    take's settings. Raises StudioError when the settings do not fit model or mask, Cancelled when asked to stop.
    """
    if not settings:
        return []
    info = model.info
    for each in settings:
        _require_fit(each, info, mask, vectors)
    module = settings[0].module
    if any(each.module != module for each in settings):
        raise StudioError("One batch steers one module; render language and synthesis settings separately.")
    started = time.perf_counter()
    requests = [each.request(source, mask, vectors, reference) for each in settings]

    def convert(first: int, count: int) -> list[Conversion]:
        return model.convert(
            requests[first : first + count],
            module=module,
            progress=lambda share: progress(_CONVERTING * (first + share * count) / len(requests)),
            cancelled=cancelled,
            on_audio=None if on_audio is None else lambda row, samples: on_audio(first + row, samples),
        )

    step = (at_once or len(requests)) if info.batches else 1
    conversions = [
        conversion
        for first in range(0, len(requests), step)
        for conversion in convert(first, min(step, len(requests) - first))
    ]
    seconds = time.perf_counter() - started
    fingerprint = None if mask is None else mask.fingerprint()
    learned = None if vectors is None else vectors.fingerprint()
    heard = _Heard(recognise, source, reference)
    takes = []
    for number, (each, conversion) in enumerate(zip(settings, conversions, strict=True)):
        if cancelled():
            raise Cancelled
        unused, unlearned = not each.steers_neurons or mask is None, not each.steers_learned or vectors is None
        filled = replace(
            each,
            model_id=info.model_id,
            mask_sha=None if unused else fingerprint,
            mask_path=None if unused else each.mask_path,
            emosteer_sha=None if unlearned else learned,
            emosteer_path=None if unlearned else each.emosteer_path,
        )
        takes.append(_take(info, source, filled, conversion, reference, judge, heard, seconds))
        progress(_CONVERTING + (1 - _CONVERTING) * (number + 1) / len(settings))
    return takes


class _Heard:
    """What a recogniser hears in takes, measured against what it hears in their source."""

    def __init__(self, recognise: Recogniser | None, source: Clip, reference: str | None) -> None:
        self._recognise = recognise if reference else None
        self._reference = reference or ""
        self._allowed = SLURRED_WER
        if self._recognise is not None:
            self._allowed += word_error_rate(self._reference, self._recognise(source))

    def wer(self, audio: Clip) -> float | None:
        """Word error rate of ``audio`` by ear; None without recogniser or transcript."""
        return None if self._recognise is None else word_error_rate(self._reference, self._recognise(audio))

    def slurred(self, wer: float | None) -> bool:
        """Whether ``wer`` is too far above the source's."""
        return wer is not None and wer > self._allowed


def _require_fit(settings: RenderSettings, info: ModelInfo, mask: EsnMask | None, vectors: EmoVectors | None) -> None:
    widths = widths_of(info, settings.module)
    if settings.content not in info.content_modes:
        raise StudioError(
            f"{info.title} cannot render with content {settings.content}; it can do {' and '.join(info.content_modes)}."
        )
    if mask is not None and settings.steers_neurons:
        mask.check_fits(info.model_id, settings.module, widths)
    if vectors is not None and settings.steers_learned:
        vectors.check_fits(info.model_id, info.emosteer_sites)


def _take(
    info: ModelInfo,
    source: Clip,
    settings: RenderSettings,
    conversion: Conversion,
    reference: str | None,
    judge: EmotionJudge | None,
    heard: _Heard,
    seconds: float,
) -> Take:
    silent = is_silent(conversion.audio)
    # Under content lock the words are the recording's; what the model wrote says nothing about the sound.
    written = settings.content is not Content.LOCK
    wer = word_error_rate(reference, conversion.text) if reference and written else None
    heard_wer = None if silent else heard.wer(conversion.audio)
    judged = {} if judge is None or silent else _judged(judge, conversion.audio, source)
    flags = {
        Flag.SILENT: silent,
        Flag.CLIPPED: is_clipped(conversion.audio),
        Flag.TRUNCATED: conversion.truncated,
        Flag.DRIFT: wer is not None and wer > DRIFT_WER,
        Flag.SLURRED: heard.slurred(heard_wer),
        Flag.DISAGREES: bool(judged) and verdict(judged) != settings.target,
    }
    return Take(
        id=uuid.uuid4().hex,
        source=source,
        source_name=source.name,
        reference=reference,
        settings=settings,
        revision=info.revision,
        config_digest=info.config_digest,
        text=conversion.text,
        audio=conversion.audio,
        wer=wer,
        heard_wer=heard_wer,
        judged=judged,
        judge="" if judge is None else judge.name,
        flags=tuple(flag for flag, raised in flags.items() if raised),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=seconds,
    )


def _judged(judge: EmotionJudge, audio: Clip, source: Clip) -> dict[str, float]:
    """The judge's scores; none when it finds nothing to judge, which is no reason to lose a take."""
    try:
        return judge.judge(audio, source)
    except StudioError:
        return {}


def is_silent(clip: Clip) -> bool:
    """Whether no sample rises above 0.001 of full scale (-60 dB)."""
    return float(np.max(np.abs(clip.samples), initial=0.0)) < SILENT_PEAK


def is_clipped(clip: Clip) -> bool:
    """Whether three samples in a row reach full scale."""
    full = np.abs(clip.samples) >= CLIPPED_LEVEL
    runs = np.lib.stride_tricks.sliding_window_view(full, CLIPPED_RUN) if len(full) >= CLIPPED_RUN else full[:0]
    return bool(runs.size) and bool(runs.all(axis=1).any())
