"""New lines out of spoken ones, cut between words: with few lines to learn from, the network would recite, not hear."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from pocketsphinx import Decoder

    from studio.lalm.embedded.training.corpus import Line

Bounds = npt.NDArray[np.int32]

_OPENING = 2
"""Words a line keeps at least: they name its subject, which decides how far instructions are followed."""


@cache
def _aligner() -> Decoder:
    from pocketsphinx import Decoder

    return Decoder(lm=None, loglevel="FATAL")


def word_bounds(signal: npt.NDArray[np.float64], text: str) -> Bounds:
    """First and last frame (10 ms) of each word of ``text`` in a 16 kHz signal, int32 [W, 2]; W = 0 if not found."""
    aligner = _aligner()
    aligner.set_align_text(text)
    aligner.start_utt()
    aligner.process_raw((np.clip(signal, -1, 1) * 32767).astype("<i2").tobytes(), full_utt=True)
    aligner.end_utt()
    segments = aligner.seg() if aligner.hyp() else []
    found = [(part.word.split("(")[0], part.start_frame, part.end_frame) for part in segments]
    spoken = [(word, first, last) for word, first, last in found if word[0] not in "<["]
    if [word for word, _, _ in spoken] != text.split():
        return np.zeros((0, 2), np.int32)
    return np.array([(first, last) for _, first, last in spoken], np.int32)


class Splicer:
    """Goes on after some words of a line with the end of another line of the same speaker."""

    def __init__(self, lines: Sequence[Line]) -> None:
        places: dict[str, dict[str, list[tuple[Line, int]]]] = {}
        for line in lines:
            if len(line.words) > _OPENING:
                for at, word in enumerate(line.text.split()[_OPENING:], _OPENING):
                    places.setdefault(line.speaker, {}).setdefault(word, []).append((line, at))
        self._places = {speaker: list(words.values()) for speaker, words in places.items()}

    def draw(self, line: Line, rng: np.random.Generator) -> Line:
        """``line`` itself, or in half of the cases its beginning joined to another's end of about as many words.

        The end starts at (or one before) a word drawn evenly from all words: rare ones are heard as often as others.
        """
        if len(line.words) <= _OPENING or rng.random() < 0.5:
            return line
        words = self._places[line.speaker]
        places = words[int(rng.integers(len(words)))]
        other, at = places[int(rng.integers(len(places)))]
        start = at - int(rng.integers(2))
        return join(line, max(_OPENING, len(line.words) - (len(other.words) - start)), other, start)


def join(first: Line, kept: int, second: Line, start: int) -> Line:
    """The first ``kept`` words of one line, then the words of another from number ``start`` on."""
    stop, begin = int(first.words[kept - 1, 1]) + 1, int(second.words[start, 0])
    # The second line's frames move to behind the first's; what is counted every 5 ms has two per frame.
    moved = second.words[start:] - begin + stop
    return type(first)(
        speaker=first.speaker,
        number=first.number,
        text=" ".join([*first.text.split()[:kept], *second.text.split()[start:]]),
        mel=np.concatenate([first.mel[:stop], second.mel[begin:]]),
        coded=np.concatenate([first.coded[:stop], second.coded[begin:]]),
        hertz=np.concatenate([first.hertz[: 2 * stop], second.hertz[2 * begin :]]),
        level=np.concatenate([first.level[: 2 * stop], second.level[2 * begin :]]),
        words=np.concatenate([first.words[:kept], moved.astype(np.int32)]),
    )
