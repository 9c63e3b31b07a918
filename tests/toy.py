"""A toy SpeechLALM: no network, instant and deterministic, for tests of what surrounds a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from studio.audio.clip import Clip
from studio.emotions import EMOTIONS, TARGETS
from studio.errors import Cancelled
from studio.esn.emosteer import EmoVectors
from studio.esn.mask import EsnMask
from studio.lalm.base import (
    LANGUAGE,
    AudioSink,
    Content,
    Conversion,
    ConversionRequest,
    ModelInfo,
    Progress,
    never,
    no_progress,
)

WIDTHS = (8, 8)
TEXT = "the old house is ready and you know it"
TOKENS = 10
VECTOR_DIM = 4

INFO = ModelInfo(
    model_id="toy",
    revision="r1",
    config_digest="d1",
    title="Toy",
    gates={LANGUAGE: WIDTHS},
    rate=16_000,
    max_seconds=10.0,
    content_modes=(Content.FREE, Content.LOCK),
    batches=True,
    emosteer_sites={"read_out": VECTOR_DIM},
)


class ToyLALM:
    """Answers with the source at half level, louder the more is steered (``1 + total strength``); keeps its calls."""

    def __init__(self, info: ModelInfo = INFO, *, text: str = TEXT, truncated: bool = False) -> None:
        self._info = info
        self._text = text
        self._truncated = truncated
        self.batches: list[list[ConversionRequest]] = []
        self.closed = False

    @property
    def info(self) -> ModelInfo:
        return self._info

    def convert(
        self,
        requests: Sequence[ConversionRequest],
        *,
        module: str = LANGUAGE,
        record: bool = False,
        progress: Progress = no_progress,
        cancelled: Callable[[], bool] = never,
        on_audio: AudioSink | None = None,
    ) -> list[Conversion]:
        self.batches.append(list(requests))
        for token in range(TOKENS):
            if cancelled():
                raise Cancelled
            progress((token + 1) / TOKENS)
        return [self._convert(row, request, on_audio) for row, request in enumerate(requests)]

    def close(self) -> None:
        self.closed = True

    def _convert(self, row: int, request: ConversionRequest, on_audio: AudioSink | None) -> Conversion:
        total = sum(request.steering.strengths.values()) if request.steering else 0.0
        total += sum(request.emosteer.active.values()) if request.emosteer else 0.0
        source = request.source.at_rate(self._info.rate)
        audio = replace(source, samples=(source.samples * np.float32(0.5 * (1 + total))).astype(np.float32))
        if on_audio is not None:
            for chunk in np.array_split(audio.samples, 3):
                on_audio(row, chunk)
        return Conversion(self._text, audio, np.zeros((TOKENS, 1), dtype=np.int64), self._truncated)


class ToyJudge:
    """Hears happiness in loud audio (peak above 0.4) and neutrality otherwise."""

    name = "toy judge"

    def judge(self, clip: Clip, reference: Clip | None = None) -> dict[str, float]:
        heard = "happy" if np.abs(clip.samples).max() > 0.4 else "neutral"
        return {emotion: 0.8 if emotion == heard else 0.05 for emotion in EMOTIONS}


def toy_mask(widths: tuple[int, ...] = WIDTHS, model_id: str = "toy", selector: str = "CAS") -> EsnMask:
    """Two neurons per target emotion."""
    indices = {emotion: np.array([[0, number], [1, number]], np.int32) for number, emotion in enumerate(TARGETS)}
    scores = {emotion: np.ones(2, np.float32) for emotion in TARGETS}
    return EsnMask(widths, indices, scores, {"model_id": model_id, "module": LANGUAGE, "selector": selector})


def toy_vectors(model_id: str = "toy", scale: float = 1.0) -> EmoVectors:
    """Learned vectors of every target emotion."""
    weights = {emotion: np.full((VECTOR_DIM, VECTOR_DIM), scale, np.float32) for emotion in TARGETS}
    return EmoVectors(VECTOR_DIM, "read_out", weights, metadata={"model_id": model_id})


def tone(seconds: float = 1.0, rate: int = 16_000, level: float = 0.5, name: str = "tone") -> Clip:
    """A 200 Hz sine."""
    times = np.arange(round(seconds * rate)) / rate
    return Clip((level * np.sin(2 * np.pi * 200 * times)).astype(np.float32), rate, name)
