"""How far a job is: what is done, what is still needed, and how long that may take."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from studio.pipelines.events import Progressed
from studio.pipelines.plan import Batch
from studio.pipelines.records import Attempt


class Course:
    """The plan's ``batches`` and what came of those that are done, ``attempts`` at first.

    ``cap``: successes after which an emotion is left off; None goes through with all of them.
    """

    def __init__(
        self, batches: Sequence[Batch], attempts: Iterable[Attempt], emotions: Sequence[str], cap: int | None
    ) -> None:
        self._batches = batches
        self._cap = cap
        self._numbers = {batch.name: batch.number for batch in batches}
        self._yields: dict[str, dict[int, int]] = {emotion: {} for emotion in emotions}
        self._last: dict[str, float] = dict.fromkeys(emotions, math.inf)
        self.attempts: Counter[str] = Counter(dict.fromkeys(emotions, 0))
        self.successes: Counter[str] = Counter(dict.fromkeys(emotions, 0))
        self._count(attempts)
        self._began, self._before = time.monotonic(), self.done

    @property
    def done(self) -> int:
        """Conversions done."""
        return self.attempts.total()

    @property
    def total(self) -> int:
        """Conversions done and needed, as far as is known; shrinks when an emotion has all it needs."""
        return self.done + sum(len(batch.utterances) for batch in self._batches if self.needs(batch))

    def needs(self, batch: Batch) -> bool:
        """Whether ``batch`` is still to be converted: not if the batches up to it have all that will be drawn."""
        return batch.number not in self._yields[batch.emotion] and batch.number < self._last[batch.emotion]

    def wanted(self, pausing: Callable[[], bool]) -> Iterator[Batch]:
        """Batches to convert, until a pause is asked for; each is decided on when it is asked for."""
        for batch in self._batches:
            if self.needs(batch):
                if pausing():
                    return
                yield batch

    def advance(self, attempts: Sequence[Attempt]) -> Progressed:
        """Note that the batch of ``attempts`` is done."""
        self._count(attempts)
        return Progressed(
            self.total, self.done, self._seconds_left(), dict(self.attempts), dict(self.successes), tuple(attempts)
        )

    def share(self, batch: Batch, share: float) -> float:
        """How much of the whole is done when ``share`` of ``batch`` is."""
        return (self.done + len(batch.utterances) * share) / self.total

    def _seconds_left(self) -> float:
        rows: Counter[str] = Counter()
        for batch in self._batches:
            if self.needs(batch):
                rows[batch.emotion] += len(batch.utterances)
        return sum(self._expected(emotion, most) for emotion, most in rows.items()) * self._pace()

    def _expected(self, emotion: str, most: int) -> float:
        """Conversions to ``emotion`` until it has enough, at the rate it succeeds at."""
        if self._cap is None or self.successes[emotion] >= self._cap:
            return most
        # One more of both than seen, so that an emotion without any success is not waited for for ever.
        each = (self.attempts[emotion] + 1) / (self.successes[emotion] + 1)
        return min(most, (self._cap - self.successes[emotion]) * each)

    def _pace(self) -> float:
        return (time.monotonic() - self._began) / max(1, self.done - self._before)

    def _count(self, attempts: Iterable[Attempt]) -> None:
        for each in attempts:
            if each.emotion in self.attempts:
                self.attempts[each.emotion] += 1
                self.successes[each.emotion] += each.success
                if each.batch in self._numbers:
                    own, number = self._yields[each.emotion], self._numbers[each.batch]
                    own[number] = own.get(number, 0) + each.success
        if self._cap is not None:
            self._last = {emotion: _reached(own, self._cap) for emotion, own in self._yields.items()}


def _reached(yields: Mapping[int, int], cap: int) -> float:
    """Number of the batch with which there are ``cap`` successes; infinite when there are fewer.

    Counted from the start of the plan, not in the order of conversion: where jobs were merged or counts were lost,
    later batches are there before earlier ones, which may hold what is to be drawn.
    """
    found = 0
    for number in sorted(yields):
        found += yields[number]
        if found >= cap:
            return number
    return math.inf
