"""One model in the list: what it can do and takes, how it stands, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from studio.gui.formats import sentence
from studio.gui.loading import ModelKeeper
from studio.gui.models.decisions import Decisions
from studio.gui.models.downloads import Downloads
from studio.gui.models.environment_row import EnvironmentRow
from studio.gui.models.environments import Environments
from studio.gui.models.options import OptionsRow
from studio.gui.widgets.layout import explain, set_role, small, tight
from studio.gui.widgets.progressline import ProgressLine
from studio.gui.widgets.questions import ask_first
from studio.lalm.catalog import CatalogEntry, Lack
from studio.lalm.entries import IN_PROCESS
from studio.lalm.runtimes.records import host_of
from studio.lalm.runtimes.specs import find_runtime
from studio.lalm.weights import offline_reason

_OBSTACLES = {Lack.WEIGHTS: "It is not downloaded yet", Lack.ENVIRONMENT: "Its environment is not set up yet"}


class ModelCard(QFrame):
    """One model."""

    def __init__(
        self,
        entry: CatalogEntry,
        keeper: ModelKeeper,
        downloads: Downloads,
        decisions: Decisions,
        environments: Environments,
    ) -> None:
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
        self.fit, self.code, self.problem = small(), small(), small()
        self.progress = ProgressLine(f"Download of {entry.title}")
        self.use = self._button("Use", keeper.choose)
        self.fetch = self._button("Download", lambda _name: downloads.start(entry.facts))
        self.cancel = self._button("Cancel", lambda _name: downloads.cancel())
        self.delete = self._button("Delete…", lambda _name: self._ask_delete())
        self.withdraw = self._button("Withdraw consent", decisions.withdraw)
        self.withdraw.setToolTip("Do not run the code this model brings along until you agree to it again")
        self.options = OptionsRow(entry.facts)
        self.options.chosen.connect(lambda options: decisions.choose(entry.facts, options))
        hosted = entry.facts.runtime != IN_PROCESS
        self.environment = EnvironmentRow(find_runtime(entry.facts.runtime), environments) if hosted else None
        self._lay_out()
        downloads.progress.connect(self._show_share)
        self.show_entry(entry)

    def show_entry(self, entry: CatalogEntry) -> None:
        """Show how the model stands."""
        self.entry = entry
        keeper, facts = self._keeper, entry.facts
        loaded = keeper.loaded if keeper.loaded is not None and keeper.loaded.name == entry.name else None
        if self.environment is not None:
            self.environment.show_state(loaded is not None)
        self._show_state(in_use=loaded is not None)
        self._show_decisions()
        self._show_files(in_use=loaded is not None)
        anew = loaded is not None and loaded.options != self._decisions.options(entry.name)
        self.use.setVisible(facts.converts or facts.recognises)
        self.use.setText("Load again" if anew else "Use")
        self.use.setAccessibleName(f"{self.use.text()} {entry.title}")
        reason = "It is in use" if loaded is not None and not anew else self._obstacle()
        hint = "Load it with what is chosen here" if anew else "Load it in place of the model in use"
        explain(self.use, not reason, reason, hint)
        says = (self.state, self.about, self.fit, self.code, self.problem)
        # "isHidden" asks about the label itself, also while the list is not shown.
        self.setAccessibleDescription(" ".join(label.text() for label in says if not label.isHidden()))

    def _show_state(self, *, in_use: bool) -> None:
        entry = self.entry
        host = host_of(entry.facts.runtime)
        there = "Installed" if host is None else f"On {host}"
        self.state.setText("In use" if in_use else there if entry.installed else "Not downloaded")
        said = self._downloads.problems.get(entry.name)
        if said is None and entry.lacks not in _OBSTACLES:
            said = entry.problem
        self.problem.setText(said or "")
        self.problem.setVisible(said is not None)
        set_role(self.problem, "warning")

    def _show_decisions(self) -> None:
        facts, decisions = self.entry.facts, self._decisions
        self.options.show_options(decisions.options(facts.name))
        # The card of another machine is looked at there, by its host.
        fit = decisions.fit(facts) if host_of(facts.runtime) is None else None
        self.fit.setText(sentence(fit.words) if fit is not None else "")
        self.fit.setVisible(fit is not None)
        set_role(self.fit, "small" if fit is None or fit.fits else "warning")
        agreed = decisions.agreed(facts.name)
        self.code.setText("You agreed to run the code it brings along." if agreed else
                          "It brings code of its own, which you are shown and asked about before it runs.")  # fmt: skip
        self.code.setVisible(facts.remote_code)
        self.withdraw.setVisible(facts.remote_code and agreed)

    def _show_files(self, *, in_use: bool) -> None:
        entry, downloads = self.entry, self._downloads
        hub = entry.facts.repo is not None
        here = downloads.active == entry.name
        for widget in (self.progress, self.cancel):
            widget.setVisible(here)
        if not here:
            self.progress.restart()
        self.fetch.setVisible(hub and not entry.installed and not here)
        self.delete.setVisible(hub and not here and entry.weights.parent.exists())
        busy = "Another model is being downloaded or deleted" if downloads.active else ""
        reason = busy or offline_reason(entry.facts, self._decisions.options(entry.name)) or ""
        explain(self.fetch, not reason, reason, "Download it; stopped, it can go on later")
        reason = busy or ("It is in use; use another model first" if in_use else "")
        explain(self.delete, not reason, reason, "Delete its files")

    def _obstacle(self) -> str:
        """Why it cannot be used now; empty when it can."""
        entry, keeper = self.entry, self._keeper
        if not entry.facts.converts:
            return "It listens and does not speak; it is used by: esn-studio recognise"
        if entry.lacks is not None:
            return _OBSTACLES.get(entry.lacks) or entry.problem or ""
        return keeper.taken or ("A model is being loaded" if keeper.loading else "")

    def _show_share(self, share: float) -> None:
        if self._downloads.active == self.entry.name:
            self.progress.show_share(share)

    def _ask_delete(self) -> None:
        words = f"Delete the files of {self.entry.title}? To use it again it has to be downloaded again."
        ask_first(self, "Delete a model", words, "Delete", partial(self._downloads.remove, self.entry.facts))

    def _button(self, text: str, act: Callable[[str], object]) -> QPushButton:
        button = QPushButton(text)
        button.setAccessibleName(f"{text.rstrip('…')} {self.entry.title}")
        # Enter belongs to the button that has the focus.
        button.setAutoDefault(False)
        button.clicked.connect(lambda: act(self.entry.name))
        return button

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addWidget(self.title)
        top.addWidget(self.state)
        top.addStretch(1)
        for button in (self.cancel, self.fetch, self.withdraw, self.delete, self.use):
            top.addWidget(button)
        layout = QVBoxLayout(self)
        tight(layout, 12, 6)
        layout.addLayout(top)
        for label in (self.about, self.facts, self.fit, self.code, self.problem):
            label.setWordWrap(True)
            layout.addWidget(label)
        layout.addWidget(self.progress)
        if self.environment is not None:
            layout.addWidget(self.environment)
        layout.addWidget(self.options)
        self.options.setVisible(self.entry.facts.configurable)
