"""Who carries batches out: the model in this process, or many of them elsewhere (``cluster``)."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, Protocol, TypeVar

from studio.audio.clip import Clip
from studio.errors import Cancelled
from studio.judges.base import EmotionJudge
from studio.lalm.base import Conversion, ModelInfo, Progress, SpeechLALM
from studio.pipelines.attempts import Outcome, Rules, convert, judged, load_sources
from studio.pipelines.plan import Batch

Item = TypeVar("Item")
Result = TypeVar("Result")

_TOGETHER = 2
_POLL_SECONDS = 0.05

Done = tuple[Batch, list[Outcome]]
BatchProgress = Callable[[Batch, float], None]
"""Called with a batch under way and the share of it that is done."""


class Workers(Protocol):
    """One or more models with a judge, which turn batches into outcomes."""

    @property
    def info(self) -> ModelInfo:
        """The model they all hold."""
        ...

    @property
    def judge(self) -> str:
        """Name of the judge they all ask."""
        ...

    def carry_out(
        self, batches: Iterable[Batch], rules: Rules, *, progress: BatchProgress, cancelled: Callable[[], bool]
    ) -> Generator[Done, None, None]:
        """Each batch with its outcomes, in the order of ``batches``, of which the next is asked for when it can begin.

        Raises Cancelled when asked to stop, giving up what is under way; StudioError when a batch cannot be done.
        """
        ...


class InProcess:
    """One model, one batch after the other; where the model can, the next is begun while one is finished and judged.

    ``at_once``: rows the model converts together, None for a whole batch. Batches stay what the job plans; a model
    whose rows do not depend on each other gives the same conversions, but for rounding.
    """

    def __init__(self, model: SpeechLALM, judge: EmotionJudge, at_once: int | None = None) -> None:
        self._model = model
        self._judge = judge
        self._at_once = at_once

    @property
    def info(self) -> ModelInfo:
        """The model's."""
        return self._model.info

    @property
    def judge(self) -> str:
        """The judge's name."""
        return self._judge.name

    def carry_out(
        self, batches: Iterable[Batch], rules: Rules, *, progress: BatchProgress, cancelled: Callable[[], bool]
    ) -> Generator[Done, None, None]:
        """As ``Workers.carry_out``; ``progress`` and ``cancelled`` are called, and judging is done, where it is used.

        A batch is asked for when the one before it, or where the model overlaps that before, has been taken.
        """
        if self.info.overlaps:
            under_way = overlapped(batches, partial(self._convert, rules), progress, cancelled)
        else:
            under_way = ((batch, self._convert(rules, batch, partial(progress, batch), cancelled)) for batch in batches)
        with closing(under_way):
            for batch, (sources, conversions) in under_way:
                yield batch, judged(self._judge, batch, sources, conversions, rules, cancelled=cancelled)

    def _convert(
        self, rules: Rules, batch: Batch, progress: Progress, cancelled: Callable[[], bool]
    ) -> tuple[list[Clip | str], list[Conversion]]:
        sources = load_sources(batch, self.info.max_seconds)
        rows = self._at_once or max(1, len(sources))
        pieces = [sources[first : first + rows] for first in range(0, len(sources), rows)]
        made: list[Conversion] = []
        for number, piece in enumerate(pieces):

            def tell(share: float, before: int = number) -> None:
                progress((before + share) / len(pieces))

            made += convert(self._model, batch, piece, rules, progress=tell, cancelled=cancelled)
        return sources, made


def overlapped(
    items: Iterable[Item],
    work: Callable[[Item, Progress, Callable[[], bool]], Result],
    progress: Callable[[Item, float], None],
    cancelled: Callable[[], bool],
) -> Generator[tuple[Item, Result], None, None]:
    """Each of ``items`` with what ``work`` makes of it, in their order, two under way at a time.

    ``work`` runs on other threads with callbacks of its own; ``progress`` is called for the earlier of the two, and
    ``cancelled`` asked, on the caller's. Raises Cancelled when asked to stop, giving up both, and what ``work`` raises.
    """
    upcoming, stop = iter(items), threading.Event()
    under_way: deque[_Task[Item, Result]] = deque()
    with ThreadPoolExecutor(_TOGETHER, "converting") as pool:
        try:
            while True:
                while len(under_way) < _TOGETHER and (item := next(upcoming, None)) is not None:
                    task = _Task[Item, Result](item)
                    task.result = pool.submit(work, item, task.note, stop.is_set)
                    under_way.append(task)
                if not under_way:
                    return
                first = under_way.popleft()
                while not wait([first.result], _POLL_SECONDS).done:
                    if cancelled():
                        raise Cancelled
                    progress(first.item, first.share)
                yield first.item, first.result.result()
        finally:
            stop.set()


@dataclass
class _Task(Generic[Item, Result]):
    item: Item
    result: Future[Result] = field(init=False)
    share: float = 0.0

    def note(self, share: float) -> None:
        self.share = share
