"""A thin progress bar that is painted when the window finds time, never at once."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from studio.gui import theme
from studio.gui.formats import percent


class ThinBar(QWidget):
    """Shows a share from 0 to 1, in the accent or ``colour``; ``wide`` takes the room there is.

    (Qt's own bar repaints the window inside every ``setValue``.)
    """

    def __init__(self, name: str, colour: str | None = None, *, wide: bool = False) -> None:
        super().__init__()
        self.share = 0.0
        self._colour = colour
        self.setAccessibleName(name)
        width = QSizePolicy.Policy.Expanding if wide else QSizePolicy.Policy.Fixed
        self.setSizePolicy(width, QSizePolicy.Policy.Fixed)

    def show_share(self, share: float) -> None:
        """Show another share."""
        self.share = min(max(share, 0.0), 1.0)
        self.setAccessibleDescription(percent(self.share))
        self.update()

    def sizeHint(self) -> QSize:
        """A slim line."""
        return QSize(120, 6)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw track and share."""
        colours = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        for width, colour in (
            (float(self.width()), colours.hover),
            (self.width() * self.share, self._colour or colours.accent),
        ):
            painter.setBrush(QColor(colour))
            painter.drawRoundedRect(QRectF(0, 0, width, self.height()), 3, 3)
