"""The notification bar: one sentence at a time, details on demand, never in the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from studio.gui.widgets.layout import tight

INFO_MILLISECONDS = 12_000
"""How long a notice that is no error stays; errors stay until they are dismissed."""


@dataclass(frozen=True)
class Offer:
    """Something that can be done about a notice: what its button says and does, and what it says on hover."""

    text: str
    act: Callable[[], object] = field(compare=False)
    hint: str = ""


@dataclass(frozen=True)
class Notice:
    """A sentence for a person, and what a developer would want to read; ``error``, ``info`` or ``offer``.

    One with ``offers`` stays until one of them is taken up or it is dismissed.
    """

    text: str
    details: str = ""
    kind: str = "error"
    offers: tuple[Offer, ...] = ()


class NoticeBar(QFrame):
    """Shows the oldest of the waiting notices; hidden when there is none."""

    emptied = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("notice")
        self.setAccessibleName("Notifications")
        self._waiting: list[Notice] = []
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._more = QLabel()
        self._more.setProperty("role", "small")
        self.details_button = QPushButton("Details")
        self.details_button.setObjectName("quiet")
        self.details_button.setCheckable(True)
        self.offer_buttons: list[QPushButton] = []
        self._offers = QWidget()
        self._offer_row = QHBoxLayout(self._offers)
        tight(self._offer_row)
        self._offer_row.addStretch(1)
        self.close_button = QPushButton("Dismiss")
        self.close_button.setObjectName("quiet")
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setAccessibleName("Details")
        self.details.setFixedHeight(140)
        self._row = row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.text, 1)
        row.addWidget(self._more)
        row.addWidget(self.details_button)
        row.addWidget(self.close_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 6, 8, 6)
        layout.addLayout(row)
        layout.addWidget(self._offers)
        layout.addWidget(self.details)
        self.details_button.toggled.connect(self.details.setVisible)
        self.close_button.clicked.connect(self.dismiss)
        self._fade = QTimer(self)
        self._fade.setSingleShot(True)
        self._fade.setInterval(INFO_MILLISECONDS)
        self._fade.timeout.connect(self.dismiss)
        self.setVisible(False)

    @property
    def waiting(self) -> list[Notice]:
        """The notices not yet dismissed, the one shown first."""
        return list(self._waiting)

    def add(self, notice: Notice) -> None:
        """Show a notice, after those already waiting; one that is waiting already is not added twice."""
        if notice not in self._waiting:
            self._waiting.append(notice)
        self._show()

    def dismiss(self) -> None:
        """Put the shown notice away."""
        self._waiting = self._waiting[1:]
        self._show()
        if not self._waiting:
            self.emptied.emit()

    def _accept(self, offer: Offer) -> None:
        self.dismiss()
        offer.act()

    def sizeHint(self) -> QSize:
        """As wide as there is room for."""
        return QSize(400, super().sizeHint().height())

    def _show(self) -> None:
        self.setVisible(bool(self._waiting))
        self._fade.stop()
        if not self._waiting:
            return
        notice = self._waiting[0]
        if notice.kind == "info":
            self._fade.start()
        self.setProperty("kind", notice.kind)
        self.style().unpolish(self)
        self.style().polish(self)
        self.text.setText(notice.text)
        self.setAccessibleDescription(notice.text)
        self.details.setPlainText(notice.details)
        self.details_button.setChecked(False)
        self.details.setVisible(False)
        self.details_button.setVisible(bool(notice.details))
        self._show_offers(notice.offers)
        others = len(self._waiting) - 1
        self._more.setText(f"{others} more" if others else "")

    def _show_offers(self, offers: tuple[Offer, ...]) -> None:
        for old in self.offer_buttons:
            old.hide()
            old.deleteLater()
        self.offer_buttons = [self._offer_button(offer) for offer in offers]
        # One finds room beside the sentence, several get a line of their own.
        alone = len(offers) == 1
        for place, button in enumerate(self.offer_buttons):
            if alone:
                self._row.insertWidget(self._row.indexOf(self.close_button), button)
            else:
                self._offer_row.insertWidget(place, button)
        self._offers.setVisible(len(offers) > 1)

    def _offer_button(self, offer: Offer) -> QPushButton:
        button = QPushButton(offer.text)
        button.setToolTip(offer.hint)
        button.clicked.connect(lambda: self._accept(offer))
        return button
