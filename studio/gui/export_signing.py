"""Whether exports are signed, and with whose certificate and key."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QFileDialog, QGridLayout, QLineEdit, QPushButton, QWidget

from studio.errors import StudioError
from studio.gui.widgets.layout import explain
from studio.session.credentials import Identity, load_identity, missing_package

_PATTERNS = "PEM (*.pem *.crt *.cer *.key);;All files (*)"


class SigningFields(QWidget):
    """A box to tick, and two files that show once it is ticked; ``changed`` when anything is."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._known = _known()
        self.sign = QCheckBox("Sign content credentials (C2PA) into each file")
        missing = missing_package()
        explain(self.sign, missing is None, missing or "", "A signed statement that a model made the speech")
        self.certificate = _field("Certificate chain (PEM)", "Certificate file")
        self.key = _field("Private key (PEM)", "Private key file")
        self.choose_certificate = chooser("Choose the certificate")
        self.choose_key = chooser("Choose the private key")
        if self._known is not None:
            self.certificate.setText(str(self._known.certificate))
            self.key.setText(str(self._known.key))
        self._files = (self.certificate, self.choose_certificate, self.key, self.choose_key)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(self.sign, 0, 0, 1, 2)
        for row, (edit, button) in enumerate(
            ((self.certificate, self.choose_certificate), (self.key, self.choose_key)), start=1
        ):
            layout.addWidget(edit, row, 0)
            layout.addWidget(button, row, 1)
            edit.textChanged.connect(self.changed)
            button.clicked.connect(lambda _checked=False, edit=edit: self._ask(edit))
        self.sign.toggled.connect(self._show_files)
        self.sign.toggled.connect(self.changed)
        self._show_files(False)

    @property
    def signed(self) -> bool:
        """Whether exports are to be signed."""
        return self.sign.isChecked()

    @property
    def identity(self) -> Identity | None:
        """Who signs; None while a file is missing."""
        certificate, key = self.certificate.text().strip(), self.key.text().strip()
        return Identity(Path(certificate).expanduser(), Path(key).expanduser()) if certificate and key else None

    @property
    def unknown(self) -> Identity | None:
        """Who signs, where that is somebody else than is set; None otherwise."""
        return self.identity if self.signed and self.identity != self._known else None

    def show_signed(self, signed: bool) -> None:
        """Tick the box, where anything can be signed."""
        self.sign.setChecked(signed and self.sign.isEnabled())

    def _show_files(self, shown: bool) -> None:
        for widget in self._files:
            widget.setVisible(shown)

    def _ask(self, edit: QLineEdit) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, edit.placeholderText(), edit.text(), _PATTERNS)
        if chosen:
            edit.setText(chosen)


def chooser(name: str) -> QPushButton:
    """A button that asks for a file or folder."""
    button = QPushButton("Choose…")
    button.setAccessibleName(name)
    button.setAutoDefault(False)
    return button


def _field(hint: str, name: str) -> QLineEdit:
    edit = QLineEdit()
    edit.setPlaceholderText(hint)
    edit.setAccessibleName(name)
    return edit


def _known() -> Identity | None:
    try:
        return load_identity()
    except StudioError:
        # Half of it, or a damaged file: the fields are empty then, and what is chosen anew replaces it.
        return None
