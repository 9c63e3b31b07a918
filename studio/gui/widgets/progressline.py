"""A progress bar with its share, the time left and what is being done beside it, in a row."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QWidget

from studio.gui.formats import percent
from studio.gui.widgets.layout import ElidedLabel, small, tight
from studio.gui.widgets.progress import ThinBar


class ProgressLine(QWidget):
    """Shows one thing under way at a time; ``name`` says what for."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.bar = ThinBar(name, wide=True)
        self.share = small()
        self.words = ElidedLabel()
        self.words.setProperty("role", "small")
        layout = QHBoxLayout(self)
        tight(layout)
        layout.addWidget(self.bar, 2)
        layout.addWidget(self.share)
        layout.addWidget(self.words, 1)
        self.restart()

    def restart(self) -> None:
        """Something else begins."""
        self.bar.show_share(0.0)
        self.share.setText("")
        self.show_words("")

    def show_share(self, share: float) -> None:
        """Show how much is done, and how long the rest will take."""
        self.bar.show_share(share)
        self.share.setText("  ".join(filter(None, (percent(share), self.bar.left))))

    def show_words(self, words: str) -> None:
        """Show what is being done."""
        self.words.show_text(words)
        self.words.setVisible(bool(words))
