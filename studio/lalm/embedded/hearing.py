"""What the encoder's letters say about the next word: joint CTC/attention decoding.

The decoder has seen few sentences and guesses words that usually go on so; the encoder's CTC head only hears. The
prefix probability of a word under CTC (Watanabe et al. 2017, IEEE JSTSP 11(8), section II-C) is added to the decoder's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_BLANK = 0
_START = -1
"""In place of a class, before a word's first letter; no letter repeats it."""

_NONE = -1e30
"""Log probability of what cannot be; finite, so that differences stay numbers."""


class Hearing:
    """CTC scores of words after those said so far, for several recordings at once.

    ``logs`` holds for each recording log probabilities [T, letters + 1], class 0 blank; recordings may differ in T.
    """

    def __init__(self, logs: Sequence[Array], letters: str) -> None:
        self._letters = letters
        self._frames = np.array([len(each) for each in logs])
        # Beyond a recording's end nothing is read of what is computed; zeros keep it finite.
        self._logs = np.zeros((self._frames.max(), len(logs), len(letters) + 1))
        for row, each in enumerate(logs):
            self._logs[: len(each), row] = each
        # Frame 0 is before the first. What was said ends in its last letter or in blanks after it.
        shape = (self._frames.max() + 1, len(logs))
        self._ends_in_letter = np.full(shape, _NONE)
        self._ends_in_blank = np.zeros(shape)
        np.cumsum(self._logs[:, :, _BLANK], 0, out=self._ends_in_blank[1:])
        self._begun = [False] * len(logs)

    def end(self, rows: Sequence[int]) -> Array:
        """Log probability [R] that nothing follows."""
        last = self._frames[rows]
        return np.asarray(np.logaddexp(self._ends_in_letter[last, rows], self._ends_in_blank[last, rows]))

    def words(self, rows: Sequence[int], words: Sequence[Sequence[str]]) -> Array:
        """Log probability [R, W] that what was said in each of ``rows`` goes on with each of its W ``words``.

        And then ends or pauses. The words can then be said by their number.
        """
        letter, blank = self._extend(rows, words)
        self._heard = {row: (letter[:, place], blank[:, place]) for place, row in enumerate(rows)}
        either = np.logaddexp(letter, blank)
        space = self._logs[:, rows, self._letters.index(" ") + 1, None]
        last = self._frames[rows]
        pause = np.where(np.arange(len(space))[:, None, None] < last[:, None], either[:-1] + space, _NONE)
        return np.asarray(np.logaddexp(either[last, np.arange(len(rows))], np.logaddexp.reduce(pause, 0)))

    def say(self, row: int, number: int) -> None:
        """Go on after word ``number`` of those ``row`` was asked about last."""
        letter, blank = self._heard[row]
        self._ends_in_letter[:, row] = letter[:, number]
        self._ends_in_blank[:, row] = blank[:, number]
        self._begun[row] = True

    def _extend(self, rows: Sequence[int], words: Sequence[Sequence[str]]) -> tuple[Array, Array]:
        """Log probability [T + 1, R, W] that each word has just ended: in its last letter, or in blanks after it."""
        cells = [
            _classes(f" {word}" if self._begun[row] else word, self._letters)
            for row, own in zip(rows, words, strict=True)
            for word in own
        ]
        lengths = np.array([len(each) for each in cells])
        classes = np.concatenate(cells)
        ends = np.cumsum(lengths) - 1
        starts = ends - lengths + 1
        recording = np.repeat(np.repeat(rows, len(words[0])), lengths)
        repeats = classes[1:] == classes[:-1]
        spoken, silent = self._logs[:, recording, classes], self._logs[:, recording, _BLANK]
        first = recording[starts]
        before_letter, before_blank = self._ends_in_letter[:, first], self._ends_in_blank[:, first]
        letter, blank = np.full(len(classes), _NONE), np.full(len(classes), _NONE)
        letter[starts], blank[starts] = before_letter[0], before_blank[0]
        ended = np.full((2, len(self._logs) + 1, len(cells)), _NONE)
        ready = np.full(len(classes), _NONE)
        for frame in range(len(self._logs)):
            either = np.logaddexp(letter, blank)
            # The same letter twice needs a blank between.
            ready[1:] = np.where(repeats, blank[:-1], either[:-1])
            letter = np.logaddexp(letter, ready) + spoken[frame]
            blank = either + silent[frame]
            letter[starts], blank[starts] = before_letter[frame + 1], before_blank[frame + 1]
            ended[:, frame + 1] = letter[ends], blank[ends]
        ended_in_letter, ended_in_blank = ended.reshape(2, len(self._logs) + 1, len(rows), -1)
        return ended_in_letter, ended_in_blank


@lru_cache(maxsize=4096)
def _classes(spelled: str, letters: str) -> IntArray:
    return np.array([_START, *(letters.index(letter) + 1 for letter in spelled)])
