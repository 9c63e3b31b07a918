"""Decode a batch: words, then speech tokens, each row in its own phase, one position of every row per forward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.cache_utils import DynamicCache

from studio.errors import Cancelled
from studio.esn.emosteer import EmoSteering
from studio.esn.emosteer_hook import EmoSteer
from studio.esn.intervention import Steering
from studio.esn.statistics import GateStatistics
from studio.esn.taps import GateTaps
from studio.lalm.embedded import text, tokens, vocoder
from studio.lalm.embedded.features import Source
from studio.lalm.embedded.hearing import Hearing
from studio.lalm.embedded.network import LETTERS, SPEECH_POSITION, STRIDE, Decoded, Network, encoder_lengths
from studio.lalm.embedded.picking import Picker
from studio.lalm.embedded.steps import StepDecoder
from studio.lalm.embedded.tokens import Codes

MAX_WORDS = 16

CANDIDATES = 24
"""Words the decoder finds likeliest, among which hearing has a say."""

HEARING_WEIGHT = 0.5
"""Chosen on the development split of the demo corpus."""

_ROWS_TOGETHER = 4
"""Matrix products take rows by so many: where others are left behind, what stays would round differently."""

_ADVANCE = [float(tokens.advance_of(code)) for code in range(tokens.RATE_OCTAVES.size)]
"""Source frames by advance class."""


FRAME_SECONDS = vocoder.FRAME_MS / 1000


@dataclass(eq=False)
class Row:
    """One row being decoded: what it converts, and what has come out so far.

    ``start``: seconds into the request's recording at which ``source`` begins.
    """

    source: Source
    target: str
    steering: Steering | None = None
    seed: int | None = None
    start: float = 0.0
    emosteer: EmoSteering | None = None
    words: list[str] = field(default_factory=list)
    codes: list[Codes] = field(default_factory=list)
    position: float = 0.0
    speaking: bool = False
    done: bool = False

    @property
    def share(self) -> float:
        """Share of the source that has been spoken, 0..1."""
        return min(1.0, self.position / max(1, self.source.frames))

    @property
    def intensity(self) -> float:
        """Share of all strengths at the next position; the least of all while words are written.

        Neurons and learned vectors follow one curve, the first that there is.
        """
        curves = [each.automation for each in (self.steering, self.emosteer) if each is not None]
        curve = next((each for each in curves if each is not None), None)
        if curve is None:
            return 1.0
        if not self.speaking:
            return curve.least(self.start, self.start + self.source.frames * FRAME_SECONDS)
        return curve.at(self.start + self.position * FRAME_SECONDS)

    def tokens(self) -> Codes:
        """Speech tokens so far, int64 [T, heads]."""
        return np.stack(self.codes) if self.codes else np.zeros((0, tokens.HEADS), np.int64)


class Generation:
    """One batch on one network; ``run`` decodes it to the end. ``steps`` is the network's."""

    def __init__(
        self, network: Network, steps: StepDecoder, taps: GateTaps, emosteer: EmoSteer, rows: list[Row]
    ) -> None:
        self._network = network
        self._decoder = steps
        self._taps = taps
        self._emosteer = emosteer
        self._rows = rows
        self._live = list(range(len(rows)))
        self._forwards = 0
        self._picks = 0

    @torch.inference_mode()
    def run(
        self,
        *,
        record: bool,
        cancelled: Callable[[], bool],
        after_token: Callable[[], None],
    ) -> list[GateStatistics] | None:
        """Decode every row; returns each row's gate counts when ``record``.

        ``after_token`` is called after each position, when rows may have grown. Raises Cancelled when ``cancelled``
        answers True, which is asked before every position.
        """
        self._taps.begin([row.steering for row in self._rows], record=record)
        self._emosteer.begin([row.emosteer for row in self._rows])
        try:
            decoded = self._read_prompt(cancelled)
            while not all(row.done for row in self._rows):
                if cancelled():
                    raise Cancelled
                decoded = self._step(decoded)
                after_token()
            self._emosteer.end(self._picks)
            return self._taps.end(self._forwards)
        except BaseException:
            self._emosteer.abandon()
            self._taps.abandon()
            raise

    def _read_prompt(self, cancelled: Callable[[], bool]) -> Decoded:
        if cancelled():
            raise Cancelled
        network = self._network
        self._lengths = torch.tensor([encoder_lengths(len(row.source.features)) for row in self._rows])
        longest = int(self._lengths.max()) * STRIDE
        self._features = torch.stack(
            [
                F.pad(
                    torch.from_numpy(row.source.features)[:longest],
                    (0, 0, 0, max(0, longest - len(row.source.features))),
                )
                for row in self._rows
            ]
        )
        self._encoded, letters = network.encoder(self._features, self._lengths)
        logs = F.log_softmax(letters, -1).double().numpy()
        self._hearing = Hearing([own[: int(length)] for own, length in zip(logs, self._lengths, strict=True)], LETTERS)
        prompts = [
            network.prompt(self._encoded[index], int(self._lengths[index]), row.target)
            for index, row in enumerate(self._rows)
        ]
        size = max(len(places) for _, places in prompts)
        embeddings = torch.stack([F.pad(item, (0, 0, size - len(item), 0)) for item, _ in prompts])
        places = torch.stack([F.pad(item, (size - len(item), 0)) for _, item in prompts])
        valid = torch.stack([torch.arange(size) >= size - len(item) for item, _ in prompts])
        padded = None if bool(valid.all()) else valid
        self._place = places[:, -1].tolist()
        self._own = network.neutral.repeat(len(self._rows), 1)
        self._picker = Picker(network, [row.seed for row in self._rows])
        cache = DynamicCache(config=network.model.config)
        self._taps.positions(padded, False)
        self._set_intensity()
        self._forwards += 1
        decoded = network.decode(embeddings, places, None if padded is None else padded.long(), cache)
        self._steps = self._decoder.start(cache, padded)
        return Decoded(decoded.state[:, -1:], decoded.written[:, -1:])

    def _step(self, decoded: Decoded) -> Decoded:
        rows = [self._rows[index] for index in self._live]
        words = self._hear(decoded.state[:, 0], [at for at, row in enumerate(rows) if not row.speaking])
        codes = None
        if any(row.speaking for row in rows):
            codes = self._picker.pick(decoded, self._own)
            self._picks += 1
        inputs = torch.zeros(len(rows), decoded.state.shape[2])
        speaking = []
        for at, row in enumerate(rows):
            self._place[at] += 1
            if row.done:
                continue
            if row.speaking and codes is not None:
                row.codes.append(codes[at])
                row.position += _ADVANCE[codes[at, 0]]
                row.done = row.position >= row.source.frames - 1
                speaking.append(at)
            elif words[at] == text.SPEECH:
                row.speaking = True
                self._place[at] = SPEECH_POSITION
                inputs[at] = self._network.speech_start()
                speaking.append(at)
            else:
                row.words.append(text.VOCABULARY[words[at]])
                inputs[at] = self._network.embed_words(torch.tensor(words[at]))
        if all(row.done for row in rows):
            return decoded
        if speaking:
            self._look(inputs, speaking)
        return self._forward(self._without_done(inputs))

    def _look(self, inputs: Tensor, speaking: list[int]) -> None:
        """Add what the rows that are ``speaking`` see of their source to their ``inputs``."""
        at = torch.tensor([[self._rows[self._live[index]].position] for index in speaking])
        rows = torch.tensor(speaking) if len(speaking) < len(inputs) else None
        seen = self._network.at_source(self._features, self._encoded, self._lengths, at, rows)
        inputs[speaking] += seen.embedding[:, 0]
        self._own[speaking] = seen.own[:, 0]

    def _without_done(self, inputs: Tensor) -> Tensor:
        """Leave rows that are done behind, once enough of them are."""
        done = [at for at, index in enumerate(self._live) if self._rows[index].done]
        fewest = min(len(done), len(self._live) - _ROWS_TOGETHER)
        leaving = set(done[: max(0, fewest // _ROWS_TOGETHER * _ROWS_TOGETHER)])
        if not leaving:
            return inputs
        kept = [at for at in range(len(self._live)) if at not in leaving]
        self._live = [self._live[at] for at in kept]
        self._place = [self._place[at] for at in kept]
        index = torch.tensor(kept)
        self._features, self._encoded, self._lengths = (
            each[index] for each in (self._features, self._encoded, self._lengths)
        )
        self._own = self._own[index]
        self._picker.keep(index)
        self._steps.keep(index)
        self._taps.keep_rows(kept)
        self._emosteer.keep_rows(kept)
        return inputs[index]

    def _hear(self, hidden: Tensor, writing: list[int]) -> dict[int, int]:
        """Of each row that is ``writing`` the next word, or ``<speech>``: likely to the decoder and to the ear.

        ``hidden`` [B, hidden] is the decoder's last state.
        """
        if not writing:
            return {}
        logs = F.log_softmax(self._network.lm_head(hidden[writing])[:, text.SPEECH :], -1)
        likely = logs[:, 1:].topk(CANDIDATES)
        choices = likely.indices.numpy() + text.SPEECH + 1
        rows = [self._live[at] for at in writing]
        heard = self._hearing.words(rows, [[text.VOCABULARY[word] for word in own] for own in choices])
        scores = likely.values.double().numpy() + HEARING_WEIGHT * heard
        ends = logs[:, 0].double().numpy() + HEARING_WEIGHT * self._hearing.end(rows)
        words = {}
        for at, row, own, score, end in zip(writing, rows, choices, scores, ends, strict=True):
            best = int(score.argmax())
            if end > score[best] or len(self._rows[row].words) == MAX_WORDS:
                words[at] = text.SPEECH
            else:
                words[at] = int(own[best])
                self._hearing.say(row, best)
        return words

    def _forward(self, inputs: Tensor) -> Decoded:
        alive = [not self._rows[index].done for index in self._live]
        self._taps.positions(None if all(alive) else torch.tensor(alive)[:, None], True)
        self._set_intensity()
        self._forwards += 1
        return self._steps(inputs[:, None], torch.tensor(self._place))

    def _set_intensity(self) -> None:
        shares = [self._rows[index].intensity for index in self._live]
        self._taps.intensity(shares)
        self._emosteer.intensity(shares)
