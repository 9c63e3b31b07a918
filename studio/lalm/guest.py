"""Models driven through the loop they come with: one recording at a time, watched, steered and counted from outside.

Runs in a model's own environment: beside torch and numpy it asks for scipy alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from studio.audio.clip import Clip, FloatArray
from studio.emotions import EMOTIONS
from studio.errors import Cancelled, StudioError
from studio.esn.automation import Automation
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
from studio.lalm.instruction import instruction
from studio.lalm.pace import Following, curve_of, levelled
from studio.lalm.passes import Site
from studio.lalm.sources import require_speech

LISTENING_RATE = 16_000
SPEAKING_RATE = 24_000

_TRACES = {"_name_or_path", "_commit_hash", "transformers_version"}
_UNFINISHED = 0.95
"""How long a generation will be is a guess, so the bar waits here for its end."""


@dataclass(frozen=True, eq=False)
class Spoken:
    """What a model made of one recording: ``samples`` float32 [n] at 24 kHz, ``tokens`` int64 [T, heads]."""

    text: str
    samples: FloatArray
    tokens: npt.NDArray[np.int64]
    truncated: bool


class Guest(Protocol):
    """A loaded model with its own loop."""

    @property
    def sites(self) -> Mapping[str, Site]:
        """Gates by module."""
        ...

    @property
    def curves(self) -> Mapping[str, CurveUnit]:
        """How the gates of each module follow an intensity curve."""
        ...

    def follow(self, module: str, request: ConversionRequest, curve: Automation) -> Following:
        """The shares of the strengths at each pass of a module's decoder, once, for one answer to ``request``.

        Raises StudioError when the request lacks what that needs.
        """
        ...

    @property
    def passes_per_second(self) -> float:
        """Forward passes, of all decoders, for a second of sound; a guess, for the progress bar."""
        ...

    def speak(self, heard: FloatArray, says: str, seed: int | None, go_on: Callable[[], None]) -> Spoken:
        """Answer a recording, float32 [n] at 16 kHz, and what the user ``says`` about it.

        ``seed`` None decodes greedily. ``go_on`` is called now and then where no decoder runs, and raises Cancelled.
        Raises StudioError when no speech came of it.
        """
        ...

    def close(self) -> None:
        """Undo what was changed in the model."""
        ...


class GuestLALM:
    """A guest behind the :class:`studio.lalm.base.SpeechLALM` protocol. Not for several threads at once."""

    def __init__(self, guest: Guest, info: ModelInfo) -> None:
        self._guest = guest
        self._info = info

    @property
    def info(self) -> ModelInfo:
        """What the model is and can do."""
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
        """See :meth:`studio.lalm.base.SpeechLALM.convert`; rows are converted one after the other."""
        if module not in self._guest.sites:
            known = " or ".join(f"'{name}'" for name in self._guest.sites)
            raise StudioError(f"{self._info.title} has no '{module}' gates; choose the module {known}.")
        requests = [levelled(request) for request in requests]
        heard = [self._check(request, module) for request in requests]
        conversions = []
        for row, (request, samples) in enumerate(zip(requests, heard, strict=True)):

            def share(done: float, row: int = row) -> None:
                progress((row + done) / len(requests))

            conversion = self._convert(request, samples, module, record, share, cancelled)
            if on_audio is not None:
                on_audio(row, conversion.audio.samples)
            conversions.append(conversion)
            share(1.0)
        return conversions

    def close(self) -> None:
        """Take the taps off; the object is unusable afterwards."""
        for site in self._guest.sites.values():
            site.remove()
        self._guest.close()

    def _check(self, request: ConversionRequest, module: str) -> FloatArray:
        samples = listen(request, self._info)
        steering = request.steering
        if steering is not None:
            steering.mask.check_fits(self._info.model_id, module, self._info.gates[module])
            self._following(request, module)
        if request.emosteer is not None:
            request.emosteer.vectors.check_fits(self._info.model_id, self._info.emosteer_sites)
        return samples

    def _following(self, request: ConversionRequest, module: str) -> Following | None:
        curve = curve_of(request)
        return None if curve is None else self._guest.follow(module, request, curve)

    def _convert(
        self,
        request: ConversionRequest,
        samples: FloatArray,
        module: str,
        record: bool,
        share: Progress,
        cancelled: Callable[[], bool],
    ) -> Conversion:
        steered, following = self._guest.sites[module], self._following(request, module)
        watched = {id(site.passes): site.passes for site in self._guest.sites.values()}
        expected = max(1.0, request.source.seconds * self._guest.passes_per_second)
        steered.taps.begin([request.steering], record=record)
        try:
            with ExitStack() as stack:

                def go_on() -> None:
                    if cancelled():
                        raise Cancelled

                for passes in watched.values():

                    def before(index: int, announces: bool = passes is steered.passes) -> None:
                        go_on()
                        if announces:
                            steered.taps.positions(None, generated=index > 0)
                            if following is not None:
                                steered.taps.intensity([following(index)])
                        share(min(_UNFINISHED, sum(each.count for each in watched.values()) / expected))

                    stack.enter_context(passes.watched(before))
                spoken = self._guest.speak(samples, instruction(request.target), request.seed, go_on)
            counts = steered.taps.end(steered.passes.count)
        finally:
            steered.taps.abandon()
        return Conversion(
            text=spoken.text,
            audio=Clip(spoken.samples, SPEAKING_RATE, request.source.name),
            speech_tokens=spoken.tokens,
            truncated=spoken.truncated,
            statistics=counts[0] if counts is not None else None,
        )


def config_digest(config: Any) -> str:
    """Of a transformers configuration, without what loading writes into it: where it lay, and by what it was read."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(each) for key, each in value.items() if key not in _TRACES}
        return value

    return sha256(json.dumps(plain(config.to_dict()), sort_keys=True, default=str).encode()).hexdigest()[:16]


