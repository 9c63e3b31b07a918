"""Which word of the source the thinker is at, so that an intensity curve is followed word by word."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from studio.esn.automation import Automation
from studio.lalm.base import ConversionRequest


class Pace:
    """The shares of their strengths at which the rows of a batch are steered; 1 for a row without a curve.

    Each word of the transcript takes an equal share of the source's length, and a word's share of the strengths is the
    curve's where it begins. ``text`` turns the ids of a reply into what they say.
    """

    def __init__(self, requests: Sequence[ConversionRequest], text: Callable[[Sequence[int]], str]) -> None:
        self._curves = [_curve(request) for request in requests]
        self._seconds = [request.source.seconds for request in requests]
        self._words = [len((request.text or "").split()) for request in requests]
        self._text = text

    @property
    def is_level(self) -> bool:
        """Whether every row is steered at full strength throughout."""
        return all(curve is None for curve in self._curves)

    def listening(self) -> list[float]:
        """The shares for the prompt, which serves all words: each row's least."""
        return [
            1.0 if curve is None else curve.least(0.0, seconds)
            for curve, seconds in zip(self._curves, self._seconds, strict=True)
        ]

    def writing(self, replies: Sequence[Sequence[int]]) -> list[float]:
        """The shares for the pass that reads the last id of each reply."""
        shares = []
        for row, (curve, ids) in enumerate(zip(self._curves, replies, strict=True)):
            if curve is None:
                shares.append(1.0)
                continue
            word = max(0, len(self._text(ids).split()) - 1)
            shares.append(curve.at(word * self._seconds[row] / self._words[row]))
        return shares


def _curve(request: ConversionRequest) -> Automation | None:
    steering = request.steering
    return None if steering is None or steering.is_identity else steering.automation
