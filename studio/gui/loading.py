"""Loading the model with its masks and judges in the worker, while the window is in use already."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from studio.engine import JobContext
from studio.errors import StudioError
from studio.gui.engine_thread import EngineThread
from studio.gui.intensity import RANGES, measured_range
from studio.gui.listening import Listener
from studio.gui.measuring import Measurer
from studio.gui.models.place import Changed, Place
from studio.gui.shown import LEARNED, LearnedFile, ShownMask
from studio.gui.state import StudioState
from studio.gui.widgets.notices import Notice
from studio.lalm.catalog import DEFAULT, find_model, load_model, ready
from studio.lalm.consent import CodeOffer, ConsentNeeded
from studio.lalm.options import ModelOptions, keep_options, options_of

if TYPE_CHECKING:
    from studio.judges.base import EmotionJudge
    from studio.lalm.base import ModelInfo, SpeechLALM


@dataclass(frozen=True, eq=False)
class Loaded:
    """A model ready to render, the judges for its takes, and the masks that fit it, the default first.

    ``listener`` hears what takes say, ``measurer`` how natural they sound and in whose voice; ``lacking`` says what
    could not be loaded; ``name`` is the model's in the catalog, ``options`` how it was loaded.
    """

    model: SpeechLALM
    judge: EmotionJudge | None = None
    listener: Listener | None = None
    masks: Sequence[Path] = ()
    lacking: Sequence[str] = ()
    measurer: Measurer | None = None
    name: str = DEFAULT
    options: ModelOptions = field(default_factory=ModelOptions)


STILL_LOADING = "The model is still loading"

Loader = Callable[[JobContext], Loaded]


def _nothing() -> None:
    return


@dataclass(frozen=True)
class Attempt:
    """A model that is to be loaded: its name, how, and what has to be done before another is freed for it."""

    name: str
    loader: Loader
    prepare: Callable[[], None] = _nothing


class ModelKeeper(QObject):
    """Holds the loaded model; loads it, and opens masks for it, in the render worker.

    ``failed`` carries what stopped a model from being loaded, and the model's name; ``consent_needed`` the code that
    has to be agreed to first.
    """

    status_changed = Signal(str)
    progress = Signal(float)
    notice = Signal(object)
    failed = Signal(object, str)
    consent_needed = Signal(object)
    loaded_changed = Signal()
    masks_changed = Signal()
    taken_changed = Signal()

    def __init__(self, state: StudioState, worker: EngineThread, loader: Loader) -> None:
        super().__init__()
        self._state = state
        self._worker = worker
        self._place = Place()
        self._attempt = Attempt(DEFAULT, loader)
        self._before: Loaded | None = None
        self.loaded: Loaded | None = None
        self.masks: list[Path] = []
        self.status = ""
        self.problem: str | None = STILL_LOADING
        self.taken: str | None = None

    @property
    def loading(self) -> bool:
        """Whether a model is still to come."""
        return self.loaded is None and self.problem == STILL_LOADING

    def load(self) -> None:
        """Start loading, or try again what was tried last."""
        self._before, self.loaded, self.problem = self.loaded, None, STILL_LOADING
        self._say("Loading model…")
        if self._before is not None:
            self.loaded_changed.emit()
        work = partial(self._place.change, self._attempt.loader, self._attempt.prepare)
        self._worker.submit("model", work, self._take_in, failed=self._fail, progress=self.progress.emit)

    def choose(self, name: str, *, agreed: CodeOffer | None = None, options: ModelOptions | None = None) -> None:
        """Load another model, or the same anew, in place of the one in use; that one comes back when it fails.

        ``agreed``: code the user agreed to run for it; ``options``: how to load it, from now on.
        """
        if self.taken is None and not self.loading:
            prepare = partial(_prepare, name, agreed, options)
            self._attempt = Attempt(name, partial(load_named, name=name), prepare)
            self.load()

    def open_mask(self, path: Path) -> None:
        """Open a mask file and use it if it fits; otherwise one notice, and the mask in use stays."""
        loaded = self.loaded
        if loaded is None:
            return
        info = loaded.model.info
        self._worker.submit("mask", lambda _context: read_mask(path, info), self._use_mask, failed=self._refuse_mask)

    def open_vectors(self, path: Path) -> None:
        """Open a file of learned vectors and steer by it if it fits; otherwise one notice, and nothing changes."""
        loaded = self.loaded
        if loaded is None:
            return
        info = loaded.model.info
        self._worker.submit("vectors", lambda _context: read_vectors(path, info), self._use_vectors)

    def open_module(self, module: str) -> None:
        """Steer another of the model's modules, with the first mask made for it; one sentence where there is none."""
        loaded = self.loaded
        if loaded is None:
            return
        info, known = loaded.model.info, list(self.masks)
        self._worker.submit(
            "mask", lambda _context: mask_of(module, known, info), self._use_mask, failed=self._refuse_mask
        )

    def adopt_masks(self, masks: Sequence[ShownMask], in_use: ShownMask | None) -> None:
        """Offer masks that were read for this model, and use one of them instead of any that is being read."""
        self.masks += [mask.path for mask in masks if mask.path not in self.masks]
        if in_use is not None:
            self._worker.cancel("mask")
            self._state.set_mask(in_use)
        self.masks_changed.emit()

    def take(self, reason: str) -> None:
        """Keep the model for something longer than a render; ``reason`` says for what and what to do."""
        self.taken = reason
        self.taken_changed.emit()

    def release(self) -> None:
        """Leave the model to renders again."""
        self.taken = None
        self.taken_changed.emit()

    def close(self) -> None:
        """Free the model, once the workers have ended."""
        self._place.close()
        self.loaded = None

    def _take_in(self, change: Changed) -> None:
        before, self._before = self._before, None
        if change.loaded is None:
            self._show_none()
        else:
            self.loaded, self.problem = change.loaded, None
            if change.error is None:
                self._adopt(change.loaded, another=before is not None)
            self._say(f"{change.loaded.model.info.title} ready")
            self.loaded_changed.emit()
        if change.error is not None:
            self.failed.emit(change.error, self._attempt.name)

    def _adopt(self, loaded: Loaded, *, another: bool) -> None:
        if another:
            self._state.set_mask(None)
        self.masks = list(loaded.masks)
        self.masks_changed.emit()
        self._state.set_model(loaded.model.info)
        for sentence in loaded.lacking:
            self.notice.emit(Notice(sentence, kind="info"))
        if self.masks:
            self.open_mask(self.masks[0])

    def _fail(self, error: BaseException) -> None:
        self.loaded, self._before = self._before, None
        if self.loaded is None:
            self._show_none()
        else:
            self.problem = None
            self._say(f"{self.loaded.model.info.title} ready")
            self.loaded_changed.emit()
        if isinstance(error, ConsentNeeded):
            self.consent_needed.emit(error.code)
        else:
            self.failed.emit(error, self._attempt.name)

    def _show_none(self) -> None:
        self.problem = "No model is loaded"
        self._say("No model")
        self.loaded_changed.emit()

    def _use_mask(self, mask: ShownMask) -> None:
        if mask.path not in self.masks:
            self.masks.append(mask.path)
        self._state.set_mask(mask)
        self.masks_changed.emit()

    def _use_vectors(self, vectors: LearnedFile) -> None:
        steer = self._state.steer
        held = {name: value for name, value in steer.strengths.items() if name in vectors.emotions}
        strengths = held if steer.learned else {}
        self._state.set_steer(replace(steer, mode=LEARNED, strengths=strengths, vectors=vectors))

    def _refuse_mask(self, error: BaseException) -> None:
        self.masks_changed.emit()
        self._worker.tell(error)

    def _say(self, status: str) -> None:
        self.status = status
        self.status_changed.emit(status)


