"""The seed of a render: greedy decoding, or a number to sample with."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSpinBox, QToolButton, QWidget

from studio.gui.icons import icon
from studio.gui.widgets.layout import explain, tight
from studio.gui.widgets.toggles import Segments


class SeedBox(QWidget):
    """Greedy decoding, or a seed to sample with: typed, or a new one at a press."""

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.kind = Segments(
            {"greedy": "greedy", "sample": "sample"},
            name="Decoding",
            hints={
                "greedy": "Always the likeliest token: one take per setting",
                "sample": "Draw tokens with a seed: another seed gives another take, the same seed the same one",
            },
        )
        self.number = QSpinBox()
        self.number.setRange(0, 9999)
        self.number.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        self.number.setFixedWidth(52)
        self.number.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.number.setKeyboardTracking(False)
        self.number.setAccessibleName("Seed")
        self.another = QToolButton()
        self.another.setObjectName("square")
        self.another.setFixedSize(30, 28)
        self.another.setAccessibleName("Another seed")
        layout = QHBoxLayout(self)
        tight(layout, spacing=4)
        layout.addWidget(self.kind, 1)
        layout.addWidget(self.number)
        layout.addWidget(self.another)
        self.kind.chosen.connect(lambda kind: self.chosen.emit(self.number.value() if kind == "sample" else None))
        self.number.valueChanged.connect(self.chosen.emit)
        self.another.clicked.connect(lambda: self.chosen.emit((self.number.value() + 1) % 10_000))
        self.recolour()
        self.show_seed(None)

    def recolour(self) -> None:
        """Draw the icon in another scheme's colours."""
        self.another.setIcon(icon("dice"))

    def show_seed(self, seed: int | None) -> None:
        """Show a seed without emitting ``chosen``."""
        self.kind.show_value("greedy" if seed is None else "sample")
        if seed is not None:
            show_number(self.number, seed)
        reason = "Greedy decoding needs no seed: choose sample first"
        explain(self.number, seed is not None, reason, "The same seed gives the same take")
        explain(self.another, seed is not None, reason, "Another seed, another take")


def show_number(box: QSpinBox, value: int) -> None:
    """Show a number without telling that it changed."""
    box.blockSignals(True)
    box.setValue(value)
    box.blockSignals(False)
