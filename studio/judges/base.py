"""What an emotion judge is: the held-out listener that decides which emotion a clip carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from studio.audio.clip import Clip


class EmotionJudge(Protocol):
    """Says which of the five emotions a clip carries (METHOD.md: judge)."""

    @property
    def name(self) -> str:
        """What the judge is called in records and masks."""
        ...

    def judge(self, clip: Clip, reference: Clip | None = None) -> dict[str, float]:
        """Probabilities of the five emotions, summing to 1.

        A judge that also hears other emotions adds these under names of their own, after the five.
        ``reference`` is the neutral speech ``clip`` was made from, for judges that hear emotion as a difference.
        Raises StudioError when the clip cannot be judged.
        """
        ...


def verdict(probabilities: Mapping[str, float]) -> str:
    """The judge's answer: the most probable emotion, the earlier one of equals."""
    return max(probabilities, key=lambda emotion: probabilities[emotion])
