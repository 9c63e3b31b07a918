"""Asks where the environment of a model shall be made, and says what it needs there before anything is done."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)

from studio.gui.keys import ButtonKeys
from studio.gui.models.environments import Environments, Question, Survey
from studio.gui.widgets.layout import body_of, explain, fit_to_screen, set_role, small
from studio.lalm.runtimes.create import Site
from studio.lalm.runtimes.records import RuntimeRecord
from studio.lalm.runtimes.specs import RuntimeSpec

_HERE, _THERE = "This computer", "Another computer, by ssh"


class SetupDialog(QDialog):
    """``agreed`` carries the site and the folder of the weights there (empty: in the hub's cache) once it may be made.

    ``record``: what is known of an environment that is to be gone on with, renewed or repaired, where it lies.
    """

    agreed = Signal(object, str)

    def __init__(
        self, spec: RuntimeSpec, record: RuntimeRecord | None, environments: Environments, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._spec, self._environments = spec, environments
        self._site: Site | None = None
        self._looking = False
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(f"Set up the environment of {spec.title}")
        self.words = QLabel(
            f"{spec.title} wants other versions of torch and transformers than the studio runs on. They are installed "
            "into an environment of their own, with venv and pip; nothing else on the computer changes."
        )
        self.place = QComboBox()
        self.place.setAccessibleName("Where the environment is made")
        self.place.addItems([_HERE, _THERE])
        self.host = _field("User and host", "user@host")
        self.weights = _field("Folder of the weights there", "in the cache of the hub there")
        self.python = _field("Python it is made with", f"one that fits ({spec.python_range})")
        self.about_host = small(
            "ssh must reach it without asking for a password, and Python with venv must be there. The weights are "
            "downloaded there, by you."
        )
        self.found = QLabel()
        self.found.setAccessibleName("What it needs")
        self.look = QPushButton("Look again")
        self.start = QPushButton("Set up")
        self.start.setObjectName("primary")
        self.close_button = QPushButton("Cancel")
        if record is not None:
            self.place.setCurrentText(_HERE if record.host is None else _THERE)
            self.host.setText(record.host or "")
            self.weights.setText(record.weights or "")
        fixed = record is None
        explain(self.place, fixed, "It lies there; remove it first to make it elsewhere")
        explain(self.host, fixed, "It lies there; remove it first to make it elsewhere")
        self._lay_out()
        self.place.activated.connect(lambda _index: self._ask_anew())
        for field in (self.host, self.python):
            field.textEdited.connect(lambda _text: self._forget())
            field.returnPressed.connect(self._look)
        self.look.clicked.connect(self._look)
        self.start.clicked.connect(self._agree)
        self.close_button.clicked.connect(self.reject)
        environments.surveyed.connect(self._take)
        self._keys = ButtonKeys(self)
        self._ask_anew()

    @property
    def _question(self) -> Question:
        host = self.host.text().strip() if self.place.currentText() == _THERE else None
        return Question(self._spec.name, host, self.python.text().strip() or None)

    def _ask_anew(self) -> None:
        there = self.place.currentText() == _THERE
        for widget in (self.host, self.host_label, self.weights, self.weights_label, self.about_host):
            widget.setVisible(there)
        self._forget()
        if not there or self.host.text():
            self._look()
        else:
            self.host.setFocus()

    def _look(self) -> None:
        question = self._question
        if question.host == "":
            self._show("Name the computer first: user@host.")
            return
        self._site, self._looking = None, True
        self._show("Looking what it needs there…")
        self._environments.look(self._spec, question)

    def _take(self, survey: Survey) -> None:
        if survey.question == self._question:
            self._site, self._looking = survey.site, False
            if survey.site is None:
                self._show(survey.problem, "warning")
            else:
                self._show(survey.site.in_words(self._spec))
                self.start.setFocus()

    def _forget(self) -> None:
        self._site, self._looking = None, False
        self._show("Press Look to see what it needs there.")

    def _show(self, words: str, role: str = "") -> None:
        self.found.setText(words)
        set_role(self.found, role)
        self.look.setText("Look" if self._site is None else "Look again")
        explain(self.look, not self._looking, "It is being looked at")
        reason = "It is being looked at" if self._looking else "Look first what it needs there"
        explain(self.start, self._site is not None, reason, "Download and install; it can be cancelled")
        fit_to_screen(self)

    def _agree(self) -> None:
        site = self._site
        if site is not None:
            self.accept()
            self.agreed.emit(site, self.weights.text().strip() if site.place.host is not None else "")

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(8)
        grid.setColumnStretch(1, 1)
        self.host_label, self.weights_label = QLabel("Computer"), QLabel("Weights")
        rows = (
            (QLabel("Where"), self.place),
            (self.host_label, self.host),
            (self.weights_label, self.weights),
            (QLabel("Python"), self.python),
        )
        for row, (label, field) in enumerate(rows):
            label.setBuddy(field)
            grid.addWidget(label, row, 0)
            grid.addWidget(field, row, 1)
        buttons = QHBoxLayout()
        buttons.addWidget(self.look)
        buttons.addStretch(1)
        buttons.addWidget(self.start)
        buttons.addWidget(self.close_button)
        for button in (self.look, self.start, self.close_button):
            # Enter belongs to what has the focus.
            button.setAutoDefault(False)
        column = body_of(self, buttons, 480)
        column.addWidget(self.words)
        column.addLayout(grid)
        column.addWidget(self.about_host)
        column.addWidget(self.found)
        column.addStretch(1)
        for label in (self.words, self.about_host, self.found):
            label.setWordWrap(True)


def _field(name: str, placeholder: str) -> QLineEdit:
    field = QLineEdit()
    field.setAccessibleName(name)
    field.setPlaceholderText(placeholder)
    return field
