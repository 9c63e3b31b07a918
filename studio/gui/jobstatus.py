"""What is being worked on, how far it is, and how long it will take: in the toolbar."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from studio.gui.icons import icon
from studio.gui.studio import Studio
from studio.gui.widgets.layout import explain, small, tight
from studio.gui.widgets.progress import ThinBar
from studio.gui.wizard.search import Stage

_RENDERING, _OPENING = "Rendering", "Opening"


class JobStatus(QWidget):
    """Names the job, shows its progress and the time left, and cancels renders; blank while nothing is under way."""

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self._studio = studio
        self._exporting = 0
        self.job, self.left = small(), small()
        self.progress = ThinBar("Progress", wide=True)
        self.cancel = QToolButton()
        self.cancel.setObjectName("bare")
        self.cancel.setFixedSize(28, 28)
        self.cancel.setAccessibleName("Cancel the render")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        words = QHBoxLayout()
        tight(words)
        words.addWidget(self.job)
        words.addStretch(1)
        words.addWidget(self.left)
        rows = QVBoxLayout()
        tight(rows, spacing=4)
        rows.addLayout(words)
        rows.addWidget(self.progress)
        layout = QHBoxLayout(self)
        tight(layout)
        layout.addLayout(rows, 1)
        layout.addWidget(self.cancel)
        self.cancel.clicked.connect(studio.cancel)
        self._connect()
        self.recolour()
        self.refresh()

    def recolour(self) -> None:
        """Draw the icon in another scheme's colours."""
        self.cancel.setIcon(icon("cancel"))

    def refresh(self) -> None:
        """Look at what is under way."""
        words = next((name for name, on in self._doing() if on), "")
        if words != self.job.text():
            self.left.setText("")
            self.progress.show_share(0.0)
            if words == _OPENING and not self._studio.projects.opening:
                self.progress.show_busy()
        self.job.setText(words)
        rendering = words == _RENDERING
        # What is blank keeps its room, so that the toolbar never moves.
        self.progress.setVisible(bool(words))
        self.cancel.setVisible(rendering)
        explain(self.cancel, rendering, "Nothing is being rendered", "Cancel the render (Escape)")

    def _doing(self) -> list[tuple[str, bool]]:
        studio = self._studio
        return [
            (_RENDERING, studio.renders.active or studio.rerender.active),
            ("Rendering a batch", studio.batches.active),
            ("Loading model", studio.keeper.status.startswith("Loading")),
            (_OPENING, studio.projects.opening or bool(studio.sources.opening)),
            ("Exporting", self._exporting > 0),
            ("Searching", studio.search.active),
        ]

    def _connect(self) -> None:
        studio = self._studio
        for each in (studio.search, studio.keeper, studio.renders, studio.rerender, studio.projects, studio.batches):
            each.progress.connect(self._show_share)
        studio.exports.progress.connect(lambda _name, share: self._show_share(share))
        studio.exports.began.connect(lambda: self._export(1))
        studio.exports.ended.connect(lambda _name, _whole: self._export(-1))
        studio.search.stage_changed.connect(self._show_search)
        for changed in (
            studio.renders.active_changed,
            studio.rerender.active_changed,
            studio.batches.active_changed,
            studio.projects.opening_changed,
            studio.sources.opening_changed,
            studio.keeper.loaded_changed,
        ):
            changed.connect(self.refresh)
        studio.keeper.status_changed.connect(lambda _status: self.refresh())

    def _show_share(self, share: float) -> None:
        self.progress.show_share(share)
        self.left.setText(self.progress.left)

    def _show_search(self) -> None:
        if self._studio.search.stage is Stage.RUNNING:
            self.progress.show_busy()
        self.refresh()

    def _export(self, more: int) -> None:
        self._exporting += more
        self.refresh()
