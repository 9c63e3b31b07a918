"""What can be done when a model is lost: offered in a notice, while the window and all takes stay as they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from PySide6.QtCore import QObject, Signal

from studio.errors import Cancelled, StudioError
from studio.gui.engine_thread import notice_of
from studio.gui.loading import ModelKeeper
from studio.gui.widgets.notices import Notice, Offer
from studio.lalm.catalog import DEFAULT, find_model
from studio.lalm.entries import ModelFacts
from studio.lalm.failures import DoesNotFit, HostError, is_out_of_memory
from studio.lalm.options import ModelOptions, options_of


class Recovery(QObject):
    """Says what happened to the model, in one sentence, with a button for each way to go on."""

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
        offers = self._ways(error, name, again, fewer)
        title = loaded.model.info.title if loaded is not None else "The model"
        # What a host wrote last is for whoever looks into it.
        log = getattr(loaded.model, "log", "") if loaded is not None and isinstance(error, HostError) else ""
        self._say(_in_words(error, title), error, offers, log)

    def tell_of_loading(self, error: BaseException, name: str) -> None:
        """A model could not be loaded."""
        self._say(_in_words(error, name), error, self._ways(error, name, self._keeper.load, None))

    def _say(self, words: str | None, error: BaseException, offers: tuple[Offer, ...], log: str = "") -> None:
        if not isinstance(error, Cancelled):
            plain = notice_of(error)
            details = "\n".join(filter(None, (plain.details, log)))
            self.notice.emit(Notice(words or plain.text, details, offers=offers))

    def _ways(
        self, error: BaseException, name: str, again: Callable[[], object], fewer: Callable[[], object] | None
    ) -> tuple[Offer, ...]:  # fmt: skip
        full = is_out_of_memory(error) or isinstance(error, DoesNotFit)
        if not full and not isinstance(error, HostError):
            return ()
        offers = [Offer("Start it again", again, "Start the model again and repeat what failed")]
        if full and fewer is not None:
            offers.insert(0, Offer("Smaller batch", fewer, "Render the same takes, half as many at once"))
        if full:
            offers += self._smaller_precision(find_model(name).facts)
        if name != DEFAULT and not self._uses(DEFAULT):
            embedded = partial(self._keeper.choose, DEFAULT)
            offers.append(Offer("Use the embedded model", embedded, "Go on with the model that ships with the studio"))
        return tuple(offers)

    def _smaller_precision(self, facts: ModelFacts) -> list[Offer]:
        """The next precision that takes less memory, where there is one."""
        now = _options(facts.name)
        return [
            Offer(
                f"Load it in {precision}",
                partial(self._keeper.choose, facts.name, options=replace(now, precision=precision)),
                f"Load {facts.title} again, with less memory; kept for the next time",
            )
            for precision in facts.smaller(now.precision)[:1]
        ]

    def _uses(self, name: str) -> bool:
        return self._keeper.loaded is not None and self._keeper.loaded.name == name


def _options(name: str) -> ModelOptions:
    try:
        return options_of(name)
    except StudioError:
        return ModelOptions()


def _in_words(error: BaseException, title: str) -> str | None:
    """A sentence where the error has none of its own: memory that ran out in this process."""
    if not is_out_of_memory(error) or isinstance(error, HostError):
        return None
    return f"{title} ran out of memory; render fewer takes at once or a shorter recording, or close other programs."
