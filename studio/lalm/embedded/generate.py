"""Decode a batch: words, then speech tokens, each row in its own phase, one position of every row per forward pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.cache_utils import DynamicCache

from studio.errors import Cancelled
from studio.esn.intervention import Steering
from studio.esn.statistics import GateStatistics
from studio.esn.taps import GateTaps
from studio.lalm.embedded import text, tokens, vocoder
from studio.lalm.embedded.features import Source
from studio.lalm.embedded.hearing import WordHearing
from studio.lalm.embedded.network import LETTERS, SPEECH_POSITION, STRIDE, Decoded, Network, encoder_lengths

MAX_WORDS = 16
SEEDED_SPREAD = 0.5
"""How far a seeded take strays from the greedy one, in standard deviations of each prosody head."""

CANDIDATES = 24
"""Words the decoder finds likeliest, among which hearing has a say."""

HEARING_WEIGHT = 0.5
"""Chosen on the development split of the demo corpus."""

MIN_ADVANCE_SHARE = 0.5
"""No token moves by less than this share of its own length, so that every generation ends with its source."""


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
    words: list[str] = field(default_factory=list)
    codes: list[Tensor] = field(default_factory=list)
    position: float = 0.0
    speaking: bool = False
    done: bool = False

    @property
    def share(self) -> float:
        """Share of the source that has been spoken, 0..1."""
        return min(1.0, self.position / max(1, self.source.frames))

    @property
    def intensity(self) -> float:
        """Share of the steering's strengths at the next position; the least of all while words are written."""
        curve = None if self.steering is None else self.steering.automation
        if curve is None:
            return 1.0
        if not self.speaking:
            return curve.least(self.start, self.start + self.source.frames * FRAME_SECONDS)
        return curve.at(self.start + self.position * FRAME_SECONDS)

    def tokens(self) -> Tensor:
        """Speech tokens so far, int64 [T, heads]."""
        return torch.stack(self.codes) if self.codes else torch.zeros((0, tokens.HEADS), dtype=torch.int64)


@dataclass(frozen=True, eq=False)
class _State:
    """What the last position of each row says: ``hidden`` [B, hidden] for words, ``speech`` logits [B, sizes]."""

    hidden: Tensor
    speech: Tensor


class _Heads:
    """Picks the likeliest class per head from flat logits [B, sum of sizes]."""

    def __init__(self) -> None:
        widest = max(tokens.HEAD_SIZES)
        starts = [sum(tokens.HEAD_SIZES[:head]) for head in range(tokens.HEADS)]
        column = torch.arange(widest)
        sizes = torch.tensor(tokens.HEAD_SIZES)[:, None]
        self.index = torch.tensor(starts)[:, None] + torch.minimum(column, sizes - 1)
        self.outside = column >= sizes
        slowest = int(tokens.RATE_OCTAVES.encode(math.log2(MIN_ADVANCE_SHARE)))
        self.outside[0, :slowest] = True

    def pick(self, logits: Tensor) -> Tensor:
        """int64 [B, heads]."""
        return logits[:, self.index].masked_fill(self.outside, -torch.inf).argmax(-1)


def _manner(seed: int | None) -> Tensor:
    """How a seeded row acts, drawn once for the whole take: offsets of the ordinal heads in standard deviations, [7].

    Drawn anew for every token it would be jitter, not acting. Both pitch points of a token move together.
    """
    if seed is None:
        return torch.zeros(len(tokens.ORDINAL_HEADS))
    offset = torch.randn(len(tokens.ORDINAL_HEADS), generator=torch.Generator().manual_seed(seed)) * SEEDED_SPREAD
    offset[2] = offset[1]
    return offset


