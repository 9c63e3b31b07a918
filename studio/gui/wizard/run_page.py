"""Fifth page: the search while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSplitter, QVBoxLayout, QWidget

from studio.gui.clips import ClipPlayer
from studio.gui.formats import duration
from studio.gui.icons import icon
from studio.gui.localize.heatmap import HeatmapView
from studio.gui.widgets.layout import ElidedLabel, explain, heading, small, tight
from studio.gui.widgets.progress import ThinBar
from studio.gui.wizard.conversions import ConversionsList, audio_of
from studio.gui.wizard.page import Page
from studio.gui.wizard.search import Search, Stage
from studio.gui.wizard.work import Snapshot
from studio.gui.wizard.yields import Yields

if TYPE_CHECKING:
    from studio.pipelines.records import Attempt

LOG_LENGTH = 200


class RunPage(Page):
    """Progress, yield, the map filling in, and the last conversions; pause, cancel, go on."""

    def __init__(self, search: Search, player: ClipPlayer) -> None:
        super().__init__(
            "Search",
            "Every recording is converted and judged, and the gates of what succeeds are counted. You can go on "
            "working: pause to render, close to go on another day.",
        )
        self._search = search
        self._player = player
        self.status = QLabel()
        self.status.setProperty("role", "clock")
        self.left = small()
        self.bar = ThinBar("Search", wide=True)
        self.go = QPushButton()
        self.cancel = QPushButton("Cancel")
        self.cancel.setAccessibleName("Cancel the search")
        self.yields = Yields()
        self.warnings = small(role="warning")
        self.warnings.setWordWrap(True)
        self.chart = HeatmapView(hint="")
        self.chart.setMinimumSize(280, 120)
        self.chart.setAccessibleDescription("Fills in as conversions succeed")
        self.under_mouse = ElidedLabel()
        self.under_mouse.setProperty("role", "small")
        self.log = ConversionsList(
            "Last conversions", search.results.verdict, "Conversions appear here as they are made."
        )
        self.first = self.go
        self._lay_out()
        self.go.clicked.connect(self._press_go)
        self.cancel.clicked.connect(search.cancel)
        self.chart.hovered.connect(self.under_mouse.show_text)
        self.log.play_asked.connect(self._play)
        self.log.source_asked.connect(self._play_source)
        player.changed.connect(lambda: self.log.show_playing(player.playing))
        search.stage_changed.connect(self._show_stage)
        search.progress.connect(self._show_share)
        search.advanced.connect(self._advance)
        search.keeper.loaded_changed.connect(self._show_stage)
        search.recipe_changed.connect(self._show_recipe)
        self._show_recipe()
        self._show_stage()

    def initializePage(self) -> None:
        """Begin, or go on where this job was left."""
        self._search.start()

    def lacking(self) -> str | None:
        """Why one cannot go on."""
        search = self._search
        if search.active:
            return "Pause the search to use what it has found so far."
        if not search.found:
            return (
                "No conversion has succeeded so far." if search.snapshot is not None else "Nothing was converted yet."
            )
        return None

    def recolour(self) -> None:
        """Draw in the colours of the scheme in use."""
        self.chart.recolour()
        self._show_stage()
        self.log.viewport().update()

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.status)
        row.addStretch(1)
        row.addWidget(self.left)
        row.addSpacing(8)
        row.addWidget(self.go)
        row.addWidget(self.cancel)
        self.go.setMinimumWidth(96)
        yields = QVBoxLayout()
        yields.setSpacing(8)
        yields.addWidget(heading("Successes"))
        yields.addWidget(self.yields)
        yields.addWidget(self.warnings)
        yields.addStretch(1)
        chart = QVBoxLayout()
        chart.setSpacing(4)
        chart.addWidget(heading("Selected neurons so far, layers by emotions"))
        chart.addWidget(self.chart, 1)
        chart.addWidget(self.under_mouse)
        above = QWidget()
        middle = QHBoxLayout(above)
        tight(middle, spacing=24)
        middle.addLayout(yields, 2)
        middle.addLayout(chart, 3)
        below = QWidget()
        column = QVBoxLayout(below)
        tight(column, spacing=4)
        column.addWidget(heading("Last conversions: Space plays, S plays the source"))
        column.addWidget(self.log, 1)
        parts = QSplitter(Qt.Orientation.Vertical)
        parts.setChildrenCollapsible(False)
        parts.addWidget(above)
        parts.addWidget(below)
        parts.setStretchFactor(0, 1)
        parts.setStretchFactor(1, 1)
        parts.setSizes([1, 1])
        self.body.addLayout(row)
        self.body.addWidget(self.bar)
        self.body.addWidget(parts, 1)

    def _press_go(self) -> None:
        if self._search.stage is Stage.RUNNING:
            self._search.pause()
        else:
            self._search.start()

    def _show_recipe(self) -> None:
        self.yields.show_emotions(self._search.recipe.emotions, self._search.recipe.cap)

    def _show_share(self, share: float) -> None:
        self.bar.show_share(share)

    def _advance(self, snapshot: Snapshot) -> None:
        self.yields.show_snapshot(snapshot)
        self.chart.show_mask(snapshot.chart)
        if snapshot.chart is None:
            self.under_mouse.show_text("The map fills in with the first successes.")
        elif snapshot.fresh or self.under_mouse.whole_text().startswith("The map"):
            self.under_mouse.show_text("")
        if snapshot.fresh:
            self.log.conversions.show([])
        self.log.conversions.put_first(snapshot.latest, LOG_LENGTH)
        self._show_stage()

    def _show_stage(self) -> None:
        search, stage = self._search, self._search.stage
        self.log.folder = search.folder
        running = stage is Stage.RUNNING
        words = {Stage.READY: "Start", Stage.RUNNING: "Pause", Stage.STOPPING: "Pause", Stage.CANCELLED: "Start again"}
        self.go.setText(words.get(stage, "Go on"))
        self.go.setIcon(icon("pause" if search.active else "play"))
        self.go.setVisible(stage is not Stage.FINISHED)
        waiting = search.keeper.loaded is None
        explain(self.go, stage is not Stage.STOPPING and not waiting, search.keeper.problem or "The search is stopping")
        self.cancel.setVisible(stage is not Stage.FINISHED)
        explain(self.cancel, running or stage is Stage.PAUSED, "Nothing is running", "What was converted is kept")
        self.status.setText(self._status())
        self.left.setText(self._time_left())
        selection = search.results.selection
        self.warnings.setText("\n".join(selection.warnings) if selection is not None else "")
        self._show_bar()
        if stage in (Stage.PAUSED, Stage.READY) and search.snapshot is not None and search.snapshot.total == 0:
            self._show_left_behind(search.snapshot)
        self.completeChanged.emit()

    def _show_bar(self) -> None:
        """What conversions report is shown as it comes; before and after them the stage says it all."""
        search, snapshot = self._search, self._search.snapshot
        planned = snapshot is not None and snapshot.total > 0
        if search.stage is Stage.FINISHED:
            self.bar.show_share(1.0)
        elif search.stage is Stage.RUNNING and not planned:
            self.bar.show_busy()
        elif not search.active and self.bar.busy:
            self.bar.show_share(0.0)

    def _show_left_behind(self, snapshot: Snapshot) -> None:
        self.yields.show_snapshot(snapshot)
        self.log.conversions.show([])
        self.log.conversions.put_first(snapshot.latest, LOG_LENGTH)

    def _status(self) -> str:
        snapshot, stage = self._search.snapshot, self._search.stage
        if self._search.keeper.loaded is None and stage is not Stage.FINISHED:
            return f"{self._search.keeper.problem}"
        if snapshot is None:
            return "Reading the recordings…" if stage is Stage.RUNNING else "Ready"
        of = f" of at most {snapshot.total:,}" if snapshot.total else ""
        done = f"{snapshot.done:,}{of} conversions"
        return {
            Stage.READY: "Ready",
            Stage.RUNNING: f"Searching: {done}" if of else "Reading the recordings…",
            Stage.STOPPING: "Stopping…",
            Stage.PAUSED: f"Paused after {done}",
            Stage.CANCELLED: f"Cancelled after {done}; they are kept",
            Stage.FINISHED: f"Done: {snapshot.done:,} conversions, {self._search.found:,} successes",
        }[stage]

    def _time_left(self) -> str:
        snapshot = self._search.snapshot
        if self._search.stage is not Stage.RUNNING or snapshot is None:
            return ""
        if snapshot.seconds_left is None:
            return "measuring the pace"
        return f"about {duration(snapshot.seconds_left)} left"

    def _play(self, attempt: Attempt) -> None:
        path = audio_of(attempt, self._search.folder) if self._search.folder is not None else None
        if path is not None:
            self._player.toggle(path)

    def _play_source(self, attempt: Attempt) -> None:
        self._player.toggle(Path(attempt.source))