def _prepare(name: str, agreed: CodeOffer | None, options: ModelOptions | None) -> None:
    """Keep what the user decided and look whether the model can be loaded, before another is freed for it."""
    if agreed is not None:
        agreed.grant()
    if options is not None:
        keep_options(find_model(name).facts, options)
    ready(name)


def load_default(context: JobContext) -> Loaded:
    """Load the default model of the catalog and its judges; runs in the worker."""
    return load_named(context)


def load_named(context: JobContext, name: str = DEFAULT) -> Loaded:
    """Load a model of the catalog and its judges; runs in the worker."""
    context.progress(0.02)
    # The collector would stop every thread, the window's too, again and again over the growing heap of modules; what
    # was loaded stays for good and need not be looked at in later rounds either.
    gc.disable()
    try:
        return _load(context, name)
    finally:
        gc.freeze()
        gc.enable()


def _load(context: JobContext, name: str) -> Loaded:
    import torch  # noqa: F401 - the longest import of all, which the progress shows

    # The window's thread needs these at the first take, and would wait for them then.
    import studio.session.projectfolder
    import studio.session.recovery  # noqa: F401

    context.progress(0.4)
    options = options_of(name)
    model = load_model(name, options, context.cancelled)
    context.progress(0.8)
    from studio.session.masks import fitting_masks

    masks = fitting_masks(model.info)
    context.progress(0.9)
    from studio.judges import embedded
    from studio.session.sources import demo_lines

    judge, lacking = None, []
    try:
        judge = embedded.load()
    except StudioError as error:
        lacking.append(f"Takes are not judged. {error}")
    listener = Listener(frozenset(line.text for line in demo_lines() if line.text))
    return Loaded(model, judge, listener, masks, lacking, Measurer(), name, options)


