"""How many conversions succeed, emotion by emotion."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from studio.emotions import COLOURS
from studio.gui.formats import percent
from studio.gui.widgets.intensity import EmotionLabel
from studio.gui.widgets.layout import small
from studio.gui.widgets.progress import ThinBar
from studio.gui.wizard.work import Snapshot


class Yields(QWidget):
    """A row per emotion: successes towards the cap as a bar, and the share of conversions that succeed.

    Why the others did not is said on hover.
    """

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(1, 1)
        self._rows: dict[str, tuple[ThinBar, QLabel, QLabel]] = {}
        self._cap = 1

    def show_emotions(self, emotions: Sequence[str], cap: int) -> None:
        """Show rows for these emotions."""
        self._cap = cap
        if list(self._rows) == list(emotions):
            return
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        self._rows.clear()
        for row, emotion in enumerate(emotions):
            bar = ThinBar(f"Successes for {emotion}", COLOURS[emotion], wide=True)
            bar.setMinimumWidth(64)
            found, share = QLabel(), small()
            for label in (found, share):
                label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            for column, widget in enumerate((EmotionLabel(emotion), bar, found, share)):
                self._grid.addWidget(widget, row, column)
            self._rows[emotion] = (bar, found, share)
        self.show_snapshot(None)

    def show_snapshot(self, snapshot: Snapshot | None) -> None:
        """Show other numbers."""
        for emotion, (bar, found, share) in self._rows.items():
            tried = snapshot.attempts.get(emotion, 0) if snapshot is not None else 0
            number = snapshot.successes.get(emotion, 0) if snapshot is not None else 0
            bar.show_share(number / self._cap)
            found.setText(f"{min(number, self._cap)} of {self._cap}")
            found.setAccessibleName(f"{number} successes for {emotion}, {self._cap} are enough")
            share.setText(f"{percent(number / tried)} of {tried}" if tried else "none yet")
            share.setAccessibleName(f"{number} of {tried} conversions to {emotion} succeeded")
            kinds = snapshot.rejections.get(emotion, {}) if snapshot is not None else {}
            reasons = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
            share.setToolTip(f"Rejected: {reasons}" if reasons else "")
            share.setAccessibleDescription(share.toolTip())

    def text(self, emotion: str) -> str:
        """What a row says, for tests."""
        _, found, share = self._rows[emotion]
        return f"{found.text()}, {share.text()}"

    def why(self, emotion: str) -> str:
        """What a row says of rejections, for tests."""
        return self._rows[emotion][2].toolTip()
