"""Third page: which model is looked into, and who judges its conversions."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtWidgets import QComboBox, QGridLayout, QLabel, QLineEdit

from studio.gui.formats import sentence
from studio.gui.models.decisions import Decisions
from studio.gui.models.downloads import Downloads
from studio.gui.models.fetching import FetchRow
from studio.gui.widgets.layout import heading, small
from studio.gui.wizard.page import Page
from studio.gui.wizard.search import Search
from studio.judges.catalog import CHOICE, JudgeEntry, judges
from studio.lalm.catalog import CatalogEntry, Lack, find_model, models

_ASKED = JudgeEntry(
    CHOICE,
    "Audio language model",
    "asks an audio language model of yours which of the five emotions it hears, by the function that returns the model",
    None,
)


class ModelPage(Page):
    """Chooses model and judge of those this installation has."""

    def __init__(self, search: Search, downloads: Downloads, decisions: Decisions) -> None:
        super().__init__(
            "Model and judge",
            "The model converts every recording to each emotion. The judge listens: only conversions in which it hears "
            "the emotion that was asked for, with the words intact, count.",
            scrolls=True,
        )
        self._search = search
        self._decisions = decisions
        self._read()
        self.model = QComboBox()
        self.model.setAccessibleName("Model")
        for entry in self._models:
            self.model.addItem(entry.title, entry.name)
        self.about_model = small()
        self.fetch_model, self.fetch_judge = FetchRow(downloads, decisions), FetchRow(downloads, decisions)
        self.judge = QComboBox()
        self.judge.setAccessibleName("Judge")
        for judge in self._judges:
            self.judge.addItem(judge.title, judge.name)
        self.about_judge = small()
        self.asked = QLineEdit()
        self.asked.setAccessibleName("Function that returns the audio language model")
        self.asked.setPlaceholderText("package.module:function, on PYTHONPATH")
        self.asked_label = QLabel("Function")
        self.asked_label.setBuddy(self.asked)
        self.about_words = small(
            "Words count as kept when the WER between transcript and the text the model emits stays below the "
            "threshold of the next page; no recogniser is involved."
        )
        self.first = self.model
        self._lay_out()
        self.model.activated.connect(self._take)
        self.judge.activated.connect(self._take)
        self.asked.textChanged.connect(self._take)
        search.keeper.loaded_changed.connect(self._show)
        search.keeper.status_changed.connect(lambda _status: self._show())
        search.recipe_changed.connect(self._show)
        downloads.changed.connect(self._look_again)
        self._show()

    def initializePage(self) -> None:
        """What is there may have changed, in the list of models or elsewhere."""
        self._decisions.read()
        self._look_again()

    def lacking(self) -> str | None:
        """Why one cannot go on."""
        keeper = self._search.keeper
        for each, entry in ((self._model, self._model), (self._judge, self._judge_model)):
            if entry is not None and entry.lacks is Lack.WEIGHTS:
                return f"Download {each.title} first, or choose another."
            if each.problem is not None:
                return each.problem
        if self._asks and not all(self.asked.text().strip().partition(":")):
            return "Name the function that returns the audio language model: package.module:function."
        return f"{keeper.problem}." if keeper.loaded is None else None

    @property
    def _model(self) -> CatalogEntry:
        return self._models[max(0, self.model.currentIndex())]

    @property
    def _judge(self) -> JudgeEntry:
        return self._judges[max(0, self.judge.currentIndex())]

    @property
    def _judge_model(self) -> CatalogEntry | None:
        """The model whose weights the judge needs."""
        return None if self._judge.model is None else find_model(self._judge.model)

    @property
    def _asks(self) -> bool:
        return bool(self.judge.currentData() == CHOICE)

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(8)
        grid.setColumnStretch(2, 1)
        rows = (
            ("Model", self.model, self.about_model, self.fetch_model),
            ("Judge", self.judge, self.about_judge, self.fetch_judge),
        )
        for row, (text, box, about, fetch) in enumerate(rows):
            label = QLabel(text)
            label.setBuddy(box)
            box.setFixedWidth(224)
            about.setWordWrap(True)
            grid.addWidget(label, 3 * row, 0)
            grid.addWidget(box, 3 * row, 1)
            grid.addWidget(about, 3 * row + 1, 1, 1, 2)
            grid.addWidget(fetch, 3 * row + 2, 1, 1, 2)
        grid.addWidget(self.asked_label, 6, 0)
        grid.addWidget(self.asked, 6, 1, 1, 2)
        self.about_words.setWordWrap(True)
        self.body.addLayout(grid)
        self.body.addSpacing(8)
        self.body.addWidget(heading("Words"))
        self.body.addWidget(self.about_words)
        self.body.addStretch(1)

    def _take(self) -> None:
        judge = f"{CHOICE}{self.asked.text().strip()}" if self._asks else str(self.judge.currentData())
        self._search.set_recipe(replace(self._search.recipe, model=str(self.model.currentData()), judge=judge))

    def _show(self) -> None:
        recipe, loaded = self._search.recipe, self._search.keeper.loaded
        self.model.setCurrentIndex(max(0, self.model.findData(recipe.model)))
        asks = recipe.judge.startswith(CHOICE)
        self.judge.setCurrentIndex(max(0, self.judge.findData(CHOICE if asks else recipe.judge)))
        self.asked.setVisible(asks)
        self.asked_label.setVisible(asks)
        place = recipe.judge.removeprefix(CHOICE)
        if asks and place != self.asked.text().strip():
            self.asked.blockSignals(True)
            self.asked.setText(place)
            self.asked.blockSignals(False)
        entry = self._model
        says = [sentence(entry.description)]
        if entry.problem is not None:
            says += [entry.problem] if entry.lacks is not Lack.WEIGHTS else []
        elif loaded is not None:
            info = loaded.model.info
            for module, widths in info.gates.items():
                says.append(f"Gates, {module}: {len(widths)} layers, {sum(widths):,} neurons.")
            says.append(f"Recordings up to {info.max_seconds:.0f} s.")
        self.about_model.setText(" ".join(says))
        judge, needed = self._judge, self._judge_model
        missing = needed is not None and needed.lacks is Lack.WEIGHTS
        self.about_judge.setText(
            " ".join(filter(None, (sentence(judge.description), None if missing else judge.problem)))
        )
        self.fetch_model.show_entry(entry)
        # The same model may do both; one offer is enough.
        self.fetch_judge.show_entry(None if needed is not None and needed.name == entry.name else needed)
        self.completeChanged.emit()

    def _read(self) -> None:
        self._models = [entry for entry in models() if entry.facts.converts]
        self._judges = [*judges(), _ASKED]

    def _look_again(self) -> None:
        self._read()
        self._show()
