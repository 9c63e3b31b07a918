"""What a job's evidence says so far: statistics and masks while it runs, or while a person reviews it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from pathlib import Path

from studio.esn.mask import EsnMask
from studio.esn.selectors import DEFAULT_PERCENTILE, DEFAULT_RATE, Selector, select
from studio.esn.statistics import EmotionStatistics, GateStatistics
from studio.pipelines.drawing import attempts_that_count, describe, draw
from studio.pipelines.evidence import load_shard
from studio.pipelines.records import Attempt, read_attempts, read_document, settings_of


class LiveEvidence:
    """The successes in a job folder, summed as they arrive.

    Each call looks into the folder ``work`` and reads only the counts that are new to it, so it can be asked every few
    seconds, from any thread (one at a time) or process, while the job runs. What it returns at any moment is what
    ``load_job_statistics`` would: of each emotion the first ``cap`` successes (None: the job's own cap) in drawing
    order. ``human`` counts what people accepted instead of what the judge did.
    """

    def __init__(self, work: Path, *, cap: int | None = None, human: bool = False) -> None:
        self._work = Path(work)
        self._cap = cap
        self._human = human
        self._sums: dict[str, _Sum] = {}

    def statistics(self) -> EmotionStatistics | None:
        """The statistics of now; None while nothing has succeeded.

        Raises JobError when the folder is no job or is damaged, StatisticsError when counts are.
        """
        document = read_document(self._work)
        seed = settings_of(document, self._work).get("seed", 0)
        cap = document.get("cap") if self._cap is None else self._cap
        attempts = attempts_that_count(self._work, read_attempts(self._work), human=self._human)
        drawn = draw(attempts, cap, seed)
        self._sums = {emotion: self._extended(emotion, successes) for emotion, successes in drawn.items()}
        if not self._sums:
            return None
        by_emotion = {emotion: each.statistics for emotion, each in self._sums.items()}
        metadata = describe(document, attempts, drawn, cap, seed, human=self._human)
        return EmotionStatistics(next(iter(by_emotion.values())).widths, by_emotion, metadata)

    def mask(
        self,
        selector: Selector = Selector.CAS,
        rate: float | str | Decimal = DEFAULT_RATE,
        *,
        percentile: float = DEFAULT_PERCENTILE,
        compare: Sequence[str] | None = None,
    ) -> EsnMask | None:
        """What would be selected if the job ended now; None while nothing has succeeded. Raises as ``statistics``."""
        found = self.statistics()
        return None if found is None else select(found, selector, rate, percentile=percentile, compare=compare)

    def _extended(self, emotion: str, successes: Sequence[Attempt]) -> _Sum:
        identifiers = tuple(each.id for each in successes)
        held = self._sums.get(emotion)
        if held is None or identifiers[: len(held.identifiers)] != held.identifiers:
            held = None
        elif held.identifiers == identifiers:
            return held
        rest = successes if held is None else successes[len(held.identifiers) :]
        parts = (load_shard(self._work, each) for each in rest)
        return _Sum(identifiers, GateStatistics.sum(parts if held is None else chain((held.statistics,), parts)))


@dataclass(frozen=True, eq=False)
class _Sum:
    """Counts of one emotion, and of which conversions they are."""

    identifiers: tuple[str, ...]
    statistics: GateStatistics
