"""The strongest setting of one emotion that keeps words and voice, found by rendering batches of strengths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from studio.audio.clip import Clip
from studio.errors import StudioError
from studio.esn.mask import EsnMask
from studio.judges.base import EmotionJudge
from studio.lalm.base import Progress, SpeechLALM, never, no_progress
from studio.session.render import DRIFT_WER, Recogniser, render
from studio.session.settings import RenderSettings
from studio.session.take import Take

COARSE = 8
"""Strengths of the first batch besides 0; the second batch divides the step after which it breaks as finely again."""

_FINE = 4
_COARSE_SHARE = (COARSE + 1) / (COARSE + _FINE)

Resemblance = Callable[[Clip, Clip], float]
"""How alike two voices are, 0 to 1."""


@dataclass(frozen=True)
class Limits:
    """``wer``: errors in the words written, and above the baseline's in the words heard; ``voice``: drop of similarity
    to the source below the baseline's.
    """

    wer: float = DRIFT_WER
    voice: float = 0.1


@dataclass(frozen=True, eq=False)
class Step:
    """One strength that was tried; ``similarity`` to the source is None where voices are not compared."""

    strength: float
    take: Take
    similarity: float | None
    broken: str
    """Which limit it breaks, in words; empty when it keeps them."""


@dataclass(frozen=True, eq=False)
class Found:
    """What a search tried, weakest first; ``best`` is the strongest step up to which every step keeps the limits."""

    steps: Sequence[Step]
    best: Step
    limits: Limits


def find_intensity(
    model: SpeechLALM,
    source: Clip,
    settings: RenderSettings,
    emotion: str,
    maximum: float,
    *,
    mask: EsnMask,
    reference: str | None = None,
    judge: EmotionJudge | None = None,
    recognise: Recogniser | None = None,
    resemblance: Resemblance | None = None,
    limits: Limits = Limits(),
    progress: Progress = no_progress,
    cancelled: Callable[[], bool] = never,
    at_once: int | None = None,
) -> Found:
    """Vary ``emotion``'s strength in ``settings`` from 0 to ``maximum``; other strengths stay.

    Two batches: evenly spaced strengths, then finer ones before the first that breaks a limit. Raises StudioError when
    there is neither a transcript nor ``resemblance`` to hold takes against, and as :func:`render` does. ``at_once``
    as there.
    """
    if reference is None and resemblance is None:
        raise StudioError(
            "There is nothing to hold the takes against: type what the recording says, or install the voice comparison "
            "(make eval), then search again."
        )

    def tried(strengths: Sequence[float], first: float, last: float) -> list[tuple[float, Take]]:
        asked = [replace(settings, strengths={**settings.strengths, emotion: strength}) for strength in strengths]
        takes = render(
            model,
            source,
            asked,
            mask=mask,
            reference=reference,
            judge=judge,
            recognise=recognise,
            progress=lambda share: progress(first + (last - first) * share),
            cancelled=cancelled,
            at_once=at_once,
        )
        return list(zip(strengths, takes, strict=True))

    coarse = tried([maximum * index / COARSE for index in range(COARSE + 1)], 0.0, _COARSE_SHARE)
    holder = _Holder(coarse[0][1], source, resemblance, limits)
    steps = [holder.step(strength, take) for strength, take in coarse]
    kept = _kept(steps)
    if 0 < kept < len(steps):
        low, high = steps[kept - 1].strength, steps[kept].strength
        between = [low + (high - low) * index / _FINE for index in range(1, _FINE)]
        fine = [holder.step(strength, take) for strength, take in tried(between, _COARSE_SHARE, 1.0)]
        steps[kept:kept] = fine
        kept = _kept(steps)
    progress(1.0)
    return Found(tuple(steps), steps[max(0, kept - 1)], limits)


class _Holder:
    """Holds takes against the limits, and against the baseline where those are differences."""

    def __init__(self, baseline: Take, source: Clip, resemblance: Resemblance | None, limits: Limits) -> None:
        self._source = source
        self._resemblance = resemblance
        self._limits = limits
        self._heard = baseline.heard_wer or 0.0
        self._similarity = self._similar(baseline)

    def step(self, strength: float, take: Take) -> Step:
        """The take with what it breaks."""
        limits, similarity = self._limits, self._similar(take)
        broken = []
        if take.wer is not None and take.wer > limits.wer:
            broken.append(f"{take.wer:.0%} of the words written are wrong")
        if take.heard_wer is not None and take.heard_wer - self._heard > limits.wer:
            broken.append(f"{take.heard_wer:.0%} of the words heard are wrong")
        if similarity is not None and self._similarity is not None and self._similarity - similarity > limits.voice:
            broken.append(f"the voice is {self._similarity - similarity:.2f} less like the source")
        return Step(strength, take, similarity, " and ".join(broken))

    def _similar(self, take: Take) -> float | None:
        try:
            return None if self._resemblance is None else self._resemblance(take.audio, self._source)
        except StudioError:
            # Too little voice to compare is not the same voice.
            return 0.0


def _kept(steps: Sequence[Step]) -> int:
    """How many steps from the weakest on keep the limits."""
    return next((index for index, step in enumerate(steps) if step.broken), len(steps))
