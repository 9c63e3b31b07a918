"""The protocol every speech-generative audio language model is driven through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from studio.audio.clip import Clip, FloatArray
from studio.esn.emosteer import EmoSteering
from studio.esn.intervention import Steering
from studio.esn.statistics import GateStatistics
from studio.progress import Progress, never, no_progress

__all__ = ["LANGUAGE", "SYNTHESIS", "AudioSink", "Content", "Conversion", "ConversionRequest", "CurveUnit", "ModelInfo",
           "Progress", "SpeechLALM", "never", "no_progress"]  # fmt: skip

LANGUAGE = "language"
SYNTHESIS = "synthesis"


class CurveUnit(StrEnum):
    """What an intensity curve is followed by: seconds of speech, or the words, each an equal share of the source."""

    TIME = "time"
    WORDS = "words"


class Content(StrEnum):
    """Where words and timbre come from: the model's own spectral tokens, or the recording's envelope."""

    FREE = "free"
    LOCK = "lock"


@dataclass(frozen=True)
class ModelInfo:
    """What a loaded model is and can do.

    ``gates`` maps a module (``language``, ``synthesis``) to its layer widths. ``curves`` maps a module to how its gates
    follow an intensity curve; one that is not there follows none. ``overlaps``: several threads may call ``convert`` at
    once, which is faster than one call after the other. ``emosteer_sites``: the path of a module whose input learned
    vectors can shift, and its width. ``layer_labels`` maps a module to what is to be said of each of its layers;
    neighbours of one label belong together.
    """

    model_id: str
    revision: str
    config_digest: str
    title: str
    gates: dict[str, tuple[int, ...]]
    rate: int
    max_seconds: float
    content_modes: tuple[Content, ...] = (Content.FREE,)
    streams: bool = False
    batches: bool = False
    curves: dict[str, CurveUnit] = field(default_factory=dict)
    overlaps: bool = False
    emosteer_sites: dict[str, int] = field(default_factory=dict)
    layer_labels: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class ConversionRequest:
    """One row of a batch.

    ``seed`` None decodes greedily; otherwise the row samples with a generator of its own, so its result does not
    depend on the rows beside it. ``steering`` (of neurons) and ``emosteer`` (by learned vectors) may act together;
    where each is None or asks for nothing but zeros, the row is the baseline. ``text`` is the source's transcript, for
    models that speak a text and cannot listen, and for a curve in words (``ModelInfo.curves``).
    """

    source: Clip
    target: str
    steering: Steering | None = None
    content: Content = Content.FREE
    seed: int | None = None
    emosteer: EmoSteering | None = None
    text: str | None = None


@dataclass(frozen=True, eq=False)
class Conversion:
    """What the model made of one request.

    ``text`` is what the model itself emitted (no recogniser involved); ``speech_tokens`` int [T, heads];
    ``statistics`` holds this row's gate counts when recording was asked for; ``truncated`` says that the token limit
    ended generation.
    """

    text: str
    audio: Clip
    speech_tokens: npt.NDArray[np.int64]
    truncated: bool = False
    statistics: GateStatistics | None = None


AudioSink = Callable[[int, FloatArray], None]
"""Called with (row, next samples at the model's rate); concatenated they equal the conversion's audio."""


class SpeechLALM(Protocol):
    """A model that converts the emotion of speech: audio and an instruction in, text and speech out."""

    @property
    def info(self) -> ModelInfo:
        """What the model is and can do."""
        ...

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
        """Convert a batch; rows may differ in every setting.

        ``module`` names the gates that are steered and recorded. ``cancelled`` is asked before every token.
        Raises Cancelled when it answers True, StudioError when a request cannot be carried out.
        """
        ...

    def close(self) -> None:
        """Free the model's memory and remove its taps; the object is unusable afterwards."""
        ...
