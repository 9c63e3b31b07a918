"""How a model is to be loaded, as controls in a row: precision, speaker, offline."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QWidget

from studio.gui.widgets.layout import small, tight
from studio.lalm.entries import ModelFacts
from studio.lalm.options import ModelOptions


class OptionsRow(QWidget):
    """Shows a model's options; ``chosen`` carries all of them when the user changes one."""

    chosen = Signal(object)

    def __init__(self, facts: ModelFacts) -> None:
        super().__init__()
        self._options = ModelOptions()
        self.precision = self._box(
            facts,
            "Precision",
            facts.precisions,
            "How weights are kept: less memory, less exact. 8bit and 4bit need CUDA",
        )
        self.speaker = self._box(facts, "Speaker", facts.speakers, "Whose voice the model speaks in")
        self.offline = QCheckBox("No downloads")
        self.offline.setAccessibleName(f"Download nothing for {facts.title}")
        self.offline.setToolTip(
            "Fetch nothing for this model. What is there is loaded from this machine alone, either way"
        )
        layout = QHBoxLayout(self)
        tight(layout)
        for name, box in (("Precision", self.precision), ("Speaker", self.speaker)):
            label = small(name)
            label.setBuddy(box)
            label.setVisible(box.count() > 1)
            box.setVisible(box.count() > 1)
            layout.addWidget(label)
            layout.addWidget(box)
            layout.addSpacing(8)
        layout.addWidget(self.offline)
        layout.addStretch(1)
        self.precision.activated.connect(lambda _index: self._choose(precision=self.precision.currentData()))
        self.speaker.activated.connect(lambda _index: self._choose(speaker=self.speaker.currentData()))
        self.offline.clicked.connect(lambda on: self._choose(offline=on))

    def show_options(self, options: ModelOptions) -> None:
        """Show what is chosen."""
        self._options = options
        self.precision.setCurrentIndex(max(0, self.precision.findData(options.precision)))
        self.speaker.setCurrentIndex(max(0, self.speaker.findData(options.speaker)))
        self.offline.setChecked(options.offline)

    def _choose(self, **changed: object) -> None:
        self._options = replace(self._options, **changed)  # type: ignore[arg-type]
        self.chosen.emit(self._options)

    def _box(self, facts: ModelFacts, name: str, values: tuple[str, ...], hint: str) -> QComboBox:
        box = QComboBox()
        box.setAccessibleName(f"{name} of {facts.title}")
        box.setToolTip(hint)
        box.addItem("default", None)
        for value in values:
            box.addItem(value, value)
        return box
