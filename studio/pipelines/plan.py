"""What an identification job converts, in which order and together with what: fixed before it starts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # Selecting from a job asks for the order of drawing alone, and need not wait for what reads recordings.
    from studio.corpora.base import Utterance


@dataclass(frozen=True)
class Batch:
    """Utterances converted to one emotion in one call of the model.

    Batches are part of the plan and not of what is left to do: padding and rounding repeat when a job is resumed.
    """

    emotion: str
    number: int
    utterances: tuple[Utterance, ...]

    @property
    def name(self) -> str:
        """Names the batch inside its job."""
        return f"{self.emotion}-{self.number:05d}"


def plan(utterances: Sequence[Utterance], emotions: Sequence[str], size: int, seed: int) -> list[Batch]:
    """Batches of ``size`` for every emotion, the emotions taking turns.

    Within an emotion the utterances stand in drawing order (``drawing_key``), so the first c successes are a uniform
    sample of all successes: a job may stop at c and another cap takes more or fewer of the same order.
    """
    orders = {
        emotion: sorted(utterances, key=lambda each: drawing_key(seed, emotion, each.key)) for emotion in emotions
    }
    return [
        Batch(emotion, start // size, tuple(order[start : start + size]))
        for start in range(0, len(utterances), size)
        for emotion, order in orders.items()
    ]


def drawing_key(seed: int, emotion: str, key: str) -> str:
    """Where the utterance ``key`` stands in the random order in which successes of ``emotion`` are drawn.

    A hash rather than a shuffle: an utterance keeps its place whatever other utterances are there, so jobs over parts
    of a corpus merge into the sample that one job over all of it would have drawn.
    """
    return hashlib.sha256(f"{seed}\0{emotion}\0{key}".encode("utf-8", "surrogateescape")).hexdigest()


def distinct(utterances: Iterable[Utterance]) -> tuple[list[Utterance], int]:
    """The utterances without those whose key another has already, and how many these were."""
    kept: dict[str, Utterance] = {}
    total = 0
    for each in utterances:
        total += 1
        kept.setdefault(each.key, each)
    return list(kept.values()), total - len(kept)
