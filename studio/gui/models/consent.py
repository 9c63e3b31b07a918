"""Asks whether the code that a model brings along may run; the answer is no unless it is given."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QWidget,
)

from studio.gui.keys import ButtonKeys
from studio.gui.widgets.layout import body_of, fit_to_screen, small
from studio.lalm.consent import CodeOffer, in_words

_DIGIT_GROUP = 32


class ConsentDialog(QDialog):
    """Shows whose code it is, at which revision, with which hash, which files; ``agreed`` carries it when it may run.

    Enter and Escape both decline.
    """

    agreed = Signal(object)

    def __init__(self, code: CodeOffer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.code = code
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(f"Run the code of {code.title}?")
        self.words = QLabel(in_words(code))
        self.words.setWordWrap(True)
        self.values = {
            "Model": QLabel(code.title),
            "Repository": QLabel(code.repository),
            "Revision": QLabel(code.revision),
            "SHA-256": QLabel(f"{code.digest[:_DIGIT_GROUP]}\n{code.digest[_DIGIT_GROUP:]}"),
            "Code": QLabel(f"{len(code.files)} Python and YAML files, {code.size / 1e3:,.1f} kB"),
        }
        self.files = QPlainTextEdit("\n".join(code.files))
        self.files.setReadOnly(True)
        self.files.setFixedHeight(112)
        self.files.setAccessibleName("Python and YAML files of the model")
        self.files.setTabChangesFocus(True)
        self.decline = QPushButton("Do not run it")
        self.decline.setDefault(True)
        self.agree = QPushButton("Run this code")
        self.agree.setAutoDefault(False)
        self.decline.clicked.connect(self.reject)
        self.agree.clicked.connect(self._agree)
        self._lay_out()
        self._keys = ButtonKeys(self)
        self.decline.setFocus()

    def _agree(self) -> None:
        self.accept()
        self.agreed.emit(self.code)

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        for row, (name, value) in enumerate(self.values.items()):
            label = small(name)
            value.setTextInteractionFlags(
                Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
            )
            value.setAccessibleName(name)
            value.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            grid.addWidget(label, row, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(value, row, 1)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.agree)
        buttons.addWidget(self.decline)
        column = body_of(self, buttons, 552)
        column.addWidget(self.words)
        column.addLayout(grid)
        column.addWidget(self.files)
        fit_to_screen(self)