class Generation:
    """One batch on one network; ``run`` decodes it to the end."""

    def __init__(self, network: Network, taps: GateTaps, rows: list[Row]) -> None:
        self._network = network
        self._taps = taps
        self._rows = rows
        self._heads = _Heads()
        self._manner = torch.stack([_manner(row.seed) for row in rows]).unsqueeze(1)
        self._forwards = 0

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
        try:
            state = self._read_prompt(cancelled)
            while not all(row.done for row in self._rows):
                if cancelled():
                    raise Cancelled
                state = self._step(state)
                after_token()
            return self._taps.end(self._forwards)
        except BaseException:
            self._taps.abandon()
            raise

    def _read_prompt(self, cancelled: Callable[[], bool]) -> _State:
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
        self._hearings = [
            WordHearing(logs[index, : int(length)], LETTERS) for index, length in enumerate(self._lengths)
        ]
        prompts = [
            network.prompt(self._encoded[index], int(self._lengths[index]), row.target)
            for index, row in enumerate(self._rows)
        ]
        size = max(len(places) for _, places in prompts)
        embeddings = torch.stack([F.pad(item, (0, 0, size - len(item), 0)) for item, _ in prompts])
        places = torch.stack([F.pad(item, (size - len(item), 0)) for _, item in prompts])
        valid = torch.stack([torch.arange(size) >= size - len(item) for item, _ in prompts])
        self._valid = None if bool(valid.all()) else valid
        self._place = places[:, -1]
        self._own = network.neutral.repeat(len(self._rows), 1, 1)
        self._cache = DynamicCache(config=network.model.config)
        return self._forward(embeddings, places, self._valid, generated=False)

    def _step(self, state: _State) -> _State:
        network = self._network
        writing = [index for index, row in enumerate(self._rows) if not row.speaking]
        choices = dict(zip(writing, self._hear(state.hidden, writing), strict=True))
        codes = self._heads.pick(state.speech)
        inputs = torch.zeros_like(state.hidden)
        speaking = []
        for index, row in enumerate(self._rows):
            self._place[index] += 1
            if row.done:
                continue
            if row.speaking:
                row.codes.append(codes[index])
                row.position += float(tokens.advance_of(int(codes[index, 0])))
                row.done = row.position >= row.source.frames - 1
                speaking.append(index)
                continue
            word = choices[index]
            if word == text.SPEECH:
                row.speaking = True
                self._place[index] = SPEECH_POSITION
                inputs[index] = network.speech_start()
                speaking.append(index)
            else:
                row.words.append(text.VOCABULARY[word])
                inputs[index] = network.embed_words(torch.tensor(word))
        if all(row.done for row in self._rows):
            return state
        if speaking:
            at = torch.tensor([[self._rows[index].position] for index in speaking])
            seen = network.at_source(self._features[speaking], self._encoded[speaking], self._lengths[speaking], at)
            inputs[speaking] += seen.embedding[:, 0]
            self._own[speaking] = seen.own
        alive = torch.tensor([[not row.done] for row in self._rows])
        return self._forward(inputs.unsqueeze(1), self._place.unsqueeze(1), alive, generated=True)

    def _hear(self, hidden: Tensor, rows: list[int]) -> list[int]:
        """Of each of ``rows`` the next word or ``<speech>``: likely to the decoder (``hidden`` [B, hidden]) and ear."""
        if not rows:
            return []
        logs = F.log_softmax(self._network.lm_head(hidden[rows])[:, text.SPEECH :], -1)
        return [self._hear_row(index, guesses) for index, guesses in zip(rows, logs, strict=True)]

    def _hear_row(self, index: int, guesses: Tensor) -> int:
        if len(self._rows[index].words) == MAX_WORDS:
            return text.SPEECH
        hearing = self._hearings[index]
        likely = [int(choice) for choice in guesses[1:].topk(CANDIDATES).indices]
        words = [text.VOCABULARY[text.SPEECH + 1 + choice] for choice in likely]
        scores = guesses[1:][likely].double().numpy() + HEARING_WEIGHT * hearing.words(words)
        best = int(scores.argmax())
        if float(guesses[0]) + HEARING_WEIGHT * hearing.end() > scores[best]:
            return text.SPEECH
        hearing.say(words[best])
        return text.SPEECH + 1 + likely[best]

    def _forward(self, embeddings: Tensor, places: Tensor, valid: Tensor | None, *, generated: bool) -> _State:
        counted = None if valid is None or bool(valid.all()) else valid
        self._taps.positions(counted, generated)
        self._taps.intensity([row.intensity for row in self._rows])
        if generated and self._valid is not None:
            # Finished rows may attend to anything; only the padding before a prompt has to stay hidden.
            self._valid = F.pad(self._valid, (0, 1), value=True)
        self._forwards += 1
        mask = None if self._valid is None else self._valid.long()
        decoded = self._network.decode(embeddings, places, mask, self._cache)
        last = Decoded(decoded.state[:, -1:], decoded.written[:, -1:])
        return _State(last.state[:, 0], self._network.speech_logits(last, self._own, self._manner)[:, 0])
