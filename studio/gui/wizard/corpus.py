"""The corpus of a search, checked in the background; no widgets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, Signal

from studio.engine import JobContext
from studio.errors import Cancelled
from studio.gui.engine_thread import EngineThread, notice_of
from studio.gui.wizard import work
from studio.gui.wizard.work import Checked
from studio.pipelines.recipe import Recipe

_SLOT = "check"


class CorpusCheck(QObject):
    """Checks one corpus at a time; ``checked`` is what was found, None until then."""

    changed = Signal()
    progress = Signal(float)
    notice = Signal(object)

    def __init__(self, files: EngineThread) -> None:
        super().__init__()
        self._files = files
        self.checked: Checked | None = None
        self.checking = False
        self._turn = 0

    def check(self, recipe: Recipe) -> None:
        """Check the recipe's corpus, unless that was done."""
        if self.checked is None and not self.checking:
            self.checking = True
            self._submit(partial(work.check, recipe))
            self.changed.emit()

    def split_again(self, seed: int) -> None:
        """Draw the split anew; a corpus that has a customary one keeps it."""
        if self.checked is not None:
            report = self.checked.report
            self._submit(lambda _context: work.split_up(report, seed))

    def stop(self) -> None:
        """Stop checking; what a worker is still busy with is not waited for."""
        if self.checking:
            self._leave()
            self.changed.emit()

    def drop(self) -> None:
        """Forget what was found: it is another corpus now."""
        self._leave()
        self.checked = None
        self.changed.emit()

    def _leave(self) -> None:
        self._turn += 1
        self.checking = False
        self._files.cancel(_SLOT)

    def _submit(self, task: Callable[[JobContext], Checked]) -> None:
        # Whatever still arrives from an earlier turn is about a corpus, or a split, that nobody asks for any more.
        self._turn += 1
        turn = self._turn
        self._files.submit(
            _SLOT, task, partial(self._take, turn), failed=partial(self._fail, turn), progress=partial(self._tell, turn)
        )

    def _tell(self, turn: int, share: float) -> None:
        if turn == self._turn:
            self.progress.emit(share)

    def _take(self, turn: int, checked: Checked) -> None:
        if turn == self._turn:
            self.checking = False
            self.checked = checked
            self.changed.emit()

    def _fail(self, turn: int, error: BaseException) -> None:
        if turn == self._turn:
            self.checking = False
            self.changed.emit()
            if not isinstance(error, Cancelled):
                self.notice.emit(notice_of(error))
