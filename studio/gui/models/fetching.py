"""Offers to download what a choice needs, beside the choice: how much, from where, with progress and cancel."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from studio.gui.models.decisions import Decisions
from studio.gui.models.downloads import Downloads
from studio.gui.widgets.layout import explain, set_role, small, tight
from studio.gui.widgets.progressline import ProgressLine
from studio.lalm.catalog import CatalogEntry, Lack
from studio.lalm.entries import GB
from studio.lalm.weights import offline_reason


class FetchRow(QWidget):
    """Shown for a model whose weights are missing, or on their way; nothing is fetched before the button is pressed."""

    def __init__(self, downloads: Downloads, decisions: Decisions) -> None:
        super().__init__()
        self._downloads, self._decisions = downloads, decisions
        self._entry: CatalogEntry | None = None
        self.words = small()
        self.words.setWordWrap(True)
        self.fetch, self.cancel = QPushButton("Download"), QPushButton("Cancel")
        self.progress = ProgressLine("Download")
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.words, 1)
        row.addWidget(self.fetch)
        row.addWidget(self.cancel)
        layout = QVBoxLayout(self)
        tight(layout, 0, 6)
        layout.addLayout(row)
        layout.addWidget(self.progress)
        self.fetch.clicked.connect(self._start)
        self.cancel.clicked.connect(downloads.cancel)
        downloads.progress.connect(self._show_share)
        decisions.changed.connect(lambda: self.show_entry(self._entry))
        self.show_entry(None)

    def show_entry(self, entry: CatalogEntry | None) -> None:
        """Show the row for a model; None for a choice that needs none."""
        self._entry = entry
        downloads = self._downloads
        here = entry is not None and downloads.active == entry.name
        self.setVisible(entry is not None and (here or entry.lacks is Lack.WEIGHTS))
        if entry is None:
            return
        facts, failed = entry.facts, downloads.problems.get(entry.name)
        size = "" if facts.disk is None else f"{facts.disk / GB:.1f} GB from "
        offer = f"Not on this machine: {size}huggingface.co ({facts.repo}); licence: {facts.licence}."
        self.words.setText(f"Downloading {entry.title}…" if here else failed or offer)
        set_role(self.words, "warning" if failed and not here else "small")
        for widget in (self.cancel, self.progress):
            widget.setVisible(here)
        if not here:
            self.progress.restart()
        self.fetch.setVisible(not here)
        for button, doing in ((self.fetch, "Download"), (self.cancel, "Cancel the download of")):
            button.setAccessibleName(f"{doing} {entry.title}")
        busy = "Another model is being downloaded or deleted" if downloads.active else ""
        reason = busy or offline_reason(facts, self._decisions.options(entry.name)) or ""
        explain(self.fetch, not reason, reason, "Download it; stopped, it can go on later")

    def _start(self) -> None:
        if self._entry is not None:
            self._downloads.start(self._entry.facts)

    def _show_share(self, share: float) -> None:
        if self._entry is not None and self._downloads.active == self._entry.name:
            self.progress.show_share(share)
