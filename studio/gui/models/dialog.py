"""The models: what each can do and takes, which is in use; download, use, delete."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from studio.gui.formats import percent, sentence
from studio.gui.keys import ButtonKeys
from studio.gui.loading import ModelKeeper
from studio.gui.models.decisions import Decisions
from studio.gui.models.downloads import Downloads
from studio.gui.models.options import OptionsRow
from studio.gui.widgets.layout import explain, set_role, small, tight
from studio.gui.widgets.progress import ThinBar
from studio.lalm.catalog import CatalogEntry, models


class ModelCard(QFrame):
    """One model."""

    def __init__(
        self, entry: CatalogEntry, keeper: ModelKeeper, downloads: Downloads, decisions: Decisions
    ) -> None:  # fmt: skip
        super().__init__()
        self.entry = entry
        self._keeper, self._downloads, self._decisions = keeper, downloads, decisions
        self.setObjectName("card")
        self.setAccessibleName(entry.title)
        self.title = QLabel(entry.title)
        self.title.setProperty("role", "title")
        self.state = small()
        self.about = QLabel(sentence(entry.description))
        self.facts = small(sentence("; ".join(entry.facts.in_words)))
        self.fit = small()
        self.problem = small()
        for label in (self.about, self.facts, self.fit, self.problem):
            label.setWordWrap(True)
        self.bar = ThinBar(f"Download of {entry.title}", wide=True)
        self.share = small()
        self.use = self._button("Use", keeper.choose)
        self.fetch = self._button("Download", lambda _name: downloads.start(entry.facts))
        self.cancel = self._button("Cancel", lambda _name: downloads.cancel())
        self.delete = self._button("Delete…", lambda _name: self._ask_delete())
        self.withdraw = self._button("Withdraw consent", decisions.withdraw)
        self.withdraw.setToolTip("Do not run the code this model brings along until you agree to it again")
        self.options = OptionsRow(entry.facts)
        self.options.chosen.connect(lambda options: decisions.choose(entry.facts, options))
        self._lay_out()
        downloads.progress.connect(self._show_share)
        self.show_entry(entry)

    def show_entry(self, entry: CatalogEntry) -> None:
        """Show how the model stands."""
        self.entry = entry
        keeper, downloads = self._keeper, self._downloads
        here = downloads.active == entry.name
        in_use = keeper.loaded is not None and keeper.loaded.name == entry.name
        options = self._decisions.options(entry.name)
        anew = in_use and keeper.loaded is not None and keeper.loaded.options != options
        self.options.show_options(options)
        fit = self._decisions.fit(entry.facts)
        self.fit.setText(sentence(fit.words) if fit is not None else "")
        self.fit.setVisible(fit is not None)
        set_role(self.fit, "small" if fit is None or fit.fits else "warning")
        self.withdraw.setVisible(entry.facts.remote_code and self._decisions.agreed(entry.name))
        hub = entry.facts.repo is not None
        self.state.setText("In use" if in_use else "Installed" if entry.installed else "Not downloaded")
        failed = downloads.problems.get(entry.name)
        self.problem.setText(failed or (entry.problem or "" if not hub or entry.installed else ""))
        self.problem.setVisible(bool(self.problem.text()))
        set_role(self.problem, "warning")
        for widget in (self.bar, self.share, self.cancel):
            widget.setVisible(here)
        if not here:
            self.bar.show_share(0.0)
            self.share.setText("")
        self.fetch.setVisible(hub and not entry.installed and not here)
        self.delete.setVisible(hub and not here and entry.weights.parent.exists())
        busy = "Another model is being downloaded or deleted" if downloads.active else ""
        explain(self.fetch, not busy, busy, "Download it; stopped, it can go on later")
        explain(
            self.delete, not busy and not in_use, busy or "It is in use; use another model first", "Delete its files"
        )
        reason = (
            "It is in use" if in_use and not anew
            else "It listens and does not speak; it is used by: esn-studio recognise" if not entry.facts.converts
            else entry.problem if entry.problem is not None
            else keeper.taken if keeper.taken is not None
            else "A model is being loaded" if keeper.loading
            else ""
        )  # fmt: skip
        self.use.setText("Load again" if anew else "Use")
        self.use.setAccessibleName(f"{self.use.text()} {entry.title}" if anew else f"Use {entry.title}")
        hint = "Load it with what is chosen here" if anew else "Load it in place of the model in use"
        explain(self.use, not reason, reason, hint)

    def _show_share(self, share: float) -> None:
        if self._downloads.active == self.entry.name:
            self.bar.show_share(share)
            self.share.setText("  ".join(filter(None, (percent(share), self.bar.left))))

    def _ask_delete(self) -> None:
        box = QMessageBox(
            QMessageBox.Icon.Question,
            "Delete a model",
            f"Delete the files of {self.entry.title}? To use it again it has to be downloaded again.",
            QMessageBox.StandardButton.Cancel,
            self,
        )
        delete = box.addButton("Delete", QMessageBox.ButtonRole.DestructiveRole)
        box.setDefaultButton(QMessageBox.StandardButton.Cancel)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        delete.clicked.connect(partial(self._downloads.remove, self.entry.facts))
        box.open()

    def _button(self, text: str, act: object) -> QPushButton:
        button = QPushButton(text)
        button.setAccessibleName(f"{text.rstrip('…')} {self.entry.title}")
        # Enter belongs to the button that has the focus.
        button.setAutoDefault(False)
        button.clicked.connect(lambda: act(self.entry.name))  # type: ignore[operator]
        return button

    def _lay_out(self) -> None:
        top, bottom = QHBoxLayout(), QHBoxLayout()
        top.addWidget(self.title)
        top.addWidget(self.state)
        top.addStretch(1)
        for button in (self.cancel, self.fetch, self.withdraw, self.delete, self.use):
            top.addWidget(button)
        bottom.addWidget(self.bar, 1)
        bottom.addWidget(self.share)
        layout = QVBoxLayout(self)
        tight(layout, 12, 6)
        layout.addLayout(top)
        for label in (self.about, self.facts, self.fit, self.problem):
            layout.addWidget(label)
        layout.addWidget(self.options)
        self.options.setVisible(self.entry.facts.configurable)
        layout.addLayout(bottom)


class ModelsDialog(QDialog):
    """All models, one card below the other."""

    def __init__(
        self, keeper: ModelKeeper, downloads: Downloads, decisions: Decisions, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Models")
        self.resize(680, 640)
        self.cards = {entry.name: ModelCard(entry, keeper, downloads, decisions) for entry in models()}
        content = QWidget()
        column = QVBoxLayout(content)
        tight(column, 16, 8)
        for card in self.cards.values():
            column.addWidget(card)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidget(content)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        close = QPushButton("Close")
        close.setAutoDefault(False)
        close.clicked.connect(self.accept)
        foot = QHBoxLayout()
        foot.setContentsMargins(16, 8, 16, 12)
        foot.addWidget(
            small("Memory is estimated. Downloads come from huggingface.co; nothing else leaves the machine.")
        )
        foot.addStretch(1)
        foot.addWidget(close)
        layout = QVBoxLayout(self)
        tight(layout, 0, 0)
        layout.addWidget(scroll, 1)
        layout.addLayout(foot)
        keeper.loaded_changed.connect(decisions.read)
        for changed in (downloads.changed, decisions.changed, keeper.loaded_changed, keeper.taken_changed):
            changed.connect(self.refresh)
        keeper.status_changed.connect(self.refresh)
        self._keys = ButtonKeys(self)

    def refresh(self) -> None:
        """Look again at what is there."""
        for entry in models():
            self.cards[entry.name].show_entry(entry)
