"""The search for neurons seen from the window: what was asked, how far it is, what it found; no widgets."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSettings, Signal

from studio.engine import JobContext
from studio.errors import Cancelled
from studio.gui.engine_thread import EngineThread, notice_of
from studio.gui.loading import Loaded, ModelKeeper
from studio.gui.wizard import work
from studio.gui.wizard.recipe import Recipe
from studio.gui.wizard.work import Checked, Left, Selection, Snapshot
from studio.paths import user_data_dir

if TYPE_CHECKING:
    from studio.corpora.base import Utterance
    from studio.pipelines.records import Attempt

SLOT = "identify"
TAKEN = "The model is finding neurons; pause the search to render"
_UNFINISHED = "wizard/unfinished"


class Stage(StrEnum):
    """Where the search is."""

    READY = "ready"
    RUNNING = "running"
    STOPPING = "stopping"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FINISHED = "finished"


class Search(QObject):
    """One search at a time: its recipe, its corpus, its run in the model's worker, and what a person hears in it.

    ``settings`` remember the folder of a search that is not saved yet, so that the next start can offer to go on.
    """

    recipe_changed = Signal()
    check_changed = Signal()
    check_progress = Signal(float)
    stage_changed = Signal()
    progress = Signal(float)
    advanced = Signal(object)
    selection_changed = Signal()
    verdicts_changed = Signal()
    ordered = Signal(object)
    saved = Signal()
    save_refused = Signal()
    notice = Signal(object)

    def __init__(self, keeper: ModelKeeper, renders: EngineThread, files: EngineThread) -> None:
        super().__init__()
        self.keeper = keeper
        self._renders = renders
        self._files = files
        self._settings: QSettings | None = None
        self._reset(Recipe())
        keeper.loaded_changed.connect(self._start_if_waiting)

    def _reset(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.checked: Checked | None = None
        self.checking = False
        self.stage = Stage.READY
        self.folder: Path | None = None
        self.snapshot: Snapshot | None = None
        self.attempts: list[Attempt] = []
        self.verdicts: dict[str, bool] = {}
        self.selection: Selection | None = None
        self.selecting = False
        self.saved_to: Path | None = None
        self._begun: Recipe | None = None
        self._proposed: Recipe | None = None
        self._utterances: list[Utterance] | None = None
        self._then = Stage.PAUSED
        self._written = 0
        self._waiting = False

    @property
    def active(self) -> bool:
        """Whether conversions are being made, or are about to stop."""
        return self.stage in (Stage.RUNNING, Stage.STOPPING)

    @property
    def found(self) -> int:
        """Successes so far."""
        return sum(self.snapshot.successes.values()) if self.snapshot is not None else 0

    def remember_in(self, settings: QSettings) -> None:
        """Where to remember the search that is under way."""
        self._settings = settings

    def unfinished(self) -> Path | None:
        """The folder of a search that was begun and never saved, if one is remembered."""
        value = self._settings.value(_UNFINISHED, "") if self._settings is not None else ""
        return Path(str(value)) if value else None

    def forget(self) -> None:
        """Offer that search no more; its folder stays."""
        if self._settings is not None:
            self._settings.remove(_UNFINISHED)

    def begin_anew(self) -> None:
        """Forget answers and results; the folder stays."""
        self._reset(Recipe())
        for changed in (self.recipe_changed, self.check_changed, self.stage_changed, self.selection_changed):
            changed.emit()

    def set_recipe(self, recipe: Recipe) -> None:
        """Other answers. Another corpus has to be checked again."""
        before, self.recipe = self.recipe, recipe
        if (before.corpus, before.layout) != (recipe.corpus, recipe.layout):
            self.stop_check()
            self.checked = None
            self.check_changed.emit()
        if recipe != before:
            self.recipe_changed.emit()

    # The corpus

    def check(self) -> None:
        """Check the corpus, unless that was done."""
        if self.checked is not None or self.checking:
            return
        self.checking = True
        self.check_changed.emit()
        self._files.submit(
            "check",
            partial(work.check, self.recipe),
            self._take_check,
            failed=self._fail_check,
            progress=self.check_progress.emit,
        )

    def stop_check(self) -> None:
        """Stop checking."""
        if self.checking:
            self._files.cancel("check")

    def _take_check(self, checked: Checked) -> None:
        self.checking = False
        self.checked = checked
        self._utterances = None
        self.check_changed.emit()

    def _fail_check(self, error: BaseException) -> None:
        self.checking = False
        self.check_changed.emit()
        self._tell(error)

    # The run

    def choose_folder(self) -> Path:
        """The job folder: the one begun, unless other answers need conversions of their own."""
        asked_for = self._begun or self._proposed
        if self.folder is None or asked_for is None or not self.recipe.same_job(asked_for):
            self.folder, self._proposed, self._begun = self._new_folder(), self.recipe, None
            self._utterances, self.snapshot, self.verdicts = None, None, {}
        return self.folder

    def _new_folder(self) -> Path:
        name = (
            "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in self.recipe.title) or "corpus"
        )
        return user_data_dir() / "jobs" / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"

    def start(self) -> None:
        """Start, or go on; without a model this waits for one."""
        loaded = self.keeper.loaded
        self._waiting = loaded is None
        if self.active or loaded is None:
            return
        folder = self.choose_folder()
        self._begun = self.recipe
        self.attempts, self.selection, self.saved_to = [], None, None
        self._set_stage(Stage.RUNNING)
        self._remember(folder)
        self.keeper.take(TAKEN)
        self._renders.submit(
            SLOT,
            partial(_search, loaded, self.recipe, folder, self.checked, self._utterances),
            self._finish,
            failed=self._stop,
            progress=self.progress.emit,
            event=self._advance,
        )

    def pause(self) -> None:
        """Stop at the next token; ``start`` goes on."""
        self._halt(Stage.PAUSED)

    def cancel(self) -> None:
        """Stop and offer it no more at the next start; what was converted stays in its folder."""
        if self.stage is Stage.PAUSED:
            self._set_stage(Stage.CANCELLED)
            self.forget()
        else:
            self._halt(Stage.CANCELLED)

    def reopen(self, folder: Path) -> None:
        """Take up a search that was left; ``advanced`` and ``stage_changed`` tell when it is there."""
        self._files.submit(
            "reopen",
            lambda _context: (work.look_into(folder), work.reopen(folder)),
            self._take_up,
            failed=self._tell,
        )

    def _start_if_waiting(self) -> None:
        if self._waiting and self.keeper.loaded is not None:
            self.start()

    def _halt(self, then: Stage) -> None:
        if self.stage is Stage.RUNNING:
            self._then = then
            self._set_stage(Stage.STOPPING)
            self._renders.cancel(SLOT)

    def _take_up(self, found: tuple[Left, list[Utterance]]) -> None:
        left, utterances = found
        self._reset(left.recipe)
        self._begun, self._utterances, self.folder = left.recipe, utterances, left.folder
        self.attempts, self.verdicts = list(left.attempts), dict(left.verdicts)
        tried, successes = work.count(left.attempts, left.recipe.emotions)
        done = len(left.attempts)
        self.snapshot = Snapshot(0, done, None, tried, successes, left.attempts, None, fresh=True)
        self.recipe_changed.emit()
        self._set_stage(Stage.PAUSED)

    def _advance(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.attempts = [*([] if snapshot.fresh else self.attempts), *snapshot.latest]
        self.advanced.emit(snapshot)

    def _finish(self, selection: Selection) -> None:
        self.keeper.release()
        self.selection = selection
        self._set_stage(Stage.FINISHED)
        self.selection_changed.emit()

    def _stop(self, error: BaseException) -> None:
        self.keeper.release()
        stopped = isinstance(error, Cancelled)
        then = self._then if stopped else Stage.PAUSED
        if then is Stage.CANCELLED:
            self.forget()
        self._set_stage(then)
        self._tell(error)

    def _set_stage(self, stage: Stage) -> None:
        self.stage = stage
        self.stage_changed.emit()

    def _remember(self, folder: Path) -> None:
        if self._settings is not None:
            self._settings.setValue(_UNFINISHED, str(folder))

    # The result

    def order_for_review(self) -> None:
        """Ask for the conversions that can be heard, in the order in which to listen; ``ordered`` brings them."""
        attempts, seed = self.attempts, self.recipe.seed
        self._files.submit(
            "order", lambda _context: work.in_review_order(attempts, seed), self.ordered.emit, failed=self._tell
        )

    def select_again(self, *, by_ear: bool) -> None:
        """Select from the judge's successes, or from those a person accepted."""
        if self.folder is None or self.active:
            return
        folder, recipe = self.folder, self.recipe
        self.selecting = True
        self.selection_changed.emit()
        self._files.submit(
            "select",
            lambda _context: work.select_again(folder, recipe, by_ear=by_ear),
            self._take_selection,
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
        self._written += 1
        # A slot of its own each: no verdict ever replaces another.
        self._files.submit(
            f"verdict {self._written}",
            lambda _context: work.record(folder, attempt, accepted),
            lambda _none: None,
            failed=self._tell,
        )
        self.verdicts_changed.emit()

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

    def _take_selection(self, selection: Selection) -> None:
        self.selecting = False
        self.selection = selection
        self.saved_to = None
        self.selection_changed.emit()

    def _fail_selection(self, error: BaseException) -> None:
        self.selecting = False
        self.selection_changed.emit()
        self._tell(error)

    def _take_saved(self, path: Path | None) -> None:
        if path is None:
            self.save_refused.emit()
            return
        self.saved_to = path
        self.forget()
        self.saved.emit()

    def _tell(self, error: BaseException) -> None:
        if not isinstance(error, Cancelled):
            self.notice.emit(notice_of(error))


def _search(
    loaded: Loaded,
    recipe: Recipe,
    folder: Path,
    checked: Checked | None,
    utterances: list[Utterance] | None,
    context: JobContext,
) -> Selection:
    if utterances is None:
        if checked is None:
            utterances = work.reopen(folder)
        else:
            utterances = work.prepare(checked, recipe, folder)
    return work.search(loaded, recipe, utterances, folder, context)
