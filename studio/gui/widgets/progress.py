"""A thin progress bar that is painted when the window finds time, never at once."""

from __future__ import annotations

import time

from PySide6.QtCore import QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QHideEvent, QPainter, QPaintEvent, QShowEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from studio.gui import theme
from studio.gui.formats import percent
from studio.gui.widgets.remaining import Remaining

_BUSY_SHARE = 0.25
_BUSY_SECONDS = 1.6
_BUSY_MILLISECONDS = 50


class ThinBar(QWidget):
    """Shows a share from 0 to 1, in the accent or ``colour``, or that nobody knows; ``wide`` takes the room there is.

    ``left`` says how long it will still take, as soon as that can be told. (Qt's own bar repaints the window inside
    every ``setValue``.)
    """

    def __init__(self, name: str, colour: str | None = None, *, wide: bool = False) -> None:
        super().__init__()
        self.share = 0.0
        self.busy = False
        self.left = ""
        self._remaining = Remaining()
        self._colour = colour
        self._turn = QTimer(self)
        self._turn.setInterval(_BUSY_MILLISECONDS)
        self._turn.timeout.connect(self.update)
        self.setAccessibleName(name)
        width = QSizePolicy.Policy.Expanding if wide else QSizePolicy.Policy.Fixed
        self.setSizePolicy(width, QSizePolicy.Policy.Fixed)

    def show_share(self, share: float) -> None:
        """Show another share."""
        self.busy = False
        self._turn.stop()
        self.share = min(max(share, 0.0), 1.0)
        if self.share == 0.0:
            self._remaining.restart()
        self.left = self._remaining.text(self.share)
        self.setAccessibleDescription(", ".join(filter(None, (percent(self.share), self.left))))
        self.update()

    def show_busy(self) -> None:
        """Show that something is going on, and that it is not known how much of it is done."""
        self.busy, self.share, self.left = True, 0.0, ""
        self._remaining.restart()
        self.setAccessibleDescription("under way")
        if self.isVisible():
            self._turn.start()
        self.update()

    def showEvent(self, event: QShowEvent) -> None:
        """Move only while that can be seen."""
        super().showEvent(event)
        if self.busy:
            self._turn.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Rest."""
        self._turn.stop()
        super().hideEvent(event)

    def sizeHint(self) -> QSize:
        """A slim line."""
        return QSize(120, 6)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the track and what is done of it; while that is not known, a piece that wanders to and fro."""
        colours = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        left, length = self._filled()
        for start, width, colour in (
            (0.0, float(self.width()), colours.hover),
            (left * self.width(), length * self.width(), self._colour or colours.accent),
        ):
            painter.setBrush(QColor(colour))
            painter.drawRoundedRect(QRectF(start, 0, width, self.height()), 3, 3)

    def _filled(self) -> tuple[float, float]:
        """Where the filled part begins and how long it is, as shares of the whole."""
        if not self.busy:
            return 0.0, self.share
        turn = time.monotonic() / _BUSY_SECONDS % 2.0
        return (1.0 - _BUSY_SHARE) * min(turn, 2.0 - turn), _BUSY_SHARE
