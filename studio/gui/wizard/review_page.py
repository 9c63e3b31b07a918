"""Sixth page: listen to what was converted, accept or reject, and select from what was accepted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QPushButton

from studio.gui.clips import ClipPlayer
from studio.gui.icons import icon
from studio.gui.widgets.layout import ElidedLabel, explain, heading, small
from studio.gui.widgets.toggles import Segments
from studio.gui.wizard.conversions import ConversionsList, audio_of
from studio.gui.wizard.page import Page
from studio.gui.wizard.search import Search

if TYPE_CHECKING:
    from studio.pipelines.records import Attempt

REST_MILLISECONDS = 400
"""How long verdicts must rest before the neurons are selected anew."""

_ANY = ""


class ReviewPage(Page):
    """A list to listen through by keyboard, and whose successes count: the judge's or one's own (CAS-H)."""

    def __init__(self, search: Search, player: ClipPlayer) -> None:
        super().__init__(
            "Review",
            "Optional. The judge is a machine: listen to what it let through, and to what it rejected. Neurons can be "
            "selected from what you accept instead.",
        )
        self._results = search.results
        self._player = player
        self._ordered: list[Attempt] = []
        self._by_ear = False
        self.kinds = Segments(
            {"successes": "Successes", "rejections": "Rejections", "all": "All"}, name="Conversions to listen to"
        )
        self.kinds.show_value("successes")
        self.kinds.setFixedWidth(304)
        self.emotion = QComboBox()
        self.emotion.setAccessibleName("Emotion to listen to")
        self.onward = QCheckBox("Play the next after each verdict")
        self.onward.setChecked(True)
        self.list = ConversionsList(
            "Conversions to review", search.results.verdict, "Nothing of this kind can be listened to.", reviewing=True
        )
        self.play = QPushButton("Play")
        self.source = QPushButton("Source")
        self.accept = QPushButton("Accept")
        self.reject = QPushButton("Reject")
        self.take_back = QPushButton("Take back")
        self.silent = ElidedLabel()
        self.silent.setProperty("role", "warning")
        self.basis = Segments({"judge": "The judge's successes", "ear": "What I accepted"}, name="Selection")
        self.basis.show_value("judge")
        self.basis.setFixedWidth(440)
        self.result = QLabel()
        self.result.setWordWrap(True)
        self.warnings = small(role="warning")
        self.warnings.setWordWrap(True)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MILLISECONDS)
        self._rest.timeout.connect(self._select_again)
        self.first = self.list
        self._lay_out()
        self._connect()

    def initializePage(self) -> None:
        """List what there is, in the order in which to listen."""
        results = self._results
        self.list.folder = results.folder
        self._by_ear = results.selection is not None and results.selection.by_ear
        self.emotion.clear()
        self.emotion.addItem("All emotions", _ANY)
        for emotion in results.recipe.emotions:
            self.emotion.addItem(emotion, emotion)
        self._ordered = []
        results.order_for_review()
        if results.selection is None:
            results.select_again(by_ear=False)
        self._fill()
        self._show_all()

    def _take_order(self, attempts: list[Attempt]) -> None:
        self._ordered = attempts
        self._fill()
        self._show_all()

    def cleanupPage(self) -> None:
        """Silence."""
        self._player.stop()

    def lacking(self) -> str | None:
        """Why one cannot go on."""
        if self._results.selecting or self._rest.isActive():
            return "The neurons are being selected."
        return None if self._results.selection is not None else "No neurons could be selected."

    def recolour(self) -> None:
        """Draw in the colours of the scheme in use."""
        self._show_buttons()
        self.list.viewport().update()

    def _lay_out(self) -> None:
        above = QHBoxLayout()
        above.setSpacing(12)
        above.addWidget(self.kinds)
        above.addWidget(self.emotion)
        above.addStretch(1)
        above.addWidget(self.onward)
        keys = QHBoxLayout()
        keys.setSpacing(8)
        for button, key in (
            (self.play, "Space"),
            (self.source, "S"),
            (self.accept, "A"),
            (self.reject, "R"),
            (self.take_back, "Backspace"),
        ):
            keys.addWidget(button)
            keys.addWidget(small(key))
            keys.addSpacing(4)
        keys.addWidget(self.silent, 1)
        below = QHBoxLayout()
        below.setSpacing(16)
        below.addWidget(self.basis)
        below.addWidget(self.result, 1)
        self.body.addLayout(above)
        self.body.addWidget(self.list, 1)
        self.body.addLayout(keys)
        self.body.addWidget(heading("Select neurons from"))
        self.body.addLayout(below)
        self.body.addWidget(self.warnings)

    def _connect(self) -> None:
        results = self._results
        self.kinds.chosen.connect(lambda _kind: self._fill())
        self.emotion.activated.connect(lambda _index: self._fill())
        self.list.play_asked.connect(self._play)
        self.list.source_asked.connect(self._play_source)
        self.list.judged.connect(self._judge)
        self.list.selectionModel().currentChanged.connect(lambda *_indexes: self._show_buttons())
        self.play.clicked.connect(lambda: self._with_current(self._play))
        self.source.clicked.connect(lambda: self._with_current(self._play_source))
        self.accept.clicked.connect(lambda: self._with_current(lambda each: self._judge(each, True)))
        self.reject.clicked.connect(lambda: self._with_current(lambda each: self._judge(each, False)))
        self.take_back.clicked.connect(lambda: self._with_current(lambda each: self._judge(each, None)))
        self.basis.chosen.connect(self._choose_basis)
        self._player.changed.connect(self._show_playing)
        results.ordered.connect(self._take_order)
        results.selection_changed.connect(self._show_all)
        results.verdicts_changed.connect(self._show_all)

    def _fill(self) -> None:
        kind, emotion = self.kinds.value, self.emotion.currentData() or _ANY
        shown = [
            each
            for each in self._ordered
            if (emotion in (_ANY, each.emotion)) and (kind == "all" or each.success == (kind == "successes"))
        ]
        self.list.conversions.show(shown)
        if shown:
            self.list.select(0)
        self._show_buttons()

    def _with_current(self, act: Callable[[Attempt], None]) -> None:
        attempt = self.list.current
        if attempt is not None:
            act(attempt)
        self.list.setFocus()

    def _play(self, attempt: Attempt) -> None:
        path = audio_of(attempt, self.list.folder) if self.list.folder is not None else None
        if path is not None:
            self._player.toggle(path)

    def _play_source(self, attempt: Attempt) -> None:
        self._player.toggle(Path(attempt.source))

    def _judge(self, attempt: Attempt, accepted: bool | None) -> None:
        self._results.judge(attempt, accepted)
        self.list.conversions.refresh()
        if self._by_ear:
            self._rest.start()
            self.completeChanged.emit()
        if accepted is not None:
            self._go_on()

    def _go_on(self) -> None:
        """Select the next row without a verdict, and play it; silence at the end."""
        start = self.list.currentIndex().row() + 1
        for row in range(start, self.list.conversions.rowCount()):
            attempt = self.list.conversions.attempt(row)
            if attempt is not None and self._results.verdict(attempt) is None:
                self.list.select(row)
                if self.onward.isChecked():
                    self._player.stop()
                    self._play(attempt)
                return
        self._player.stop()

    def _choose_basis(self, basis: str) -> None:
        self._by_ear = basis == "ear"
        self._select_again()

    def _select_again(self) -> None:
        if self._by_ear and not self._accepted():
            self._by_ear = False
        self._results.select_again(by_ear=self._by_ear)

    def _accepted(self) -> int:
        return sum(self._results.verdicts.values())

    def _show_playing(self) -> None:
        self.list.show_playing(self._player.playing)
        self._show_buttons()

    def _show_all(self) -> None:
        accepted, heard = self._accepted(), len(self._results.verdicts)
        found = sum(each.success for each in self._ordered)
        self.kinds.button("successes").setText(f"Successes {found}")
        self.kinds.button("rejections").setText(f"Rejections {len(self._ordered) - found}")
        self.kinds.button("all").setText(f"All {len(self._ordered)}")
        self.basis.button("ear").setText(f"What I accepted ({accepted} of {heard} heard)")
        self.basis.allow(["judge", "ear"] if accepted else ["judge"], "Accept at least one conversion first")
        self.basis.show_value("ear" if self._by_ear else "judge")
        self.result.setText(self._result())
        selection = self._results.selection
        self.warnings.setText("\n".join(selection.warnings) if selection is not None else "")
        self.list.viewport().update()
        self._show_buttons()
        self.completeChanged.emit()

    def _result(self) -> str:
        results = self._results
        if results.selecting:
            return "Selecting…"
        if results.selection is None:
            return ""
        mask = results.selection.mask
        counts = ", ".join(f"{name} {results.selection.successes[name]}" for name in mask.emotions)
        return f"{results.method} from successes: {counts}"

    def _show_buttons(self) -> None:
        attempt, problem = self.list.current, self._player.reason
        playing = attempt is not None and self.list.is_playing(attempt)
        nothing = "Choose a conversion in the list first"
        for button, name in ((self.play, "stop" if playing else "play"), (self.source, "play")):
            button.setIcon(icon(name))
            explain(button, attempt is not None and problem is None, problem or nothing, "Return plays as well")
        self.play.setText("Stop" if playing else "Play")
        for button, name in ((self.accept, "accept"), (self.reject, "reject")):
            button.setIcon(icon(name))
            explain(button, attempt is not None, nothing)
        judged = attempt is not None and self._results.verdict(attempt) is not None
        explain(self.take_back, judged, "There is no verdict of yours to take back")
        self.silent.show_text(problem or "")
