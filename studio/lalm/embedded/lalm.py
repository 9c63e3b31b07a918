"""The embedded LALM behind the :class:`studio.lalm.base.SpeechLALM` protocol."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import chain

import numpy as np

from studio.audio.clip import Clip, FloatArray
from studio.emotions import EMOTIONS
from studio.errors import StudioError
from studio.esn.statistics import GateStatistics
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
from studio.lalm.embedded import vocoder
from studio.lalm.embedded.codec import Codec
from studio.lalm.embedded.decoders import Decoders
from studio.lalm.embedded.generate import Generation, Row
from studio.lalm.embedded.network import EMOSTEER_SITE, Network
from studio.lalm.embedded.sources import Sources
from studio.lalm.embedded.speaking import WORKERS, Piece, Speaker
from studio.lalm.embedded.speech import SpeechStream, Voice
from studio.lalm.pace import levelled
from studio.lalm.sources import require_speech

MODEL_ID = "embedded"
TITLE = "Embedded"
MAX_SECONDS = 20.0


class EmbeddedLALM:
    """A small speech LALM: one network with tapped gates, a codec and WORLD.

    ``convert`` may be called by several threads at once: ``decoders`` are lent to two of them at a time. ``sources``
    keeps analysed recordings.
    """

    def __init__(self, network: Network, codec: Codec, revision: str) -> None:
        self._network = network.eval()
        # Convolutions round differently at other lengths; in double precision no sample shows it: a streamed take
        # and one made at once are the same.
        self._codec = codec.eval().double()
        self.sources = Sources()
        config = network.config
        widths = (config.intermediate,) * len(network.gates())
        self.decoders = Decoders(self._network, widths)
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
            curves={LANGUAGE: CurveUnit.TIME},
            overlaps=True,
            emosteer_sites={EMOSTEER_SITE: config.hidden},
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
        requests = [levelled(request) for request in requests]
        workers = ThreadPoolExecutor(WORKERS, "speaking")
        try:
            pieces = list(chain.from_iterable(workers.map(self._prepare, range(len(requests)), requests)))
            rows = [piece.row for piece in pieces]
            speaker = Speaker(pieces, workers, on_audio)
            whole = sum(row.source.frames for row in rows)

            def after_token() -> None:
                progress(sum(row.share * row.source.frames for row in rows) / whole)
                speaker.advance()

            with self.decoders.lend() as own:
                generation = Generation(own.network, own.steps, own.taps, own.emosteer, rows)
                counts = generation.run(record=record, cancelled=cancelled, after_token=after_token)
            audio = speaker.finish()
        finally:
            workers.shutdown(cancel_futures=True)
        progress(1.0)
        return [
            self._conversion(index, request, pieces, audio[index], counts) for index, request in enumerate(requests)
        ]

    def close(self) -> None:
        """Take all hooks off; the object is unusable afterwards."""
        self.decoders.close()

    def _prepare(self, index: int, request: ConversionRequest) -> list[Piece]:
        if request.target not in EMOTIONS:
            raise StudioError(f"'{request.target}' is not one of {', '.join(EMOTIONS)}.")
        name = request.source.name or "The source"
        if request.source.seconds > MAX_SECONDS:
            raise StudioError(
                f"'{name}' is {request.source.seconds:.1f} s long, but the embedded model takes up to "
                f"{MAX_SECONDS:.0f} s; trim it."
            )
        require_speech(request.source)
        clip = request.source.at_rate(vocoder.RATE)
        if request.steering is not None:
            request.steering.mask.check_fits(MODEL_ID, LANGUAGE, self._info.gates[LANGUAGE])
        if request.emosteer is not None:
            request.emosteer.vectors.check_fits(MODEL_ID, self._info.emosteer_sites)
        locked = request.content is Content.LOCK
        pieces = []
        for part in self.sources(clip, locked):
            row = Row(part.source, request.target, request.steering, request.seed, part.start, request.emosteer)
            voice = Voice(part.source, part.gain, part.analysis)
            pieces.append(Piece(index, row, SpeechStream(voice, self._codec), part.lead, part.tail))
        return pieces

    def _conversion(
        self,
        index: int,
        request: ConversionRequest,
        pieces: list[Piece],
        audio: FloatArray,
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
            audio=Clip(audio, vocoder.RATE, request.source.name),
            speech_tokens=np.concatenate([piece.row.tokens() for _, piece in own]),
            statistics=statistics,
        )
