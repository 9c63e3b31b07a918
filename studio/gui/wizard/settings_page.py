"""Fourth page: what is searched for, and how neurons are selected."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QWidget,
)

from studio.emotions import TARGETS
from studio.gui.widgets.decimals import DecimalBox
from studio.gui.widgets.layout import small
from studio.gui.wizard.page import Page
from studio.gui.wizard.search import Search
from studio.pipelines.recipe import Recipe

_VALUE_WIDTH = 96
_HEIGHT = 28
_SELECTORS: Mapping[str, str] = {
    "cas": "Contrast: most active for one emotion against the runner-up. The paper's default.",
    "mad": "Deviation: far from the mean over emotions, in either direction.",
    "lape": "Entropy: active for few emotions and quiet for the others.",
    "lap": "Activity: simply the most active. Finds neurons that speech needs anyway.",
    "random": "Chance: a control to compare the others with.",
}


class SettingsPage(Page):
    """The settings with a sentence each; what is rarely changed is folded away."""

    def __init__(self, search: Search) -> None:
        super().__init__(
            "Settings",
            "The proposed values are the paper's. Selector, rate and cap can be changed later without converting "
            "anything anew.",
            scrolls=True,
        )
        self._search = search
        self.emotions = {emotion: QCheckBox(emotion) for emotion in TARGETS}
        self.selector = QComboBox()
        for name in _SELECTORS:
            self.selector.addItem(name.upper() if name != "random" else "Random", name)
        self.rate = _decimals(0.01, 100.0, 2, 0.1, " %")
        self.cap = _whole(1, 100_000, " per emotion")
        self.wer = _decimals(0.0, 500.0, 0, 5.0, " %")
        self.module = QComboBox()
        self.percentile = _decimals(0.0, 100.0, 1, 1.0, "")
        self.seed = _whole(0, 2_147_483_647)
        self.batch = _whole(1, 1024)
        self.stop_early = QCheckBox("Stop with an emotion once it has enough successes")
        self.keep_audio = QCheckBox("Keep what is converted, to listen to it")
        self.more = QPushButton("More settings")
        self.more.setObjectName("quiet")
        self.more.setCheckable(True)
        self.about_selector = small()
        self.expected = small()
        self.where = small()
        self.where.setWordWrap(True)
        self.first = self.emotions[TARGETS[0]]
        self._lay_out()
        self._connect()
        self._show()

    def initializePage(self) -> None:
        """Show what the model offers and how much work it is."""
        self._search.choose_folder()
        self._show()

    def validatePage(self) -> bool:
        """Take in what is still being typed: a key that presses Next does not leave the box."""
        for box in (self.rate, self.cap, self.wer, self.percentile, self.seed, self.batch):
            box.interpretText()
        return self.isComplete()

    def lacking(self) -> str | None:
        """Why one cannot go on."""
        recipe, loaded = self._search.recipe, self._search.keeper.loaded
        if not recipe.emotions:
            return "Choose at least one emotion."
        neurons = sum(loaded.model.info.gates.get(recipe.module, ())) if loaded is not None else 0
        if neurons and recipe.rate * neurons < 1:
            return f"{recipe.rate * 100:.2f} % of {neurons:,} neurons is none; choose a larger rate."
        return None

    def _lay_out(self) -> None:
        boxes = QWidget()
        row = QHBoxLayout(boxes)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(16)
        for box in self.emotions.values():
            row.addWidget(box)
        row.addStretch(1)
        grid = _Form()
        grid.add("Emotions", boxes, None)
        grid.add("Selector", self.selector, self.about_selector)
        grid.add(
            "Rate", self.rate, small("Share of all neurons per emotion. 0.3 to 0.5 % works, 1 % leaks into others.")
        )
        grid.add("Cap", self.cap, small("Successes that count. 10 is noisy, 20 to 50 is good."))
        self.folded = QWidget()
        more = _Form()
        self.folded.setLayout(more)
        more.setContentsMargins(0, 0, 0, 0)
        more.add("WER at most", self.wer, small("Above this the words are not intact and the conversion is rejected."))
        more.add(
            "Module", self.module, small("Whose gates are counted; neurons of the synthesis side are mostly inert.")
        )
        more.add("Percentile", self.percentile, small("LAPE only: neurons below it everywhere are no candidates."))
        more.add("Seed", self.seed, small("Of every draw. The same seed finds the same neurons."))
        more.add("Batch", self.batch, small("Conversions at once, where the model can; less needs less memory."))
        more.add("", self.stop_early, None)
        more.add("", self.keep_audio, None)
        self.body.addLayout(grid)
        self.body.addWidget(self.more, 0, Qt.AlignmentFlag.AlignLeft)
        self.body.addWidget(self.folded)
        self.body.addStretch(1)
        self.body.addWidget(self.expected)
        self.body.addWidget(self.where)
        self.folded.hide()

    def _connect(self) -> None:
        for emotion, box in self.emotions.items():
            box.setAccessibleName(f"Find neurons for {emotion}")
            box.toggled.connect(self._take)
        for number in (self.rate, self.cap, self.wer, self.percentile, self.seed, self.batch):
            number.valueChanged.connect(self._take)
        for choice in (self.selector, self.module):
            choice.activated.connect(self._take)
        for check in (self.stop_early, self.keep_audio):
            check.toggled.connect(self._take)
        self.more.toggled.connect(self.folded.setVisible)
        self.more.toggled.connect(lambda on: self.more.setText("Fewer settings" if on else "More settings"))
        self._search.recipe_changed.connect(self._show)
        self._search.keeper.loaded_changed.connect(self._show)

    def _controls(self) -> tuple[QWidget, ...]:
        return (
            *self.emotions.values(), self.selector, self.rate, self.cap, self.wer, self.module, self.percentile,
            self.seed, self.batch, self.stop_early, self.keep_audio,
        )  # fmt: skip

    def _take(self, *_value: Any) -> None:
        recipe = self._search.recipe
        self._search.set_recipe(
            replace(
                recipe,
                emotions=tuple(emotion for emotion, box in self.emotions.items() if box.isChecked()),
                selector=str(self.selector.currentData()),
                rate=round(self.rate.value() / 100, 6),
                cap=self.cap.value(),
                wer_threshold=round(self.wer.value() / 100, 4),
                module=str(self.module.currentData() or recipe.module),
                percentile=self.percentile.value(),
                seed=self.seed.value(),
                batch=self.batch.value(),
                stop_early=self.stop_early.isChecked(),
                keep_audio=self.keep_audio.isChecked(),
            )
        )
        self.completeChanged.emit()

    def _show(self) -> None:
        recipe = self._search.recipe
        for control in self._controls():
            control.blockSignals(True)
        self._show_modules(recipe)
        for emotion, box in self.emotions.items():
            box.setChecked(emotion in recipe.emotions)
        self.selector.setCurrentIndex(self.selector.findData(recipe.selector))
        _show_number(self.rate, recipe.rate * 100)
        _show_number(self.wer, recipe.wer_threshold * 100)
        _show_number(self.percentile, recipe.percentile)
        for whole, number in ((self.cap, recipe.cap), (self.seed, recipe.seed), (self.batch, recipe.batch)):
            if whole.value() != number:
                whole.setValue(number)
        self.stop_early.setChecked(recipe.stop_early)
        self.keep_audio.setChecked(recipe.keep_audio)
        for control in self._controls():
            control.blockSignals(False)
        self.percentile.setEnabled(recipe.selector == "lape")
        self.percentile.setToolTip("" if recipe.selector == "lape" else "Only the selector LAPE has a percentile")
        self.about_selector.setText(_SELECTORS[recipe.selector])
        self.expected.setText(self._expectation(recipe))
        folder = self._search.folder
        self.where.setText("" if folder is None else f"Everything is kept in {_short(folder)}")
        self.where.setToolTip("" if folder is None else str(folder))

    def _show_modules(self, recipe: Recipe) -> None:
        loaded = self._search.keeper.loaded
        names = list(loaded.model.info.gates) if loaded is not None else [recipe.module]
        if [self.module.itemData(place) for place in range(self.module.count())] != names:
            self.module.clear()
            for name in names:
                self.module.addItem(name, name)
        self.module.setCurrentIndex(max(0, self.module.findData(recipe.module)))

    def _expectation(self, recipe: Recipe) -> str:
        checked = self._search.corpus.checked
        if checked is None:
            return ""
        recordings = checked.usable.get(recipe.part, 0)
        if recipe.limit is not None:
            recordings = min(recordings, recipe.limit)
        most = recordings * len(recipe.emotions)
        return f"{recordings:,} recordings to {len(recipe.emotions)} emotions: up to {most:,} conversions."


class _Form(QGridLayout):
    """Label, control, and what it does."""

    def __init__(self) -> None:
        super().__init__()
        self.setHorizontalSpacing(16)
        self.setVerticalSpacing(8)
        self.setColumnMinimumWidth(0, 88)
        self.setColumnStretch(2, 1)

    def add(self, name: str, control: QWidget, about: QLabel | None) -> None:
        row = self.rowCount()
        if name:
            label = QLabel(name)
            label.setBuddy(control)
            self.addWidget(label, row, 0)
            if not control.accessibleName():
                control.setAccessibleName(name)
        if about is None:
            self.addWidget(control, row, 1, 1, 2)
        else:
            about.setWordWrap(True)
            control.setFixedSize(160, _HEIGHT)
            self.addWidget(control, row, 1)
            self.addWidget(about, row, 2)


def _whole(least: int, most: int, suffix: str = "") -> QSpinBox:
    box = QSpinBox()
    box.setKeyboardTracking(False)
    box.setRange(least, most)
    box.setSuffix(suffix)
    box.setFixedWidth(_VALUE_WIDTH)
    return box


def _decimals(least: float, most: float, places: int, step: float, suffix: str) -> QDoubleSpinBox:
    box = DecimalBox()
    box.setKeyboardTracking(False)
    box.setRange(least, most)
    box.setDecimals(places)
    box.setSingleStep(step)
    box.setSuffix(suffix)
    box.setFixedWidth(_VALUE_WIDTH)
    return box


def _show_number(box: QDoubleSpinBox, value: float) -> None:
    """Show a value, unless it is there: setting it would disturb who is typing it."""
    if abs(box.value() - value) > 0.5 * 10 ** -box.decimals():
        box.setValue(value)


def _short(folder: Path) -> str:
    try:
        path = f"~{os.sep}{folder.relative_to(Path.home())}"
    except ValueError:
        path = str(folder)
    # A zero-width space where a long path may go on in the next line.
    return path.replace(os.sep, f"{os.sep}\u200b")
