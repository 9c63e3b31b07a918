"""Making, checking and deleting the environments of models behind the window, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QObject, Signal

from studio.engine import JobContext
from studio.errors import Cancelled
from studio.gui.engine_thread import EngineThread, notice_of
from studio.lalm.runtimes import check, create
from studio.lalm.runtimes.create import Site
from studio.lalm.runtimes.places import Place
from studio.lalm.runtimes.specs import RuntimeSpec
from studio.lalm.runtimes.words import check_in_words

_SLOT, _LOOK = "environment", "survey"


@dataclass(frozen=True)
class Question:
    """Where an environment might be made: on ``host`` (None: this machine), with ``python`` (None: one that fits)."""

    name: str
    host: str | None = None
    python: str | None = None


@dataclass(frozen=True)
class Survey:
    """What was found there: a ``site``, or why there is none."""

    question: Question
    site: Site | None
    problem: str = ""


class Environments(QObject):
    """Knows which environment is being worked on, and what came of the last work on each: ``said``, or ``problems``."""

    changed = Signal()
    progress = Signal(float)
    words_changed = Signal(str)
    surveyed = Signal(object)

    def __init__(self, worker: EngineThread) -> None:
        super().__init__()
        self._worker = worker
        self.active: str | None = None
        self.doing = ""
        self.stoppable = False
        self.said: dict[str, str] = {}
        self.problems: dict[str, str] = {}

    def look(self, spec: RuntimeSpec, question: Question) -> None:
        """See whether an environment can be made somewhere, and what it needs; ``surveyed`` brings the newest."""

        def work(_context: JobContext) -> Survey:
            return Survey(question, create.survey(spec, Place(question.host), question.python))

        def fail(error: BaseException) -> None:
            if not isinstance(error, Cancelled):
                self.surveyed.emit(Survey(question, None, notice_of(error).text))

        self._worker.submit(_LOOK, work, self.surveyed.emit, failed=fail)

    def set_up(self, spec: RuntimeSpec, site: Site, weights: str | None) -> None:
        """Make an environment, go on with one, renew or repair it."""

        def work(context: JobContext) -> str:
            made = create.create(
                spec, site, weights=weights, progress=context.progress, cancelled=context.cancelled, say=context.event
            )
            return f"The environment is ready, in '{made.folder}' on {made.place.words}."

        self._begin(spec, "Setting up", work, stoppable=True)

    def check(self, spec: RuntimeSpec) -> None:
        """Start the host there, to see whether it would serve its model."""
        self._begin(spec, "Checking", lambda _context: check_in_words(spec, *check.check(spec)))

    def remove(self, spec: RuntimeSpec) -> None:
        """Delete an environment."""

        def work(_context: JobContext) -> str:
            return f"The environment is deleted from {create.remove(spec).place.words}."

        self._begin(spec, "Deleting", work)

    def cancel(self) -> None:
        """Stop making one."""
        self._worker.cancel(_SLOT)

    def _begin(
        self, spec: RuntimeSpec, doing: str, work: Callable[[JobContext], str], *, stoppable: bool = False
    ) -> None:  # fmt: skip
        if self.active is not None:
            return
        self.active, self.doing, self.stoppable = spec.name, doing, stoppable
        self.said.pop(spec.name, None)
        self.problems.pop(spec.name, None)
        self.changed.emit()
        self._worker.submit(
            _SLOT,
            work,
            partial(self._end, self.said, spec.name),
            failed=partial(self._fail, spec.name),
            progress=self.progress.emit,
            event=self.words_changed.emit,
        )

    def _fail(self, name: str, error: BaseException) -> None:
        cancelled = "Cancelled; what pip fetched is kept, so that the next attempt is quicker."
        self._end(self.problems, name, cancelled if isinstance(error, Cancelled) else notice_of(error).text)

    def _end(self, where: dict[str, str], name: str, words: str) -> None:
        where[name] = words
        self.active, self.doing = None, ""
        self.changed.emit()
