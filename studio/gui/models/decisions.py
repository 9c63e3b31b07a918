"""What the user decided about models, read and written behind the window: how to load them, whose code may run."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from studio.engine import JobContext
from studio.gui.engine_thread import EngineThread
from studio.lalm.consent import Consent, given, revoke
from studio.lalm.entries import ModelFacts
from studio.lalm.fit import Card, Fit, first_card, fit
from studio.lalm.options import ModelOptions, all_options, keep_options

Decided = tuple[dict[str, ModelOptions], list[Consent], Card | None]


class Decisions(QObject):
    """Knows the options and agreements of every model, and the card; what cannot be written is the worker's notice."""

    changed = Signal()

    def __init__(self, worker: EngineThread) -> None:
        super().__init__()
        self._worker = worker
        self._options: dict[str, ModelOptions] = {}
        self._agreed: list[Consent] = []
        self._card: Card | None = None
        self._looked = False

    def options(self, name: str) -> ModelOptions:
        """How a model is to be loaded."""
        return self._options.get(name, ModelOptions())

    def agreed(self, name: str) -> bool:
        """Whether the user agreed to run code of this model, at whatever revision."""
        return any(each.model == name for each in self._agreed)

    def fit(self, facts: ModelFacts) -> Fit | None:
        """Whether a model as it would be loaded has room on the card; None before that was looked at."""
        return fit(facts, self.options(facts.name), self._card) if self._looked else None

    def read(self) -> None:
        """Look again at what is kept."""
        self._worker.submit("decisions", _read, self._take_in)

    def choose(self, facts: ModelFacts, options: ModelOptions) -> None:
        """Load a model in another way from now on."""
        self._options[facts.name] = options
        self.changed.emit()

        def keep(context: JobContext) -> Decided:
            keep_options(facts, options)
            return _read(context)

        self._worker.submit(f"options {facts.name}", keep, self._take_in, failed=self._look_again)

    def withdraw(self, name: str) -> None:
        """Take back every agreement to run code of a model."""

        def forget(context: JobContext) -> Decided:
            revoke(name)
            return _read(context)

        self._worker.submit("consent", forget, self._take_in)

    def _take_in(self, decided: Decided) -> None:
        self._options, self._agreed, self._card = decided
        self._looked = True
        self.changed.emit()

    def _look_again(self, error: BaseException) -> None:
        self._options = {}
        self._worker.tell(error)
        self.read()


def _read(_context: JobContext) -> Decided:
    # All of its memory: what is free now says nothing about what is free once the model in use has made room.
    return all_options(), given(), first_card(whole=True)
