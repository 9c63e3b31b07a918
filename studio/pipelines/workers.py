"""Who carries batches out: the model in this process, or many of them elsewhere (``cluster``)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Protocol

from studio.judges.base import EmotionJudge
from studio.lalm.base import ModelInfo, SpeechLALM
from studio.pipelines.attempts import Outcome, Rules, attempt, load_sources
from studio.pipelines.plan import Batch

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
    """One model, one batch after the other."""

    def __init__(self, model: SpeechLALM, judge: EmotionJudge) -> None:
        self._model = model
        self._judge = judge

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
        """As ``Workers.carry_out``; a batch begins when the one before it has been taken."""
        for batch in batches:

            def within(share: float, batch: Batch = batch) -> None:
                progress(batch, share)

            sources = load_sources(batch, self.info.max_seconds)
            yield (
                batch,
                attempt(self._model, self._judge, batch, sources, rules, progress=within, cancelled=cancelled),
            )
