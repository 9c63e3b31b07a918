"""The search for neurons seen from the window: what is asked for, and the run, from stage to stage; no widgets."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from itertools import chain, count
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from studio.engine import JobContext
from studio.errors import Cancelled
from studio.gui.engine_thread import EngineThread, notice_of
from studio.gui.loading import Loaded, ModelKeeper
from studio.gui.recovery import Ways, log_of, lost
from studio.gui.widgets.notices import Notice
from studio.gui.wizard import work
from studio.gui.wizard.corpus import CorpusCheck
from studio.gui.wizard.results import Results
from studio.gui.wizard.unfinished import Unfinished
from studio.gui.wizard.work import Checked, Left, Selection, Snapshot
from studio.lalm.catalog import find_model
from studio.lalm.failures import is_loss
from studio.lalm.options import ModelOptions
from studio.paths import user_data_dir
from studio.pipelines.recipe import Recipe

SLOT = "identify"
TAKEN = "The model is finding neurons; pause the search to render"


class Stage(StrEnum):
    """Where the search is."""

    READY = "ready"
    RUNNING = "running"
    STOPPING = "stopping"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FINISHED = "finished"


class Search(QObject):
    """One search at a time: its recipe, its folder, and its run in the model's worker.

    ``corpus`` checks what it converts, ``results`` hold what it finds, ``unfinished`` what later starts may offer.
    ``taken_up`` tells that a search that was left is there again.
    """

    recipe_changed = Signal()
    stage_changed = Signal()
    progress = Signal(float)
    advanced = Signal(object)
    taken_up = Signal()
    notice = Signal(object)

    def __init__(self, keeper: ModelKeeper, renders: EngineThread, files: EngineThread) -> None:
        super().__init__()
        self.keeper = keeper
        self.corpus = CorpusCheck(files)
        self.results = Results(files)
        self.unfinished = Unfinished()
        self._renders = renders
        self._files = files
        self._reset(Recipe())
        self.corpus.notice.connect(self.notice)
        self.results.notice.connect(self.notice)
        self.results.saved.connect(self._forget)
        keeper.loaded_changed.connect(self._start_if_waiting)
        keeper.failed.connect(self._give_up_waiting)

    def _reset(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.stage = Stage.READY
        self.folder: Path | None = None
        self.snapshot: Snapshot | None = None
        self._begun: Recipe | None = None
        self._proposed: Recipe | None = None
        self._then = Stage.PAUSED
        self._waiting = False
        self._wanted: tuple[str, ModelOptions | None] | None = None
        self._beside: Path | None = None
        self._at_once: int | None = None

    @property
    def active(self) -> bool:
        """Whether conversions are being made, or are about to stop."""
        return self.stage in (Stage.RUNNING, Stage.STOPPING)

    @property
    def found(self) -> int:
        """Successes so far."""
        return sum(self.snapshot.successes.values()) if self.snapshot is not None else 0

    def begin_anew(self) -> None:
        """Forget answers and results; the folder stays."""
        self._reset(Recipe())
        self.results.begin(None, self.recipe)
        self.corpus.drop()
        self.recipe_changed.emit()
        self.stage_changed.emit()

    def set_recipe(self, recipe: Recipe) -> None:
        """Other answers. Another corpus has to be checked again, and another seed may split it in another way."""
        before, self.recipe = self.recipe, recipe
        if (before.corpus, before.layout) != (recipe.corpus, recipe.layout):
            self.corpus.drop()
        elif before.seed != recipe.seed:
            self.corpus.split_again(recipe.seed)
        if recipe != before:
            self.recipe_changed.emit()

    def choose_folder(self) -> Path:
        """The job folder: the one begun, unless other answers need conversions of their own."""
        asked_for = self._begun or self._proposed
        if self.folder is None or asked_for is None or not self.recipe.same_job(asked_for):
            self.folder, self._proposed, self._begun = self._new_folder(), self.recipe, None
            self.snapshot, self._at_once = None, None
        return self.folder

    def _new_folder(self) -> Path:
        name = (
            "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in self.recipe.title) or "corpus"
        )
        name = f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
        folders = (user_data_dir() / "jobs" / f"{name}{more}" for more in chain([""], (f"-{n}" for n in count(2))))
        return next(folder for folder in folders if not folder.exists())

    def start(self) -> None:
        """Start, or go on; without a model this waits for one."""
        loaded = self.keeper.loaded
        self._waiting = loaded is None
        if self.active or loaded is None:
            return
        self._wanted = None
        folder = self.choose_folder()
        self._begun = self.recipe
        if self.snapshot is not None:
            self.snapshot = replace(self.snapshot, total=0)
        self.results.begin(folder, self.recipe)
        self._set_stage(Stage.RUNNING)
        self.unfinished.remember(folder)
        self.keeper.take(TAKEN)
        self._renders.submit(
            SLOT,
            partial(_search, loaded, self.recipe, folder, self.corpus.checked, self._beside, self._at_once),
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
            self._forget()
        else:
            self._halt(Stage.CANCELLED)

    def reopen(self, folder: Path) -> None:
        """Take up a search that was left, or any job folder; ``notice`` says why that cannot be."""
        if self.active:
            self.notice.emit(Notice("A search is running; pause it before you go on with another.", kind="info"))
            return
        self._files.submit("reopen", lambda _context: work.look_into(folder), self._take_up, failed=self._tell)

    def _start_if_waiting(self) -> None:
        loaded = self.keeper.loaded
        if not self._waiting or loaded is None:
            return
        # When another model cannot be loaded, the one before comes back, which is not what was asked for.
        if self._wanted is None or self._wanted in ((loaded.name, loaded.options), (loaded.name, None)):
            self.start()

    def _give_up_waiting(self, error: BaseException, name: str) -> None:
        if self._wanted is not None and self._wanted[0] == name:
            self._waiting, self._wanted = False, None
            self._tell(error)

    def _start_smaller(self, at_once: int) -> None:
        """Go on with the same job, its batches converted in pieces."""
        self._at_once = at_once
        self.start()

    def _start_with(self, name: str, *, options: ModelOptions | None = None) -> None:
        """Search with another model, or the same loaded in another way, in a job of its own over the same corpus."""
        loaded = self.keeper.loaded
        if self.active or self.keeper.taken is not None or self.keeper.loading:
            return
        before = self.folder if self.corpus.checked is None else None
        self.set_recipe(replace(self.recipe, model=name))
        self.folder, self.snapshot, self._beside, self._at_once = None, None, before or self._beside, None
        if loaded is not None and loaded.name == name and options is None:
            self.start()
        else:
            self._waiting, self._wanted = True, (name, options)
            self.keeper.choose(name, options=options)

    def _halt(self, then: Stage) -> None:
        if self.stage is Stage.RUNNING:
            self._then = then
            self._set_stage(Stage.STOPPING)
            self._renders.cancel(SLOT)

    def _take_up(self, left: Left) -> None:
        self._reset(left.recipe)
        self._begun, self.folder = left.recipe, left.folder
        self.corpus.drop()
        self.results.begin(left.folder, left.recipe)
        self.results.take_up(left.snapshot.latest, left.verdicts)
        self.snapshot = left.snapshot
        self.recipe_changed.emit()
        self._set_stage(Stage.PAUSED)
        self.taken_up.emit()

    def _advance(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        results = self.results
        results.attempts = [*([] if snapshot.fresh else results.attempts), *snapshot.latest]
        self.advanced.emit(snapshot)

    def _finish(self, selection: Selection) -> None:
        self.keeper.release()
        self.results.take_selection(selection)
        self._set_stage(Stage.FINISHED)

    def _stop(self, error: BaseException) -> None:
        self.keeper.release()
        stopped = isinstance(error, Cancelled)
        then = self._then if stopped else Stage.PAUSED
        if then is Stage.CANCELLED or (not stopped and self.snapshot is None):
            self._forget()
        self._set_stage(then)
        if is_loss(error):
            self._tell_of_loss(error)
        else:
            self._tell(error)

    def _tell_of_loss(self, error: BaseException) -> None:
        """Say what happened to the model; the job is kept, and goes on by the button that is pressed."""
        facts, loaded, at_once = find_model(self.recipe.model).facts, self.keeper.loaded, self._at_once
        rows = at_once or self.recipe.batch
        another = "begins a search of its own, since other conversions come of it; this one is kept"
        ways = Ways(
            self.start,
            self._start_with,
            partial(self._start_smaller, (rows + 1) // 2) if facts.batches and rows > 1 else None,
            again_hint="Start the model again and go on where the search was",
            fewer_hint="Go on where the search was, half as many conversions at once",
            smaller_hint=f"Load it again, with less memory: {another}",
            embedded_hint=f"The model that ships with the studio: {another}",
            advice="convert fewer at once",
        )
        own = loaded if loaded is not None and loaded.name == facts.name else None
        self.notice.emit(lost(error, facts.name, facts.title, ways, log_of(own, error)))

    def _set_stage(self, stage: Stage) -> None:
        self.stage = stage
        self.stage_changed.emit()

    def _forget(self) -> None:
        if self.folder is not None:
            self.unfinished.forget(self.folder)

    def _tell(self, error: BaseException) -> None:
        if not isinstance(error, Cancelled):
            self.notice.emit(notice_of(error))


def _search(
    loaded: Loaded,
    recipe: Recipe,
    folder: Path,
    checked: Checked | None,
    beside: Path | None,
    at_once: int | None,
    context: JobContext,
) -> Selection:
    """A search that was taken up has its split in its folder, or that of another one, and need not be checked again."""
    if checked is not None:
        utterances = work.prepare(checked, recipe, folder)
    elif beside is not None:
        utterances = work.begin_beside(beside, recipe, folder)
    else:
        utterances = work.reopen(folder)
    return work.search(loaded, recipe, utterances, folder, at_once, context)