def read_mask(path: Path, info: ModelInfo) -> ShownMask:
    """Read a mask, check that it fits, and count it for the views; runs in the worker."""
    from studio.esn.calibration import read_calibration
    from studio.session.masks import SUFFIX, load_mask, module_of

    mask = load_mask(path, info)
    counts = {emotion: tuple(int(count) for count in mask.histogram(emotion)) for emotion in mask.emotions}
    name = path.name.removesuffix(SUFFIX)
    facts, module, fingerprint = mask_facts(mask.metadata), module_of(mask), mask.fingerprint()
    ranges = {
        mode: {emotion: measured_range(mode, zones.safe, zones.strong) for emotion, zones in measured.items()}
        for mode, measured in read_calibration(path, fingerprint).items()
        if mode in RANGES
    }
    return ShownMask(mask, name, path, tuple(mask.widths), counts, facts, module, fingerprint, ranges)


def read_vectors(path: Path, info: ModelInfo) -> LearnedFile:
    """Read learned vectors and check that they fit; runs in the worker. Raises StudioError."""
    from studio.esn.emosteer import EmoVectors

    vectors = EmoVectors.load(path)
    vectors.check_fits(info.model_id, info.emosteer_sites)
    return LearnedFile(str(path), vectors.fingerprint(), vectors.emotions)


def mask_of(module: str, known: Sequence[Path], info: ModelInfo) -> ShownMask:
    """The first of ``known`` that was made for a module; raises StudioError when none was; runs in the worker."""
    from studio.session.masks import load_mask, module_of

    for path in known:
        try:
            if module_of(load_mask(path, info)) == module:
                return read_mask(path, info)
        except StudioError:
            continue
    raise StudioError(
        f"There is no mask for the {module} module of {info.title}; find one (Find neurons), or open one that you have."
    )


def mask_facts(metadata: dict[str, object]) -> tuple[tuple[str, str], ...]:
    """What a mask's metadata says, in a reader's words and order; only what is there."""
    from studio.esn.mask import method_name

    names = (
        ("selector", "Selector"),
        ("rate", "Rate"),
        ("cap", "Cap"),
        ("module", "Module"),
        ("model_id", "Model"),
        ("judge", "Judge"),
        ("date", "Made"),
    )
    known = metadata | {"selector": method_name(metadata) or None}
    return tuple((title, str(known[key])) for key, title in names if known.get(key) is not None)
