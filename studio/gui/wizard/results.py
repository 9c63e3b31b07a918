"""What a search has come to: its conversions, what a person heard in them, the mask, and saving it; no widgets."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from studio.errors import Cancelled, StudioError
from studio.gui.engine_thread import EngineThread, notice_of
from studio.gui.wizard import work
from studio.gui.wizard.work import Selection
from studio.pipelines.recipe import Recipe

if TYPE_CHECKING:
    from studio.pipelines.records import Attempt


class Results(QObject):
    """The results of the job in ``folder``, made after ``recipe``; None and the proposals while there is none."""

    selection_changed = Signal()
    verdicts_changed = Signal()
    ordered = Signal(object)
    saved = Signal()
    save_refused = Signal()
    notice = Signal(object)

    def __init__(self, files: EngineThread) -> None:
        super().__init__()
        self._files = files
        self.folder: Path | None = None
        self.recipe = Recipe()
        self.attempts: list[Attempt] = []
        self.verdicts: dict[str, bool] = {}
        self.selection: Selection | None = None
        self.selecting = False
        self.saved_to: Path | None = None
        self._given = 0
        self._unwritten: dict[int, Callable[[], None]] = {}

    def begin(self, folder: Path | None, recipe: Recipe) -> None:
        """Another run, of another job or of the same, which keeps its conversions and its human verdicts."""
        self._files.cancel("select")
        if folder != self.folder:
            self.attempts, self.verdicts = [], {}
        self.folder, self.recipe = folder, recipe
        self.selection, self.saved_to, self.selecting = None, None, False
        self.selection_changed.emit()

    def take_up(self, attempts: Iterable[Attempt], verdicts: Mapping[str, bool]) -> None:
        """What the job has come to before."""
        self.attempts, self.verdicts = list(attempts), dict(verdicts)

    def take_selection(self, selection: Selection) -> None:
        """A mask was selected."""
        self.selecting = False
        self.selection = selection
        self.saved_to = None
        self.selection_changed.emit()

    @property
    def method(self) -> str:
        """What the field calls the mask: CAS, or CAS-H when people chose the successes."""
        name = self.recipe.selector
        name = name.capitalize() if name == "random" else name.upper()
        return f"{name}-H" if self.selection is not None and self.selection.by_ear and name != "Random" else name

    def order_for_review(self) -> None:
        """Ask for the conversions that can be heard, in the order in which to listen; ``ordered`` brings them."""
        attempts, seed = self.attempts, self.recipe.seed
        self._files.submit(
            "order", lambda _context: work.in_review_order(attempts, seed), self.ordered.emit, failed=self._tell
        )

    def select_again(self, *, by_ear: bool) -> None:
        """Select from the judge's successes, or from those a person accepted."""
        if self.folder is None:
            return
        folder, recipe = self.folder, self.recipe
        self.selecting = True
        self.selection_changed.emit()
        self._files.submit(
            "select",
            lambda _context: work.select_again(folder, recipe, by_ear=by_ear),
            self.take_selection,
            failed=self._fail_selection,
        )

    def judge(self, attempt: Attempt, accepted: bool | None) -> None:
        """Write down what a person heard in a conversion; None takes it back."""
        if self.folder is None:
            return
        name, folder = attempt.id, self.folder
        if accepted is None:
            self.verdicts.pop(name, None)
        else:
            self.verdicts[name] = accepted
        self._given += 1
        number, write = self._given, partial(work.record, folder, attempt, accepted)
        self._unwritten[number] = write
        # A slot of its own each: no verdict ever replaces another.
        self._files.submit(
            f"verdict {number}",
            lambda _context: write(),
            lambda _none: self._forget_verdict(number),
            failed=partial(self._fail_verdict, number),
        )
        self.verdicts_changed.emit()

    def close(self) -> None:
        """Write the verdicts that the worker did not come to before it ended."""
        for write in self._unwritten.values():
            with contextlib.suppress(StudioError):  # nobody is there to be told
                write()
        self._unwritten.clear()

    def verdict(self, attempt: Attempt) -> bool | None:
        """What a person heard in a conversion, as far as somebody listened."""
        return self.verdicts.get(attempt.id)

    def save(self, path: Path, *, replace: bool = False) -> None:
        """Write the mask; ``save_refused`` says that there is one of that name, which only ``replace`` gives up."""
        selection = self.selection
        if selection is not None:
            self._files.submit(
                "save",
                lambda _context: work.save_mask(selection, path, replace=replace),
                self._take_saved,
                failed=self._tell,
            )

    def _forget_verdict(self, number: int) -> None:
        self._unwritten.pop(number, None)

    def _fail_verdict(self, number: int, error: BaseException) -> None:
        self._forget_verdict(number)
        self._tell(error)

    def _fail_selection(self, error: BaseException) -> None:
        self.selecting = False
        self.selection_changed.emit()
        self._tell(error)

    def _take_saved(self, path: Path | None) -> None:
        if path is None:
            self.save_refused.emit()
            return
        self.saved_to = path
        self.saved.emit()

    def _tell(self, error: BaseException) -> None:
        if not isinstance(error, Cancelled):
            self.notice.emit(notice_of(error))
