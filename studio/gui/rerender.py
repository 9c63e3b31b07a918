"""Rendering a take again from its settings, to see that the same samples come back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from studio.engine import JobContext
from studio.gui.asking import vectors_of
from studio.gui.engine_thread import EngineThread
from studio.gui.loading import Loaded, ModelKeeper
from studio.gui.recovery import Recovery
from studio.gui.shown import ShownTake
from studio.gui.widgets.notices import Notice

if TYPE_CHECKING:
    from studio.session.reproduce import Comparison

_SLOT = "again"


class Rerender(QObject):
    """Renders one take at a time again and tells in a notice how it compares; the take stays as it is."""

    notice = Signal(object)
    progress = Signal(float)
    active_changed = Signal()

    def __init__(self, worker: EngineThread, keeper: ModelKeeper, recovery: Recovery) -> None:
        super().__init__()
        self._worker = worker
        self._keeper = keeper
        self._recovery = recovery
        self.active = False

    def start(self, shown: ShownTake) -> None:
        """Render ``shown`` again; a comparison under way is given up."""
        loaded = self._keeper.loaded
        blocked = self._keeper.problem if loaded is None else self._keeper.taken
        if loaded is None or blocked is not None:
            self.notice.emit(Notice(f"{blocked}.", kind="info"))
            return
        self._set_active(True)
        self._worker.submit(
            _SLOT,
            partial(_work, loaded, shown),
            partial(self._tell, shown),
            failed=partial(self._fail, shown),
            progress=self.progress.emit,
        )

    def cancel(self) -> None:
        """Give the comparison up."""
        self._worker.cancel(_SLOT)

    def _tell(self, shown: ShownTake, comparison: Comparison) -> None:
        self._set_active(False)
        kind = "info" if comparison.identical else "error"
        self.notice.emit(Notice(f"Take {shown.number} rendered again is {comparison.sentence}.", kind=kind))

    def _fail(self, shown: ShownTake, error: BaseException) -> None:
        self._set_active(False)
        self._recovery.tell(error, partial(self.start, shown))

    def _set_active(self, active: bool) -> None:
        self.active = active
        self.active_changed.emit()


def _work(loaded: Loaded, shown: ShownTake, context: JobContext) -> Comparison:
    from studio.session.reproduce import render_again

    mask = shown.mask.mask if shown.mask is not None else None
    vectors = vectors_of(shown.steer)
    return render_again(loaded.model, shown.take, mask, vectors, progress=context.progress, cancelled=context.cancelled)
