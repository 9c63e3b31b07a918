"""The environment of a model on its card: how it stands; set up, check, remove."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from studio.gui.models.environments import Environments
from studio.gui.models.setup import SetupDialog
from studio.gui.widgets.layout import explain, set_role, small, tight
from studio.gui.widgets.progressline import ProgressLine
from studio.gui.widgets.questions import ask_first
from studio.lalm.entries import GB
from studio.lalm.runtimes.records import RuntimeRecord, find_record
from studio.lalm.runtimes.specs import RuntimeSpec
from studio.lalm.runtimes.words import Standing, standing

_SET_UP = {Standing.NONE: "Set up…", Standing.BEGUN: "Go on…", Standing.OLD: "Renew…", Standing.MADE: "Repair…"}


class EnvironmentRow(QWidget):
    """Shows how the environment of ``spec`` stands, and what is being done with it."""

    def __init__(self, spec: RuntimeSpec, environments: Environments) -> None:
        super().__init__()
        self._spec, self._environments = spec, environments
        self._record: RuntimeRecord | None = None
        self.words, self.note = small(), small()
        for label in (self.words, self.note):
            label.setWordWrap(True)
        self.set_up = self._button("Set up…", self._ask_set_up)
        self.check = self._button("Check", lambda: environments.check(spec))
        self.remove = self._button("Remove…", self._ask_remove)
        self.cancel = self._button("Cancel", environments.cancel)
        self.cancel.setAccessibleName(f"Cancel setting up the environment of {spec.title}")
        self.progress = ProgressLine(f"Environment of {spec.title}")
        top = QHBoxLayout()
        top.setSpacing(8)
        top.addWidget(self.words, 1)
        for button in (self.cancel, self.set_up, self.check, self.remove):
            top.addWidget(button)
        layout = QVBoxLayout(self)
        tight(layout, 0, 6)
        layout.addLayout(top)
        layout.addWidget(self.note)
        layout.addWidget(self.progress)
        environments.progress.connect(self._show_share)
        environments.words_changed.connect(self._show_words)

    def show_state(self, in_use: bool) -> None:
        """Look at how it stands; one whose model is ``in_use`` is left alone."""
        spec, environments = self._spec, self._environments
        self._record = find_record(spec.name)
        stands = standing(spec, self._record)
        here = environments.active == spec.name
        problem, said = environments.problems.get(spec.name), environments.said.get(spec.name)
        self.words.setText(f"{environments.doing} its environment…" if here else self._stands_in_words(stands))
        self.note.setText("" if here else problem or said or "")
        self.note.setVisible(bool(self.note.text()))
        set_role(self.note, "warning" if problem else "small")
        self.set_up.setText(_SET_UP[stands])
        self.set_up.setAccessibleName(f"{_SET_UP[stands].rstrip('…')} the environment of {spec.title}")
        self.set_up.setVisible(not here and (stands is not Standing.MADE or problem is not None))
        self.check.setVisible(not here and stands is Standing.MADE)
        self.remove.setVisible(not here and stands is not Standing.NONE)
        self.cancel.setVisible(here and environments.stoppable)
        self.progress.setVisible(here)
        if not here:
            self.progress.restart()
        elif not environments.stoppable:
            self.progress.bar.show_busy()
        busy = "Another environment is being worked on" if environments.active else ""
        used = "Its model is in use; use another one first" if in_use else ""
        explain(self.set_up, not (busy or used), busy or used, "See first what it needs, and choose where it is made")
        explain(self.check, not busy, busy, "Start it, to see whether it would serve its model")
        explain(self.remove, not (busy or used), busy or used, "Delete it; the model's weights stay")

    def _stands_in_words(self, stands: Standing) -> str:
        record = self._record
        if stands is Standing.BEGUN:
            return "The making of its environment was not finished."
        if stands is Standing.OLD:
            return "Its environment holds other versions than this studio wants."
        if record is not None:
            return f"Its environment is on {record.place.words}, with Python {record.python}."
        return f"It runs in an environment of its own (about {self._spec.disk / GB:.1f} GB), which is not set up yet."

    def _ask_set_up(self) -> None:
        dialog = SetupDialog(self._spec, self._record, self._environments, self)
        dialog.agreed.connect(lambda site, weights: self._environments.set_up(self._spec, site, weights or None))
        dialog.open()

    def _ask_remove(self) -> None:
        where = "" if self._record is None else f" from {self._record.place.words}"
        ask_first(
            self,
            "Remove an environment",
            f"Delete the environment of {self._spec.title}{where}? Its model cannot be used until it is set up again; "
            "the weights stay.",
            "Remove",
            lambda: self._environments.remove(self._spec),
        )

    def _show_share(self, share: float) -> None:
        if self._environments.active == self._spec.name:
            self.progress.show_share(share)

    def _show_words(self, words: str) -> None:
        if self._environments.active == self._spec.name:
            self.progress.show_words(words)

    def _button(self, text: str, act: Callable[[], None]) -> QPushButton:
        button = QPushButton(text)
        button.setAccessibleName(f"{text.rstrip('…')} the environment of {self._spec.title}")
        # Enter belongs to the button that has the focus.
        button.setAutoDefault(False)
        button.clicked.connect(lambda _checked: act())
        return button
