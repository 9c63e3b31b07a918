"""Turns a batch's tokens into audio beside its decoding, on the cores that decoding leaves free."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

import numpy as np

from studio.audio.clip import FloatArray
from studio.lalm.base import AudioSink
from studio.lalm.embedded.generate import Row
from studio.lalm.embedded.speech import SpeechStream

WORKERS = max(1, min(4, os.cpu_count() or 1))
"""Vocoder and codec leave the interpreter to others while they compute."""

_FIRST_CHUNK = 8
"""Speech tokens before audio is first handed out; then whenever their number trebled, as all are spoken anew."""


@dataclass(eq=False)
class Piece:
    """A segment of one request on its way through a batch; ``lead`` and ``tail`` are what surrounds it in the source.

    ``request`` is the number of the request.
    """

    request: int
    row: Row
    stream: SpeechStream
    lead: FloatArray
    tail: FloatArray
    next_chunk: int = _FIRST_CHUNK
    complete: bool = False
    spoken: deque[Future[FloatArray]] = field(default_factory=deque)

    def speak(self, workers: Executor) -> None:
        """Have what is new since the last call spoken, and what surrounds it where it begins or ends."""
        span = self.stream.advance(len(self.row.codes), self.complete)
        lead, self.lead = self.lead, self.lead[:0]
        tail = self.tail if self.complete else self.tail[:0]
        codes = self.row.tokens()

        def work() -> FloatArray:
            return np.concatenate([lead, self.stream.samples(codes, span), tail])

        self.spoken.append(workers.submit(work))


class Speaker:
    """Speaks ``pieces``, those of each request in their order, on ``workers``; hands them to ``sink`` as they come.

    Without a sink nothing is spoken before it is complete.
    """

    def __init__(self, pieces: Sequence[Piece], workers: Executor, sink: AudioSink | None) -> None:
        self._workers = workers
        self._sink = sink
        self._pieces: dict[int, list[Piece]] = {}
        for piece in pieces:
            self._pieces.setdefault(piece.request, []).append(piece)
        self._parts: dict[int, list[FloatArray]] = {request: [] for request in self._pieces}

    def advance(self) -> None:
        """Begin to speak what is due after another token, and hand out what has been spoken."""
        for own in self._pieces.values():
            first = True
            for piece in own:
                if piece.complete:
                    continue
                if piece.row.done:
                    piece.complete = True
                    piece.speak(self._workers)
                elif first and self._sink is not None and len(piece.row.codes) >= piece.next_chunk:
                    piece.next_chunk = 3 * len(piece.row.codes)
                    piece.speak(self._workers)
                first = first and piece.complete
        for request in self._pieces:
            self._hand_out(request, wait=False)

    def finish(self) -> list[FloatArray]:
        """All of each request's audio, once everything has been spoken and handed out; every row is done."""
        for request in self._pieces:
            self._hand_out(request, wait=True)
        return [np.concatenate(self._parts[request]) for request in sorted(self._parts)]

    def _hand_out(self, request: int, wait: bool) -> None:
        for piece in self._pieces[request]:
            while piece.spoken and (wait or piece.spoken[0].done()):
                samples = piece.spoken.popleft().result()
                if len(samples):
                    self._parts[request].append(samples)
                    if self._sink is not None:
                        self._sink(request, samples)
            if piece.spoken or not piece.complete:
                return
