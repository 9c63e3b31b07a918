"""What the encoder's letters say about the next word: joint CTC/attention decoding.

The decoder has seen few sentences and guesses words that usually go on so; the encoder's CTC head only hears. The
prefix probability of a word under CTC (Watanabe et al. 2017, IEEE JSTSP 11(8), section II-C) is added to the decoder's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_BLANK = 0
_NONE = -1e30
"""Log probability of what cannot be; finite, so that differences stay numbers."""


class WordHearing:
    """CTC scores of words after those said so far; ``logs`` [T, letters + 1] are log probabilities, class 0 blank."""

    def __init__(self, logs: Array, letters: str) -> None:
        self._logs = logs
        self._letters = letters
        # Row 0 is before the first frame. A prefix ends in its last letter or in blanks after it.
        self._ends_in_letter = np.full(len(logs) + 1, _NONE)
        self._ends_in_blank = np.concatenate([[0.0], np.cumsum(logs[:, _BLANK])])
        self._last = ""

    def end(self) -> float:
        """Log probability that nothing follows."""
        return float(np.logaddexp(self._ends_in_letter[-1], self._ends_in_blank[-1]))

    def words(self, words: Sequence[str]) -> Array:
        """Log probability [W] that what was said goes on with each of ``words`` and then ends or pauses."""
        ends_in_letter, ends_in_blank, places = self._extend(words)
        rows = np.arange(len(words))
        letter, blank = ends_in_letter[:, rows, places], ends_in_blank[:, rows, places]
        either = np.logaddexp(letter, blank)
        space = self._logs[:, [self._class_of(" ")]]
        return np.asarray(np.logaddexp(either[-1], np.logaddexp.reduce(either[:-1] + space, 0)))

    def say(self, word: str) -> None:
        """Go on after ``word``."""
        ends_in_letter, ends_in_blank, places = self._extend([word])
        self._ends_in_letter = ends_in_letter[:, 0, places[0]]
        self._ends_in_blank = ends_in_blank[:, 0, places[0]]
        self._last = word[-1]

    def _class_of(self, letter: str) -> int:
        return self._letters.index(letter) + 1

    def _extend(self, words: Sequence[str]) -> tuple[Array, Array, npt.NDArray[np.int64]]:
        """Forward variables [T + 1, W, L + 1] of each word letter by letter, and how many letters each has."""
        spelled = [(" " if self._last else "") + word for word in words]
        places = np.array([len(each) for each in spelled])
        size = int(places.max())
        classes = np.array([[self._class_of(letter) for letter in each.ljust(size)] for each in spelled])
        before = np.array([[*(self._last or "\0"), *each.ljust(size)][:size] for each in spelled])
        repeats = before == np.array([list(each.ljust(size)) for each in spelled])
        frames = len(self._logs)
        ends_in_letter = np.full((frames + 1, len(words), size + 1), _NONE)
        ends_in_blank = np.full((frames + 1, len(words), size + 1), _NONE)
        ends_in_letter[:, :, 0] = self._ends_in_letter[:, None]
        ends_in_blank[:, :, 0] = self._ends_in_blank[:, None]
        for frame in range(frames):
            letter, blank = ends_in_letter[frame], ends_in_blank[frame]
            either = np.logaddexp(letter, blank)
            # The same letter twice needs a blank between.
            ready = np.where(repeats, blank[:, :-1], either[:, :-1])
            ends_in_letter[frame + 1, :, 1:] = np.logaddexp(letter[:, 1:], ready) + self._logs[frame][classes]
            ends_in_blank[frame + 1, :, 1:] = either[:, 1:] + self._logs[frame, _BLANK]
        return ends_in_letter, ends_in_blank, places
