"""A stand-in LALM for driving the window: streams the source back, higher and louder the more it is steered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soxr

from studio.audio.clip import Clip
from studio.emotions import EMOTIONS, TARGETS
from studio.engine import JobContext
from studio.errors import Cancelled
from studio.esn.mask import EsnMask
from studio.lalm.base import (
    LANGUAGE,
    AudioSink,
    Content,
    Conversion,
    ConversionRequest,
    CurveUnit,
    ModelInfo,
    Progress,
    never,
    no_progress,
)

if TYPE_CHECKING:
    from studio.gui.loading import Loaded

WIDTHS = (768,) * 8
RATE = 16_000
CHUNKS = 8
INFO = ModelInfo(
    model_id="stand-in",
    revision="r1",
    config_digest="d1",
    title="Stand-in",
    gates={LANGUAGE: WIDTHS},
    curves={LANGUAGE: CurveUnit.TIME},
    rate=RATE,
    max_seconds=20.0,
    content_modes=(Content.FREE, Content.LOCK),
    streams=True,
    emosteer_sites={"read_out": 4},
)
_PITCH = {"neutral": 1.0, "happy": 1.12, "angry": 1.08, "sad": 0.9, "surprise": 1.2}


class StandIn:
    """Deterministic and instant; while ``go`` is cleared it waits before every chunk but the first."""

    def __init__(
        self, text: str = "the old house is really and you know it", *, pause: float = 0.0, info: ModelInfo = INFO
    ) -> None:
        self.info = info
        self.go = threading.Event()
        self.go.set()
        self.started = threading.Event()
        self.requests: list[ConversionRequest] = []
        self.cancellations = 0
        self.closed = False
        self.fails_with: Exception | None = None
        self._text = text
        self._pause = pause

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
        return [self._one(row, request, progress, cancelled, on_audio) for row, request in enumerate(requests)]

    def close(self) -> None:
        self.closed = True

    def _one(
        self,
        row: int,
        request: ConversionRequest,
        progress: Progress,
        cancelled: Callable[[], bool],
        on_audio: AudioSink | None,
    ) -> Conversion:
        self.requests.append(request)
        if self.fails_with is not None:
            raise self.fails_with
        strength = max(request.steering.strengths.values()) if request.steering is not None else 0.0
        if request.emosteer is not None:
            strength = max(request.emosteer.alphas.values()) / 3
        source = request.source.at_rate(RATE).samples
        factor = 1.0 + (_PITCH[request.target] - 1.0) * (0.4 + strength)
        shifted = soxr.resample(source, RATE * factor, RATE).astype(np.float32)
        samples = np.clip(shifted * (0.6 + 0.3 * strength), -1.0, 1.0)
        for number, chunk in enumerate(np.array_split(samples, CHUNKS)):
            self.started.set()
            while number and not self.go.wait(0.01):
                self._stop_if(cancelled)
            self._stop_if(cancelled)
            if self._pause:
                threading.Event().wait(self._pause)
            if on_audio is not None:
                on_audio(row, chunk)
            progress((number + 1) / CHUNKS)
        text = self._text if strength > 0.9 else "the old house is ready and you know it"
        return Conversion(text, Clip(samples, RATE), np.zeros((CHUNKS, 1), np.int64))

    def _stop_if(self, cancelled: Callable[[], bool]) -> None:
        if cancelled():
            self.cancellations += 1
            raise Cancelled


class StandInJudge:
    """Hears the target the clearer the louder the clip is against its reference."""

    name = "stand-in judge"

    def judge(self, clip: Clip, reference: Clip | None = None) -> dict[str, float]:
        ratio = float(np.std(clip.samples) / np.std(reference.samples)) if reference is not None else 1.0
        share = min(0.9, max(0.1, (ratio - 0.4) * 1.4))
        rest = (1 - share) / 4
        return {emotion: share if emotion == "angry" else rest for emotion in EMOTIONS}


def make_mask(
    widths: tuple[int, ...] = WIDTHS,
    model_id: str = "stand-in",
    emotions: Sequence[str] = TARGETS,
    module: str = LANGUAGE,
) -> EsnMask:
    """A mask whose neurons gather in early layers, differently for each emotion."""
    generator = np.random.default_rng(7)
    total = sum(widths) // 20
    indices, scores = {}, {}
    for place, emotion in enumerate(emotions):
        weights = np.exp(-0.5 * ((np.arange(len(widths)) - 1.0 - place) / 1.6) ** 2) + 0.05
        layers = generator.choice(len(widths), size=total, p=weights / weights.sum())
        pairs = {(int(layer), int(generator.integers(widths[layer]))) for layer in layers}
        indices[emotion] = np.array(sorted(pairs), np.int32)
        scores[emotion] = np.ones(len(pairs), np.float32)
    facts = {"model_id": model_id, "module": module, "selector": "CAS", "rate": 0.05, "cap": 50, "judge": "embedded"}
    return EsnMask(widths, indices, scores, facts)


def loader(model: StandIn, folder: Path) -> Callable[[JobContext], Loaded]:
    """A loader for ``Studio`` that gives ``model`` and two masks written to ``folder``."""

    # Here, because hosts of this model do without a window.
    from studio.gui.loading import Loaded

    def load(context: JobContext) -> Loaded:
        masks = [folder / "CAS-5.esn.safetensors", folder / "Random-5.esn.safetensors"]
        for path in masks:
            make_mask().save(path)
        context.progress(1.0)
        return Loaded(model, StandInJudge(), masks=masks)

    return load
