"""What can be done when a model is lost: offered in a notice, while the window and all takes stay as they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from PySide6.QtCore import QObject, Signal

from studio.errors import Cancelled, StudioError
from studio.gui.engine_thread import notice_of
from studio.gui.loading import Loaded, ModelKeeper
from studio.gui.widgets.notices import Notice, Offer
from studio.lalm.catalog import DEFAULT, find_model
from studio.lalm.entries import ModelFacts
from studio.lalm.failures import DoesNotFit, HostError, is_loss, is_out_of_memory
from studio.lalm.options import ModelOptions, options_of


class Load(Protocol):
    """Goes on with another model, or with the same loaded in another way."""

    def __call__(self, name: str, *, options: ModelOptions | None = None) -> object:
        """``options`` None: those that are kept."""
        ...


@dataclass(frozen=True)
class Ways:
    """How work that lost its model goes on: ``again``, with ``fewer`` in one batch, or after another ``load``.

    ``embedded``: whether the model that ships is a way out. The hints say what each comes to.
    """

    again: Callable[[], object]
    load: Load
    fewer: Callable[[], object] | None = None
    embedded: bool = True
    again_hint: str = "Start the model again and repeat what failed"
    fewer_hint: str = "Render the same takes, half as many at once"
    smaller_hint: str = "Load it again, with less memory; kept for the next time"
    embedded_hint: str = "Go on with the model that ships with the studio"
    advice: str = "render fewer takes at once or a shorter recording"


class Recovery(QObject):
    """Says what happened to the window's model, in one sentence, with a button for each way to go on."""

    notice = Signal(object)

    def __init__(self, keeper: ModelKeeper) -> None:
        super().__init__()
        self._keeper = keeper
        keeper.failed.connect(self.tell_of_loading)

    def tell(
        self, error: BaseException, again: Callable[[], object], fewer: Callable[[], object] | None = None
    ) -> None:  # fmt: skip
        """Work with the loaded model failed; ``again`` repeats it, ``fewer`` with less in one batch."""
        loaded = self._keeper.loaded
        name = loaded.name if loaded is not None else DEFAULT
        title = loaded.model.info.title if loaded is not None else "The model"
        self._say(error, name, title, Ways(again, self._keeper.choose, fewer), log_of(loaded, error))

    def tell_of_loading(self, error: BaseException, name: str) -> None:
        """A model could not be loaded."""
        loaded = self._keeper.loaded
        embedded = loaded is None or loaded.name != DEFAULT
        self._say(error, name, name, Ways(self._keeper.load, self._keeper.choose, embedded=embedded))

    def _say(self, error: BaseException, name: str, title: str, ways: Ways, log: str = "") -> None:
        if not isinstance(error, Cancelled):
            self.notice.emit(lost(error, name, title, ways, log))


def lost(error: BaseException, name: str, title: str, ways: Ways, log: str = "") -> Notice:
    """What happened to the model called ``name`` in the catalog and ``title`` by people, and what can be done.

    ``log`` is what its host wrote last. An error that is no loss of the model has no ways out.
    """
    plain = notice_of(error)
    details = "\n".join(filter(None, (plain.details, log)))
    offers = _offers(error, find_model(name).facts, ways) if is_loss(error) else ()
    return Notice(_in_words(error, title, ways.advice) or plain.text, details, offers=offers)


def log_of(loaded: Loaded | None, error: BaseException) -> str:
    """What a host wrote last, for whoever looks into why it was lost."""
    return getattr(loaded.model, "log", "") if loaded is not None and isinstance(error, HostError) else ""


def _offers(error: BaseException, facts: ModelFacts, ways: Ways) -> tuple[Offer, ...]:
    full = is_out_of_memory(error) or isinstance(error, DoesNotFit)
    offers = [Offer("Start it again", ways.again, ways.again_hint)]
    if full and ways.fewer is not None:
        offers.insert(0, Offer("Smaller batch", ways.fewer, ways.fewer_hint))
    if full:
        now = _options(facts.name)
        # The next precision that takes less memory, where there is one.
        for precision in facts.smaller(now.precision)[:1]:
            load = partial(ways.load, facts.name, options=replace(now, precision=precision))
            offers.append(Offer(f"Load it in {precision}", load, ways.smaller_hint))
    if facts.name != DEFAULT and ways.embedded:
        offers.append(Offer("Use the embedded model", partial(ways.load, DEFAULT), ways.embedded_hint))
    return tuple(offers)


def _options(name: str) -> ModelOptions:
    try:
        return options_of(name)
    except StudioError:
        return ModelOptions()


def _in_words(error: BaseException, title: str, advice: str) -> str | None:
    """A sentence where the error has none of its own: memory that ran out in this process."""
    if not is_out_of_memory(error) or isinstance(error, HostError):
        return None
    return f"{title} ran out of memory; {advice}, or close other programs."
