"""Last page: the mask, and where it is kept."""

from __future__ import annotations

import os
from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout

from studio.gui.localize.heatmap import HeatmapView
from studio.gui.widgets.layout import ElidedLabel, explain, heading, small
from studio.gui.wizard.page import Page
from studio.gui.wizard.search import Search
from studio.gui.wizard.tables import Table
from studio.paths import masks_dir, user_masks_dir

SUFFIX = ".esn.safetensors"


class SavePage(Page):
    """Shows what was found and saves it; ``finished`` with it, the studio opens it."""

    def __init__(self, search: Search) -> None:
        super().__init__(
            "Save mask", "The mask says which neurons carry which emotion; the studio's sliders reach them."
        )
        self._results = search.results
        self._replace = False
        self.chart = HeatmapView(hint="")
        self.chart.setMinimumSize(280, 152)
        self.under_mouse = ElidedLabel()
        self.under_mouse.setProperty("role", "small")
        self.table = Table("What was found")
        self.warnings = small(role="warning")
        self.warnings.setWordWrap(True)
        self.path = QLineEdit()
        self.path.setAccessibleName("Mask file")
        self.choose = QPushButton("Choose…")
        self.choose.setAccessibleName("Choose the mask file")
        self.save = QPushButton("Save mask")
        self.save.setObjectName("primary")
        self.told = QLabel()
        self.told.setWordWrap(True)
        self.first = self.path
        self._lay_out()
        self.chart.hovered.connect(self.under_mouse.show_text)
        self.path.textChanged.connect(self._rename)
        self.path.returnPressed.connect(self._save)
        self.save.clicked.connect(self._save)
        self.choose.clicked.connect(self._ask)
        search.results.saved.connect(self._show)
        search.results.save_refused.connect(self._offer_replacing)

    def initializePage(self) -> None:
        """Show what was selected and propose a name."""
        results = self._results
        if results.saved_to is None:
            name = f"{_plain(results.recipe.title)}-{results.method.lower()}{SUFFIX}"
            self.path.setText(str(masks_folder() / name))
        selection = results.selection
        if selection is not None:
            self.chart.show_mask(selection.chart)
            self.table.show_rows(
                [
                    {
                        "emotion": emotion,
                        "successes": selection.successes.get(emotion, 0),
                        "neurons": selection.mask.count(emotion),
                    }
                    for emotion in results.recipe.emotions
                ]
            )
            self.warnings.setText("\n".join(selection.warnings))
        self._show()

    def lacking(self) -> str | None:
        """Why it cannot be opened yet."""
        return None if self._results.saved_to is not None else "Save the mask to open it in the studio."

    def recolour(self) -> None:
        """Draw in the colours of the scheme in use."""
        self.chart.recolour()

    def _lay_out(self) -> None:
        left = QVBoxLayout()
        left.setSpacing(8)
        left.addWidget(heading("What was found"))
        left.addWidget(self.table)
        left.addWidget(self.warnings)
        left.addStretch(1)
        right = QVBoxLayout()
        right.setSpacing(4)
        right.addWidget(heading("Selected neurons, layers by emotions"))
        right.addWidget(self.chart, 1)
        right.addWidget(self.under_mouse)
        above = QHBoxLayout()
        above.setSpacing(24)
        above.addLayout(left, 2)
        above.addLayout(right, 3)
        row = QHBoxLayout()
        row.setSpacing(8)
        label = QLabel("Mask file")
        label.setBuddy(self.path)
        row.addWidget(label)
        row.addWidget(self.path, 1)
        row.addWidget(self.choose)
        row.addWidget(self.save)
        self.body.addLayout(above, 1)
        self.body.addLayout(row)
        self.body.addWidget(self.told)

    def _rename(self) -> None:
        self._replace = False
        self.save.setText("Save mask")
        self.told.setText("")
        explain(self.save, bool(self.path.text().strip()), "Name the file first")

    def _save(self) -> None:
        text = self.path.text().strip()
        if text:
            path = Path(text).expanduser()
            self._results.save(path if path.name.endswith(SUFFIX) else Path(f"{path}{SUFFIX}"), replace=self._replace)

    def _offer_replacing(self) -> None:
        self._replace = True
        self.save.setText("Replace it")
        self.told.setText("There is a file of this name. Press again to replace it, or choose another name.")

    def _ask(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(self, "Save the mask", self.path.text(), f"ESN masks (*{SUFFIX})")
        if chosen:
            self.path.setText(chosen)
            self._replace = True

    def _show(self) -> None:
        saved = self._results.saved_to
        if saved is not None:
            self._rename()
            self.told.setText(f"Saved as {saved}.")
        self.completeChanged.emit()


def masks_folder() -> Path:
    """Where masks are kept: beside those that ship where that can be written, else with the user's data."""
    return masks_dir() if os.access(masks_dir(), os.W_OK) else user_masks_dir()


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name) or "mask"
