"""The models: those that convert or recognise, those that only judge, one card below the other."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QDialog, QHBoxLayout, QPushButton, QWidget

from studio.gui.keys import ButtonKeys
from studio.gui.loading import ModelKeeper
from studio.gui.models.card import ModelCard
from studio.gui.models.decisions import Decisions
from studio.gui.models.downloads import Downloads
from studio.gui.models.environments import Environments
from studio.gui.widgets.layout import body_of, fit_to_screen, heading, small
from studio.lalm.catalog import models

_SIZE = QSize(760, 680)


class ModelsDialog(QDialog):
    """All models."""

    def __init__(
        self,
        keeper: ModelKeeper,
        downloads: Downloads,
        decisions: Decisions,
        environments: Environments,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Models")
        self.cards = {entry.name: ModelCard(entry, keeper, downloads, decisions, environments) for entry in models()}
        foot = QHBoxLayout()
        column = body_of(self, foot, 0)
        column.setSpacing(8)
        column.addWidget(heading("Models that convert speech or recognise emotions"))
        judging = [card for card in self.cards.values() if card.entry.facts.abilities == ("judge",)]
        for card in self.cards.values():
            if card is judging[0]:
                column.addSpacing(8)
                column.addWidget(heading("Judges, for Find neurons and the command line"))
            column.addWidget(card)
        column.addStretch(1)
        close = QPushButton("Close")
        close.setAutoDefault(False)
        close.clicked.connect(self.accept)
        about = small(
            "Memory is estimated. Models come from huggingface.co, the packages of environments from where pip gets "
            "them, and only when you press a button; nothing else leaves the machine."
        )
        about.setWordWrap(True)
        foot.addWidget(about, 1)
        foot.addSpacing(8)
        foot.addWidget(close)
        keeper.loaded_changed.connect(decisions.read)
        for changed in (
            downloads.changed, decisions.changed, environments.changed, keeper.loaded_changed, keeper.taken_changed,
        ):  # fmt: skip
            changed.connect(self.refresh)
        keeper.status_changed.connect(self.refresh)
        self._keys = ButtonKeys(self)

    def refresh(self) -> None:
        """Look again at what is there."""
        for entry in models():
            self.cards[entry.name].show_entry(entry)

    def showEvent(self, event: QShowEvent) -> None:
        """As large as it wants to be, where the screen has that much room."""
        if not event.spontaneous():
            fit_to_screen(self, _SIZE)
        super().showEvent(event)
