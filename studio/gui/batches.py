"""Many takes in one batch: the contact sheet, and the search for the strongest setting that keeps words and voice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from studio.engine import JobContext
from studio.errors import Cancelled, StudioError
from studio.gui.analysis import Drawing, draw
from studio.gui.asking import settings_of, vectors_of
from studio.gui.engine_thread import EngineThread
from studio.gui.intensity import RANGES
from studio.gui.loading import Loaded, ModelKeeper
from studio.gui.recovery import Recovery
from studio.gui.renders import Renders
from studio.gui.shown import ShownMask, ShownTake, Source, Steer
from studio.gui.state import StudioState
from studio.gui.words import Word, words_of

if TYPE_CHECKING:
    from studio.session.auto_intensity import Found, Resemblance
    from studio.session.render import Recogniser
    from studio.session.take import Take

_SLOT = "batch"


@dataclass(frozen=True, eq=False)
class Cell:
    """One take of a batch, drawn, with the steering that made it."""

    steer: Steer
    emotion: str
    strength: float
    take: Take
    drawing: Drawing
    words: tuple[Word, ...]


@dataclass(frozen=True, eq=False)
class Sheet:
    """Takes of one source: a row per emotion, a column per strength."""

    emotions: tuple[str, ...]
    strengths: tuple[float, ...]
    cells: tuple[tuple[Cell, ...], ...]
    source: Source
    mask: ShownMask | None


@dataclass(frozen=True, eq=False)
class Search:
    """What an auto-intensity search found; a cell per step. ``voice`` says why voices were not compared, or nothing."""

    emotion: str
    found: Found
    cells: tuple[Cell, ...]
    source: Source
    mask: ShownMask
    voice: str


class Batches(QObject):
    """Renders batches in the render worker; a newer one replaces an older one."""

    sheet_ready = Signal(object)
    search_ready = Signal(object)
    progress = Signal(float)
    active_changed = Signal()

    def __init__(
        self, state: StudioState, worker: EngineThread, keeper: ModelKeeper, renders: Renders, recovery: Recovery
    ) -> None:
        super().__init__()
        self._state = state
        self._worker = worker
        self._keeper = keeper
        self._renders = renders
        self._recovery = recovery
        self._at_once: int | None = None
        self.active = False
        keeper.loaded_changed.connect(self._forget_size)

    def blocked(self, emotion: str | None = None) -> str | None:
        """Why no batch can be rendered now, in a sentence; None when it can. ``emotion`` has to be in the mask."""
        reason = self._renders.blocked()
        steer = self._state.steer
        if reason is None and steer.learned:
            if emotion is not None:
                return "The search goes through a mask's strengths; render a ladder of alphas instead"
            return None if steer.vectors is not None else "Choose a file of learned vectors first, under Mode"
        if reason is None and self._state.mask is None:
            return "Steering needs a mask: choose one in the toolbar"
        if reason is None and steer.mode not in RANGES:
            return "Deactivation has no strengths; choose another mode"
        mask = self._state.mask
        if reason is None and emotion is not None and mask is not None and emotion not in mask.emotions:
            return f"This mask holds no neurons for {emotion}"
        return reason

    def render_sheet(self, emotions: Sequence[str], strengths: Sequence[float]) -> None:
        """Render each emotion at each strength, all in one batch.

        With one emotion the target stays and other strengths too (a ladder); with several each is its row's target,
        steered alone.
        """
        loaded, source, mask = self._keeper.loaded, self._state.source, self._state.mask
        if self.blocked() is not None or loaded is None or source is None:
            return
        base = self._state.steer
        steers = [
            [_steer(base, emotion, strength, ladder=len(emotions) == 1) for strength in strengths]
            for emotion in emotions
        ]
        job = partial(_render_sheet, loaded, source, mask, tuple(emotions), tuple(strengths), steers, self._at_once)
        rows = len(emotions) * len(strengths) if loaded.model.info.batches else 1
        self._submit(job, self.sheet_ready.emit, rows, partial(self.render_sheet, emotions, strengths))

    def search(self, emotion: str) -> None:
        """Search the strongest setting of an emotion that keeps words and voice; the panel's other values stay."""
        loaded, source, mask = self._keeper.loaded, self._state.source, self._state.mask
        if self.blocked(emotion) is not None or loaded is None or source is None or mask is None:
            return
        from studio.session.auto_intensity import COARSE

        rows = COARSE + 1 if loaded.model.info.batches else 1
        job = partial(_search, loaded, source, mask, self._state.steer, emotion, self._at_once)
        self._submit(job, self.search_ready.emit, rows, partial(self.search, emotion))

    def keep(self, cell: Cell, source: Source, mask: ShownMask | None) -> ShownTake:
        """Put a cell among the takes, once; the take it is now."""
        for shown in self._state.takes:
            if shown.take.id == cell.take.id:
                return shown
        number = self._state.next_number
        shown = ShownTake(number, cell.take, cell.steer, cell.drawing, cell.words, source.drawing.clip, mask, source)
        self._state.add_take(shown)
        return shown

    def cancel(self) -> None:
        """Stop the batch under way."""
        self._worker.cancel(_SLOT)

    def _submit(
        self,
        job: Callable[[JobContext], object],
        tell: Callable[[object], None],
        rows: int,
        again: Callable[[], None],
    ) -> None:
        """Run a job of ``rows`` takes; ``again`` asks for it anew."""
        self._set_active(True)

        def done(result: object) -> None:
            self._set_active(False)
            tell(result)

        failed = partial(self._fail, min(rows, self._at_once or rows), again)
        self._worker.submit(_SLOT, job, done, failed=failed, progress=self.progress.emit)

    def _fail(self, at_once: int, again: Callable[[], None], error: BaseException) -> None:
        self._set_active(False)
        fewer = partial(self._again_smaller, (at_once + 1) // 2, again) if at_once > 1 else None
        self._recovery.tell(error, again, fewer)

    def _again_smaller(self, at_once: int, again: Callable[[], None]) -> None:
        self._at_once = at_once
        again()

    def _forget_size(self) -> None:
        """Another model has another size."""
        self._at_once = None

    def _set_active(self, active: bool) -> None:
        self.active = active
        self.active_changed.emit()


def _steer(base: Steer, emotion: str, strength: float, *, ladder: bool) -> Steer:
    heard = base.muted - {emotion}
    if ladder:
        return replace(base, strengths={**base.strengths, emotion: strength}, muted=heard).canonical()
    return replace(base, target=emotion, strengths={emotion: strength}, muted=frozenset()).canonical()


def _render_sheet(
    loaded: Loaded,
    source: Source,
    mask: ShownMask | None,
    emotions: tuple[str, ...],
    strengths: tuple[float, ...],
    steers: list[list[Steer]],
    at_once: int | None,
    context: JobContext,
) -> Sheet:
    """Runs in the worker."""
    from studio.session.render import render

    takes = render(
        loaded.model,
        source.drawing.clip,
        [settings_of(steer, mask) for row in steers for steer in row],
        mask=mask.mask if mask is not None else None,
        vectors=vectors_of(max((steer for row in steers for steer in row), key=lambda steer: not steer.is_baseline)),
        reference=source.reference,
        judge=loaded.judge,
        recognise=_recogniser(loaded, source),
        progress=context.progress,
        cancelled=context.cancelled,
        at_once=at_once,
    )
    following = iter(takes)
    cells = tuple(
        tuple(
            _cell(steer, emotion, strength, next(following), context)
            for steer, strength in zip(row, strengths, strict=True)
        )
        for emotion, row in zip(emotions, steers, strict=True)
    )
    return Sheet(emotions, strengths, cells, source, mask)


def _search(
    loaded: Loaded,
    source: Source,
    mask: ShownMask,
    steer: Steer,
    emotion: str,
    at_once: int | None,
    context: JobContext,
) -> Search:
    """Runs in the worker."""
    from studio.session.auto_intensity import find_intensity

    resemblance, voice = _resemblance()
    intensity = mask.range_of(steer.mode, emotion)
    assert intensity is not None, "a mode without strengths is refused before"
    base = replace(steer, muted=steer.muted - {emotion})
    found = find_intensity(
        loaded.model,
        source.drawing.clip,
        settings_of(replace(base, strengths={**base.strengths, emotion: 1.0}), mask),
        emotion,
        intensity.maximum,
        mask=mask.mask,
        reference=source.reference,
        judge=loaded.judge,
        recognise=_recogniser(loaded, source),
        resemblance=resemblance,
        progress=context.progress,
        cancelled=context.cancelled,
        at_once=at_once,
    )
    cells = tuple(
        _cell(_steer(base, emotion, step.strength, ladder=True), emotion, step.strength, step.take, context)
        for step in found.steps
    )
    return Search(emotion, found, cells, source, mask, voice)


def _cell(steer: Steer, emotion: str, strength: float, take: Take, context: JobContext) -> Cell:
    if context.cancelled():
        raise Cancelled
    return Cell(steer, emotion, strength, take, draw(take.audio), words_of(take))


def _recogniser(loaded: Loaded, source: Source) -> Recogniser | None:
    if loaded.listener is None or not source.reference:
        return None
    return loaded.listener.recogniser(source.reference)


def _resemblance() -> tuple[Resemblance | None, str]:
    """The comparison of voices, or why there is none."""
    from studio.judges import speaker

    try:
        speaker.load()
    except StudioError as error:
        return None, str(error)
    return speaker.similarity, ""
