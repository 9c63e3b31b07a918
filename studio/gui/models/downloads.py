"""Downloading and deleting models behind the window, one at a time."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from studio.engine import JobContext
from studio.errors import Cancelled
from studio.gui.engine_thread import EngineThread, notice_of
from studio.lalm.entries import ModelFacts

_SLOT = "download"


class Downloads(QObject):
    """Knows which model is being downloaded; ``problem`` says why the last one of a model did not end well."""

    changed = Signal()
    progress = Signal(float)

    def __init__(self, worker: EngineThread) -> None:
        super().__init__()
        self._worker = worker
        self.active: str | None = None
        self.problems: dict[str, str] = {}

    def start(self, facts: ModelFacts) -> None:
        """Download a model, or what is still missing of it."""
        if self.active is not None:
            return

        def work(context: JobContext) -> None:
            from studio.lalm.weights import download

            download(facts, progress=context.progress, cancelled=context.cancelled)

        self._begin(facts)
        self._worker.submit(
            _SLOT, work, lambda _done: self._end(), failed=self._fail, progress=self.progress.emit
        )  # fmt: skip

    def cancel(self) -> None:
        """Stop at the next piece; files that arrived whole stay."""
        self._worker.cancel(_SLOT)

    def remove(self, facts: ModelFacts) -> None:
        """Delete a model's files."""
        if self.active is not None:
            return

        def work(_context: JobContext) -> None:
            from studio.lalm.weights import remove

            remove(facts)

        self._begin(facts)
        self._worker.submit(_SLOT, work, lambda _done: self._end(), failed=self._fail)

    def _begin(self, facts: ModelFacts) -> None:
        self.active = facts.name
        self.problems.pop(facts.name, None)
        self.changed.emit()

    def _end(self) -> None:
        self.active = None
        self.changed.emit()

    def _fail(self, error: BaseException) -> None:
        if self.active is not None:
            stopped = isinstance(error, Cancelled)
            self.problems[self.active] = "Cancelled; what arrived whole is kept." if stopped else notice_of(error).text
        self._end()
