"""How an intensity curve is followed: in the words of the source, or on the clock of the speech that is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from studio.errors import StudioError
from studio.esn.automation import Automation
from studio.lalm.base import ConversionRequest

Following = Callable[[int], float]
"""The share of the strengths for a decoder's forward pass, asked before each pass with its number, from 0."""


class Pace:
    """The shares of their strengths at which the rows of a batch are steered; 1 for a row without a curve.

    Each word of the transcript takes an equal share of the source's length, and a word's share of the strengths is the
    curve's where it begins. ``text`` turns the ids of a reply into what they say.
    """

    def __init__(self, requests: Sequence[ConversionRequest], text: Callable[[Sequence[int]], str]) -> None:
        self._curves = [curve_of(request) for request in requests]
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


def curve_of(request: ConversionRequest) -> Automation | None:
    """The curve that the neurons of a request follow; None where they follow none or nothing is steered."""
    steering = request.steering
    return None if steering is None or steering.is_identity else steering.automation


def levelled(request: ConversionRequest) -> ConversionRequest:
    """The request with a level curve taken into its strengths: to the bit the constant setting, and no curve.

    Unchanged where neurons or learned vectors follow a curve that is not level.
    """
    steering, emosteer = request.steering, request.emosteer
    curves = [each.automation for each in (steering, emosteer) if each is not None and each.automation is not None]
    if not curves or any(curve.level is None for curve in curves):
        return request
    if steering is not None:
        share = _share(steering.automation)
        strengths = {emotion: strength * share for emotion, strength in steering.strengths.items()}
        steering = replace(steering, strengths=strengths, automation=None)
    if emosteer is not None:
        share = _share(emosteer.automation)
        alphas = {emotion: alpha * share for emotion, alpha in emosteer.alphas.items()}
        emosteer = replace(emosteer, alphas=alphas, automation=None)
    return replace(request, steering=steering, emosteer=emosteer)


def _share(curve: Automation | None) -> float:
    return 1.0 if curve is None or curve.level is None else curve.level


def in_words(
    title: str, request: ConversionRequest, written: Callable[[], int], text: Callable[[Sequence[int]], str]
) -> Following:
    """Follow the curve of a request from word to word, as ``Pace`` does for a batch.

    ``written``: the id that the next pass reads. Raises StudioError when the transcript is not known.
    """
    require_words(title, request)
    pace, ids = Pace([request], text), []

    def share(index: int) -> float:
        if not index:
            return pace.listening()[0]
        ids.append(written())
        return pace.writing([ids])[0]

    return share


def on_the_clock(request: ConversionRequest, curve: Automation, spoken: Callable[[int], float | None]) -> Following:
    """Follow a curve by what has been spoken: a second of speech stands for a second of the source.

    ``spoken``: seconds of speech before what the pass of this number makes; None while it makes none. Such a pass
    serves all of the speech, and gets the least of the curve.
    """
    least = curve.least(0.0, request.source.seconds)

    def share(index: int) -> float:
        seconds = spoken(index)
        return least if seconds is None else curve.at(seconds)

    return share


def require_words(title: str, request: ConversionRequest) -> None:
    """Raise StudioError when the words are not known that a curve is to be laid over."""
    if not (request.text or "").split():
        raise StudioError(
            f"{title} follows an intensity curve word by word and does not know the words; type the transcript, "
            "or clear the curve."
        )
