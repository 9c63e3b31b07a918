"""First page: which corpus, or a search to go on with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QComboBox, QFileDialog, QFrame, QGridLayout, QHBoxLayout, QLabel, QLineEdit, QPushButton

from studio.corpora.layouts import AUTO, LAYOUTS
from studio.gui.widgets.layout import heading, small
from studio.gui.wizard.page import Page
from studio.gui.wizard.search import Search
from studio.paths import resources_dir, user_data_dir

_TITLES = {
    "manifest": "Manifest (CSV, TSV, JSONL)",
    "esd": "ESD",
    "ravdess": "RAVDESS",
    "crema-d": "CREMA-D",
    "emodb": "EmoDB",
    "tess": "TESS",
    "folders": "A folder per emotion",
}
_SHAPES = (
    ("ESD", "0011/Neutral/0011_000001.wav, transcripts in 0011/0011.txt"),
    ("Acted", "RAVDESS, CREMA-D, EmoDB and TESS as they are distributed"),
    ("Folders", "neutral/…, happy/…, with or without a folder per speaker; name.txt beside name.wav"),
    ("Manifest", "manifest.csv, .tsv or .jsonl with path, speaker, emotion, text and utterance"),
)


class DatasetPage(Page):
    """Chooses the corpus; ``resume_asked`` and ``forget_asked`` carry the folder of a search that was left."""

    resume_asked = Signal(object)
    forget_asked = Signal(object)

    def __init__(self, search: Search) -> None:
        super().__init__(
            "Dataset",
            "Neurons are found by converting neutral speech. Choose recordings with transcripts; nothing in the folder "
            "is changed, and nothing leaves this machine.",
            scrolls=True,
        )
        self._search = search
        self.setAcceptDrops(True)
        self.path = QLineEdit()
        self.path.setAccessibleName("Corpus folder or manifest")
        self.path.setPlaceholderText("Folder, or drop one here")
        self.choose = QPushButton("Choose folder…")
        self.choose_file = QPushButton("Choose manifest…")
        self.demo = QPushButton("Use the demo corpus")
        self.demo.setToolTip("The recordings that ship with the studio: ten speakers, 60 neutral lines each")
        self.open_job = QPushButton("Open a job folder…")
        self.open_job.setToolTip("Go on with a search that was made before, here or by esn-studio identify")
        self.layout_box = QComboBox()
        self.layout_box.setAccessibleName("Layout of the corpus")
        self.layout_box.addItem("Detect automatically", AUTO)
        for name in LAYOUTS:
            self.layout_box.addItem(_TITLES.get(name, name), name)
        self._build_left_behind()
        self.first = self.path
        self._lay_out()
        self.path.textChanged.connect(self._take)
        self.layout_box.activated.connect(self._take)
        self.choose.clicked.connect(self._ask_folder)
        self.choose_file.clicked.connect(self._ask_file)
        self.open_job.clicked.connect(self._ask_job)
        self.demo.clicked.connect(lambda: self.path.setText(str(resources_dir() / "demo")))
        search.recipe_changed.connect(self._show)
        self._show()
        self.show_missing()

    def lacking(self) -> str | None:
        """Why one cannot go on."""
        return None if self.path.text().strip() else "Choose a corpus folder or a manifest first."

    def show_left_behind(self, folders: Sequence[Path]) -> None:
        """Offer to go on with one of the searches that were left, the first proposed; none is no offer."""
        self.left_behind.setVisible(bool(folders))
        self.left.clear()
        for place, folder in enumerate(folders):
            self.left.addItem(folder.name, folder)
            self.left.setItemData(place, str(folder), Qt.ItemDataRole.ToolTipRole)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take a folder or a manifest."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Use what was dropped."""
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.path.setText(paths[0])

    def _build_left_behind(self) -> None:
        self.left_behind = QFrame()
        self.left_behind.setObjectName("notice")
        label = QLabel("Left before its mask was saved")
        self.left = QComboBox()
        self.left.setAccessibleName("Searches that were left, the newest first")
        label.setBuddy(self.left)
        self.go_on = QPushButton("Go on with it")
        self.go_on.setObjectName("primary")
        self.forget = QPushButton("Do not offer again")
        self.forget.setObjectName("quiet")
        self.forget.setToolTip("What was converted stays in its folder")
        row = QHBoxLayout(self.left_behind)
        row.setContentsMargins(12, 6, 8, 6)
        row.setSpacing(8)
        row.addWidget(label)
        row.addWidget(self.left, 1)
        row.addWidget(self.forget)
        row.addWidget(self.go_on)
        self.left_behind.hide()
        self.go_on.clicked.connect(lambda: self.resume_asked.emit(self.left.currentData()))
        self.forget.clicked.connect(lambda: self.forget_asked.emit(self.left.currentData()))

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.path, 1)
        row.addWidget(self.choose)
        row.addWidget(self.choose_file)
        below = QHBoxLayout()
        below.setSpacing(8)
        label = QLabel("Layout")
        label.setBuddy(self.layout_box)
        below.addWidget(self.demo)
        below.addWidget(self.open_job)
        below.addStretch(1)
        below.addWidget(label)
        below.addWidget(self.layout_box)
        shapes = QGridLayout()
        shapes.setHorizontalSpacing(16)
        shapes.setVerticalSpacing(6)
        shapes.setColumnStretch(1, 1)
        for number, (name, shape) in enumerate(_SHAPES):
            text = small(shape)
            text.setWordWrap(True)
            shapes.addWidget(QLabel(name), number, 0)
            shapes.addWidget(text, number, 1)
        self.body.addWidget(self.left_behind)
        self.body.addLayout(row)
        self.body.addLayout(below)
        self.body.addSpacing(8)
        self.body.addWidget(heading("What can be read"))
        self.body.addLayout(shapes)
        self.body.addStretch(1)

    def _take(self) -> None:
        text = self.path.text().strip()
        recipe = self._search.recipe
        self._search.set_recipe(
            replace(
                recipe,
                corpus=Path(text).expanduser() if text else None,
                layout=str(self.layout_box.currentData()),
                limit=None if text != str(recipe.corpus) else recipe.limit,
            )
        )
        self.completeChanged.emit()

    def _show(self) -> None:
        recipe = self._search.recipe
        wanted = "" if recipe.corpus is None else str(recipe.corpus)
        if Path(self.path.text().strip()).expanduser() != Path(wanted):
            self.path.blockSignals(True)
            self.path.setText(wanted)
            self.path.blockSignals(False)
            self.completeChanged.emit()
        self.layout_box.setCurrentIndex(max(0, self.layout_box.findData(recipe.layout)))

    def _ask_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Choose the corpus folder", self.path.text())
        if chosen:
            self.path.setText(chosen)

    def _ask_job(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Choose the job folder", str(user_data_dir() / "jobs"))
        if chosen:
            self.resume_asked.emit(Path(chosen))

    def _ask_file(self) -> None:
        patterns = "Manifests (*.csv *.tsv *.jsonl)"
        chosen, _ = QFileDialog.getOpenFileName(self, "Choose the manifest", self.path.text(), patterns)
        if chosen:
            self.path.setText(chosen)
