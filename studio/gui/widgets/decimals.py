"""A field for a number with decimals."""

from __future__ import annotations

from PySide6.QtCore import QLocale
from PySide6.QtWidgets import QDoubleSpinBox


class DecimalBox(QDoubleSpinBox):
    """Shows a point, as all numbers here do whatever the system's language, and takes a comma for one."""

    def __init__(self) -> None:
        super().__init__()
        self.setLocale(QLocale.c())

    def validate(self, text: str, position: int) -> object:
        """Whether a text is a number, with a comma written as a point."""
        return super().validate(text.replace(",", "."), position)