def described(info: ModelInfo, guest: Guest) -> ModelInfo:
    """What a model is, with the gates that were found in it."""
    return replace(info, gates={name: site.widths for name, site in guest.sites.items()}, curves=dict(guest.curves))


def listen(request: ConversionRequest, info: ModelInfo) -> FloatArray:
    """The source of a request, float32 [n] at 16 kHz; raises StudioError when the model cannot convert it."""
    title, name = info.title, request.source.name or "The source"
    if request.target not in EMOTIONS:
        raise StudioError(f"'{request.target}' is not one of {', '.join(EMOTIONS)}.")
    if request.content is not Content.FREE:
        raise StudioError(f"{title} speaks freely and cannot lock the content; choose content 'free'.")
    if request.source.seconds > info.max_seconds:
        raise StudioError(
            f"'{name}' is {request.source.seconds:.1f} s long, but {title} takes up to {info.max_seconds:.0f} s; "
            "trim it."
        )
    require_speech(request.source)
    return resample(request.source.samples, request.source.rate, LISTENING_RATE)


def resample(samples: FloatArray, rate: int, to: int) -> FloatArray:
    """float32 [n] at another rate, through scipy's polyphase filter: a model's environment has no soxr."""
    if rate == to:
        return samples
    from scipy.signal import resample_poly

    common = math.gcd(rate, to)
    return np.asarray(resample_poly(samples, to // common, rate // common), dtype=np.float32)


def speaks_for_itself(error: BaseException) -> bool:
    """Whether an error is raised as it is: cancelled, a sentence already, no memory, or one of the device.

    After a CUDA error nothing computes any more in this process, so its host has to end, which a StudioError would not
    make it do. (torch.OutOfMemoryError, another name of this one, came with torch 2.5: runtimes pin 2.3 and 2.4.)
    """
    return isinstance(error, Cancelled | StudioError | torch.cuda.OutOfMemoryError) or "CUDA error" in str(error)


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from generators that start at ``seed``, on the CPU and ``device``; they are afterwards what they were."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
