"""The embedded LALM behind the :class:`studio.lalm.base.SpeechLALM` protocol."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from studio.audio.clip import Clip, FloatArray
from studio.emotions import EMOTIONS
from studio.errors import StudioError
from studio.esn.statistics import GateStatistics
from studio.esn.taps import GateTaps
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
from studio.lalm.embedded import features, vocoder
from studio.lalm.embedded.codec import Codec
from studio.lalm.embedded.generate import Generation, Row
from studio.lalm.embedded.network import Network
from studio.lalm.embedded.segments import split
from studio.lalm.embedded.speech import SpeechStream, Voice

MODEL_ID = "embedded"
TITLE = "Embedded"
MAX_SECONDS = 20.0

_SILENCE = 1e-4
_FIRST_CHUNK = 8
"""Speech tokens before audio is first handed out; then whenever their number trebled, as all are spoken anew."""


@dataclass(eq=False)
class _Piece:
    """A segment of one request on its way through a batch."""

    request: int
    row: Row
    stream: SpeechStream
    lead: FloatArray
    tail: FloatArray
    next_chunk: int = _FIRST_CHUNK
    finished: bool = False

    def take(self, final: bool) -> FloatArray:
        """Samples that are new since the last call, with what surrounds the segment at either end."""
        lead, self.lead = self.lead, self.lead[:0]
        samples = self.stream.next(self.row.tokens().numpy(), final)
        return np.concatenate([lead, samples, self.tail if final else self.tail[:0]])


class EmbeddedLALM:
    """A small speech LALM: one network with tapped gates, a codec and WORLD. Not for several threads at once."""

    def __init__(self, network: Network, codec: Codec, revision: str) -> None:
        self._network = network.eval()
        # Convolutions round differently at other lengths; in double precision no sample shows it: a streamed take
        # and one made at once are the same.
        self._codec = codec.eval().double()
        config = network.config
        widths = (config.intermediate,) * len(network.gates())
        self._taps = GateTaps(network.gates(), widths).install()
        digest = sha256(json.dumps(config.as_dict(), sort_keys=True).encode()).hexdigest()
        self._info = ModelInfo(
            model_id=MODEL_ID,
            revision=revision,
            config_digest=digest[:16],
            title=TITLE,
            gates={LANGUAGE: widths},
            rate=vocoder.RATE,
            max_seconds=MAX_SECONDS,
            content_modes=(Content.FREE, Content.LOCK),
            streams=True,
            batches=True,
        )

    @property
    def info(self) -> ModelInfo:
        """What this model is and can do."""
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
        """See :meth:`studio.lalm.base.SpeechLALM.convert`."""
        if not requests:
            return []
        if module != LANGUAGE:
            raise StudioError(f"The embedded model has no '{module}' gates; choose the module '{LANGUAGE}'.")
        pieces = [piece for index, request in enumerate(requests) for piece in self._prepare(index, request)]
        rows = [piece.row for piece in pieces]
        parts: list[list[FloatArray]] = [[] for _ in requests]

        def hand_out() -> None:
            progress(sum(row.share * row.source.frames for row in rows) / sum(row.source.frames for row in rows))
            if on_audio is not None:
                self._flush(pieces, parts, on_audio)

        counts = Generation(self._network, self._taps, rows).run(
            record=record, cancelled=cancelled, after_token=hand_out
        )
        self._flush(pieces, parts, on_audio or (lambda row, samples: None), final=True)
        progress(1.0)
        return [
            self._conversion(index, request, pieces, parts[index], counts) for index, request in enumerate(requests)
        ]

    def close(self) -> None:
        """Take the taps off; the object is unusable afterwards."""
        self._taps.remove()

    def _prepare(self, index: int, request: ConversionRequest) -> list[_Piece]:
        if request.target not in EMOTIONS:
            raise StudioError(f"'{request.target}' is not one of {', '.join(EMOTIONS)}.")
        name = request.source.name or "The source"
        if request.source.seconds > MAX_SECONDS:
            raise StudioError(
                f"'{name}' is {request.source.seconds:.1f} s long, but the embedded model takes up to "
                f"{MAX_SECONDS:.0f} s; trim it."
            )
        samples = request.source.at_rate(vocoder.RATE).samples
        if len(samples) < vocoder.RATE // 10 or np.abs(samples).max() <= _SILENCE:
            raise StudioError(f"'{name}' holds no speech to convert; choose another recording.")
        if request.steering is not None:
            request.steering.mask.check_fits(MODEL_ID, LANGUAGE, self._info.gates[LANGUAGE])
        signal, factor = vocoder.normalise(samples)
        hertz = vocoder.estimate_pitch(signal)
        whole = features.describe(signal, hertz)
        pieces = []
        for segment in split(signal):
            part = signal[segment.start : segment.stop]
            first = segment.start // vocoder.HOP
            part_hertz = hertz[first : first + len(part) // vocoder.HOP + 1]
            source = features.describe(part, part_hertz, whole.median_hertz)
            locked = request.content is Content.LOCK
            voice = Voice(source, 1 / factor, vocoder.analyse(part, part_hertz) if locked else None)
            begins = segment.start / vocoder.RATE
            row = Row(source, request.target, request.steering, request.seed, begins)
            lead, tail = (
                samples[segment.start - segment.lead : segment.start],
                samples[segment.stop : segment.stop + segment.tail],
            )
            pieces.append(_Piece(index, row, SpeechStream(voice, self._codec), lead, tail))
        return pieces

    def _flush(self, pieces: list[_Piece], parts: list[list[FloatArray]], sink: AudioSink, final: bool = False) -> None:
        """Hand out what is new, each request's segments in order."""
        blocked: set[int] = set()
        for piece in pieces:
            if piece.finished or piece.request in blocked:
                continue
            row = piece.row
            if row.done or final:
                piece.finished = True
            else:
                blocked.add(piece.request)
                if len(row.codes) < piece.next_chunk:
                    continue
                piece.next_chunk = 3 * len(row.codes)
            samples = piece.take(piece.finished)
            if len(samples):
                parts[piece.request].append(samples)
                sink(piece.request, samples)

    def _conversion(
        self,
        index: int,
        request: ConversionRequest,
        pieces: list[_Piece],
        parts: list[FloatArray],
        counts: list[GateStatistics] | None,
    ) -> Conversion:
        own = [(at, piece) for at, piece in enumerate(pieces) if piece.request == index]
        statistics = None
        if counts is not None:
            statistics = GateStatistics.zeros(self._info.gates[LANGUAGE])
            for at, _ in own:
                statistics = statistics + counts[at]
        return Conversion(
            text=" ".join(word for _, piece in own for word in piece.row.words),
            audio=Clip(np.concatenate(parts), vocoder.RATE, request.source.name),
            speech_tokens=np.concatenate([piece.row.tokens().numpy() for _, piece in own]),
            statistics=statistics,
        )
