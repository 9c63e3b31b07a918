"""Second page: what is in the corpus, what is wrong with it, and which part of it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QSize, QStringListModel, Qt
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QListView,
    QPushButton,
    QSpinBox,
    QStackedWidget,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from studio.emotions import EMOTIONS
from studio.gui.widgets.layout import heading, small, tight
from studio.gui.widgets.progress import ThinBar
from studio.gui.wizard.page import Page
from studio.gui.wizard.search import Search
from studio.gui.wizard.tables import Table
from studio.pipelines.recipe import EVERYTHING, IDENTIFICATION

if TYPE_CHECKING:
    from studio.corpora.check import CorpusReport
    from studio.gui.wizard.work import Checked

_LINE_HEIGHT = 24
_PARTS = {
    IDENTIFICATION: "Identification",
    "development": "Development",
    "test-seen": "Test, seen speakers",
    "test-unseen": "Test, unseen speakers",
    EVERYTHING: "Everything",
}


class CheckPage(Page):
    """Checks the corpus in the background and shows report and split."""

    def __init__(self, search: Search) -> None:
        super().__init__(
            "Check and split",
            "What is wrong is left out, not fatal. Neurons are found in one part of the corpus; the other parts stay "
            "unheard, so that the mask can be tested on them.",
        )
        self._search = search
        self.bar = ThinBar("Corpus check")
        self.bar.setFixedWidth(320)
        self.stop = QPushButton("Stop")
        self.stop.setAccessibleName("Stop checking")
        self.again = QPushButton("Check again")
        self.status = QLabel()
        self.facts = QGridLayout()
        self.facts.setHorizontalSpacing(16)
        self.facts.setVerticalSpacing(6)
        self.facts.setColumnStretch(1, 1)
        self.problem_title = small(role="heading")
        self.problems = QListView()
        self.problems.setAccessibleName("Problems found")
        self.problems.setUniformItemSizes(True)
        self.problems.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.problems.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.problems.setItemDelegate(_Elided(self.problems))
        self._problem_lines = _Lines()
        self.problems.setModel(self._problem_lines)
        self.split = Table("Split of the corpus")
        self.part = QComboBox()
        self.part.setAccessibleName("Part of the corpus to use")
        self.part.setFixedHeight(28)
        self.limit = QSpinBox()
        self.limit.setAccessibleName("Recordings to use at most")
        self.limit.setRange(0, 1_000_000)
        self.limit.setKeyboardTracking(False)
        self.limit.setSpecialValueText("all")
        self.limit.setFixedSize(88, 28)
        self.limit.setToolTip("At most this many recordings, drawn as evenly over the speakers as they allow; 0 is all")
        self._lay_out()
        self.stop.clicked.connect(search.corpus.stop)
        self.again.clicked.connect(self._check)
        self.part.activated.connect(self._take)
        self.limit.valueChanged.connect(self._take)
        search.corpus.changed.connect(self._show)
        search.corpus.progress.connect(self._show_share)
        self._show()

    def initializePage(self) -> None:
        """Check at once."""
        self._check()

    def cleanupPage(self) -> None:
        """Going back stops the check."""
        self._search.corpus.stop()

    def validatePage(self) -> bool:
        """Take in what is still being typed."""
        self.limit.interpretText()
        return self.isComplete()

    def lacking(self) -> str | None:
        """Why one cannot go on."""
        corpus, recipe = self._search.corpus, self._search.recipe
        if corpus.checking:
            return "The corpus is being checked."
        if corpus.checked is None:
            return "The corpus has not been checked."
        if not corpus.checked.usable.get(EVERYTHING):
            return "There is no neutral recording with a transcript in it; identification starts from those."
        if not corpus.checked.usable.get(recipe.part):
            return "This part has no neutral recording with a transcript; choose another part."
        return None

    def _lay_out(self) -> None:
        waiting = QWidget()
        column = QVBoxLayout(waiting)
        tight(column)
        row = QHBoxLayout()
        row.setSpacing(12)
        row.addWidget(self.bar)
        row.addWidget(self.stop)
        row.addWidget(self.again)
        row.addStretch(1)
        column.addWidget(self.status)
        column.addLayout(row)
        column.addStretch(1)
        left = QVBoxLayout()
        left.setSpacing(8)
        left.addWidget(heading("What is in it"))
        left.addLayout(self.facts)
        left.addStretch(1)
        right = QVBoxLayout()
        right.setSpacing(4)
        right.addWidget(self.problem_title)
        right.addWidget(self.problems, 1)
        self.no_problems = QWidget()
        right.addWidget(self.no_problems, 1)
        self.problem_title.setFixedHeight(24)
        above = QHBoxLayout()
        above.setSpacing(24)
        above.addLayout(left, 1)
        above.addLayout(right, 1)
        use = QHBoxLayout()
        use.setSpacing(8)
        for text, widget in (("Use", self.part), ("at most", self.limit)):
            label = QLabel(text)
            label.setBuddy(widget)
            use.addWidget(label)
            use.addWidget(widget)
        use.addWidget(small("recordings"))
        use.addStretch(1)
        report = QWidget()
        page = QVBoxLayout(report)
        tight(page)
        page.addLayout(above, 1)
        page.addWidget(heading("Split"))
        page.addWidget(self.split)
        page.addLayout(use)
        self.pages = QStackedWidget()
        self.pages.addWidget(waiting)
        self.pages.addWidget(report)
        self.body.addWidget(self.pages)

    def _take(self) -> None:
        part = self.part.currentData()
        if part is not None:
            recipe = self._search.recipe
            self._search.set_recipe(replace(recipe, part=str(part), limit=self.limit.value() or None))
            self.completeChanged.emit()

    def _check(self) -> None:
        self._search.corpus.check(self._search.recipe)

    def _show_share(self, share: float) -> None:
        self.bar.show_share(share)
        self.status.setText(f"Reading {self._search.recipe.corpus}")

    def _show(self) -> None:
        corpus, where = self._search.corpus, self._search.recipe.corpus
        self.pages.setCurrentIndex(0 if corpus.checked is None else 1)
        self.bar.setVisible(corpus.checking)
        self.stop.setVisible(corpus.checking)
        self.again.setVisible(not corpus.checking)
        self.status.setText(f"Looking for recordings in {where}" if corpus.checking else "The corpus was not checked.")
        if corpus.checking:
            self.bar.show_busy()
        if corpus.checked is not None:
            self._show_report(corpus.checked)
        self.completeChanged.emit()

    def _show_report(self, checked: Checked) -> None:
        while (item := self.facts.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        for number, (name, value) in enumerate(facts_of(checked.report)):
            label = QLabel(value)
            label.setWordWrap(True)
            self.facts.addWidget(small(name), number, 0)
            self.facts.addWidget(label, number, 1)
        problems = checked.report.problems
        summed = ", ".join(f"{count:,} {kind}" for kind, count in checked.report.problem_counts.items())
        self.problem_title.setText(f"Problems: {summed}" if problems else "No problems were found")
        self._problem_lines.setStringList(checked.problems)
        self.problems.setVisible(bool(problems))
        self.no_problems.setVisible(not problems)
        self.split.show_rows(checked.table)
        self._show_parts(checked)

    def _show_parts(self, checked: Checked) -> None:
        recipe = self._search.recipe
        for control in (self.part, self.limit):
            control.blockSignals(True)
        self.part.clear()
        for name, count in checked.usable.items():
            if count or name == EVERYTHING:
                self.part.addItem(f"{_PARTS.get(name, name)}: {count} neutral recordings", name)
        place = self.part.findData(recipe.part)
        self.part.setCurrentIndex(place if place >= 0 else self.part.count() - 1)
        self.limit.setValue(recipe.limit or 0)
        for control in (self.part, self.limit):
            control.blockSignals(False)
        self._take()


class _Lines(QStringListModel):
    """Lines that are whole on hover."""

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        return super().data(index, Qt.ItemDataRole.DisplayRole if role == Qt.ItemDataRole.ToolTipRole else role)


class _Elided(QStyledItemDelegate):
    """Lines as wide as the list is, which end in an ellipsis where they do not fit."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(0, _LINE_HEIGHT)


def facts_of(report: CorpusReport) -> Sequence[tuple[str, str]]:
    """A report in words and numbers."""
    hours, rest = divmod(round(report.seconds), 3600)
    length = f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
    emotions = [f"{name} {report.emotions[name]:,}" for name in EMOTIONS if report.emotions.get(name)]
    facts = [
        ("Layout", report.layout),
        ("Recordings", f"{len(report.utterances):,}, {length}"),
        ("Speakers", f"{len(report.speakers)}: {', '.join(report.speakers)}"),
        ("Emotions", ", ".join(emotions)),
        ("Rates", _counted({f"{rate / 1000:g} kHz": count for rate, count in report.rates.items()})),
    ]
    if report.passed_over:
        facts.append(("Passed over", f"{report.passed_over:,} sound files whose names mean nothing in this layout"))
    if report.left_out:
        facts.append(("Left out", f"{_counted(report.left_out)} (none of the five emotions)"))
    return facts


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
