"""What an identification tells whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from studio.pipelines.records import Attempt


@dataclass(frozen=True)
class Started:
    """The plan stands: ``total`` conversions at most, ``done`` of them by an earlier run."""

    total: int
    done: int
    job: str


@dataclass(frozen=True)
class Progressed:
    """A batch is done; ``latest`` are its attempts. ``total`` shrinks when an emotion has all it needs.

    ``attempts`` and ``successes`` count per emotion; ``seconds_left`` is a guess from this run's pace and from how many
    conversions succeed.
    """

    total: int
    done: int
    seconds_left: float
    attempts: dict[str, int]
    successes: dict[str, int]
    latest: tuple[Attempt, ...]


@dataclass(frozen=True)
class Warned:
    """Something a person should know about the result."""

    sentence: str


@dataclass(frozen=True)
class Finished:
    """Everything is done; ``counts`` are the neurons selected per emotion, ``successes`` those drawn."""

    attempts: dict[str, int]
    successes: dict[str, int]
    counts: dict[str, int]
    seconds: float


Event = Started | Progressed | Warned | Finished
EventSink = Callable[[Event], None]
