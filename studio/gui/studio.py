"""Everything behind the window, put together: state, workers, model, renders, playback. No widgets."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, Signal

from studio.gui.batches import Batches
from studio.gui.bypass import Bypass
from studio.gui.closed import Closings
from studio.gui.engine_thread import EngineThread
from studio.gui.exports import Exports
from studio.gui.history import History
from studio.gui.loading import Loader, ModelKeeper, load_default
from studio.gui.measuring import Measuring
from studio.gui.models.decisions import Decisions
from studio.gui.models.downloads import Downloads
from studio.gui.models.environments import Environments
from studio.gui.playback import Playback
from studio.gui.presets import PanelPresets
from studio.gui.projects import Projects
from studio.gui.recovery import Recovery
from studio.gui.renders import Renders
from studio.gui.reopening import LatePitch
from studio.gui.rerender import Rerender
from studio.gui.sources import Sources
from studio.gui.state import StudioState
from studio.gui.timeaxis import TimeAxis
from studio.gui.torchlibrary import load_torch_library
from studio.gui.wizard.search import Search


class Studio(QObject):
    """Owns state and workers: for the model, playing, loudness, corpora, measuring, downloads, environments, chores."""

    notice = Signal(object)

    def __init__(self, loader: Loader = load_default) -> None:
        super().__init__()
        self.state = StudioState()
        self.axis = TimeAxis()
        self.render_worker = EngineThread("renders")
        self.sound_worker = EngineThread("sound")
        self.loudness_worker = EngineThread("loudness")
        self.chores = EngineThread("chores")
        self.corpus_worker = EngineThread("corpora")
        self.measure_worker = EngineThread("measures")
        self.download_worker = EngineThread("downloads")
        self.environment_worker = EngineThread("environments")
        self.workers = (
            self.render_worker, self.sound_worker, self.loudness_worker, self.chores, self.corpus_worker,
            self.measure_worker, self.download_worker, self.environment_worker,
        )  # fmt: skip
        self.sources = Sources(self.state, self.chores)
        self.keeper = ModelKeeper(self.state, self.render_worker, loader)
        self.playback = Playback(self.state, self.axis, self.sound_worker, self.loudness_worker)
        self.recovery = Recovery(self.keeper)
        self.renders = Renders(self.state, self.render_worker, self.keeper, self.playback, self.recovery)
        self.bypass = Bypass(self.state, self.renders, self.playback)
        self.presets = PanelPresets(self.state, self.chores)
        self.batches = Batches(self.state, self.render_worker, self.keeper, self.renders, self.recovery)
        self.downloads = Downloads(self.download_worker)
        self.decisions = Decisions(self.chores)
        self.environments = Environments(self.environment_worker)
        self.search = Search(self.keeper, self.render_worker, self.corpus_worker)
        self.exports = Exports(self.chores)
        self.projects = Projects(self.state, self.chores, self.keeper)
        self.closings = Closings(self.state, self.sources, self.chores, lambda: self.projects.kept_in)
        self.history = History(self.state, self.closings, lambda: self.renders.active)
        self.measuring = Measuring(self.state, self.measure_worker)
        self.rerender = Rerender(self.render_worker, self.keeper, self.recovery)
        self._late_pitch = LatePitch(self.state, self.chores)
        self.keeper.loaded_changed.connect(self._measure)
        self.projects.adopted.connect(self.history.clear)
        self.projects.adopted.connect(self.renders.settle)
        self.history.lanes_restored.connect(self.renders.settle)
        speaking = (
            self.keeper, self.recovery, self.renders, self.exports, self.projects, self.rerender, self.presets,
            self.closings,
        )  # fmt: skip
        for each in (*self.workers, *speaking):
            each.notice.connect(self.notice)

    def start(self) -> None:
        """Open the first demo line, the sound output and the model, all in the background."""
        self.render_worker.submit(
            "library",
            lambda _context: load_torch_library(),
            lambda _none: self._begin(),
            failed=lambda _e: self._begin(),
        )

    def _begin(self) -> None:
        self.sources.start()
        self.playback.start()
        self.presets.start()
        self.keeper.load()

    def cancel(self) -> None:
        """Stop rendering, whatever for."""
        self.renders.cancel()
        self.rerender.cancel()

    def choose_layers(self, window: tuple[int, int] | None) -> None:
        """Steer only a stretch of layers, or all."""
        self.state.set_steer(replace(self.state.steer, layers=window))

    def close(self) -> None:
        """Cancel everything, wait for the workers to end, free model and sound."""
        self.renders.cancel()
        for worker in self.workers:
            worker.shutdown()
        self.projects.close()
        self.search.results.close()
        self.playback.close()
        self.keeper.close()

    def _measure(self) -> None:
        if self.keeper.loaded is not None:
            self.measuring.use(self.keeper.loaded.measurer)
