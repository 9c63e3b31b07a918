"""What every page of the wizard has: a title, what it is for, notices, and a word on what is missing to go on."""

from __future__ import annotations

from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget, QWizardPage

from studio.gui.widgets.layout import scrolling, small, tight
from studio.gui.widgets.notices import Notice, NoticeBar


class Page(QWizardPage):
    """A page: ``body`` holds its content, ``first`` has the focus at first, ``lacking`` says why one cannot go on."""

    name = ""

    def __init__(self, title: str, purpose: str, *, scrolls: bool = False) -> None:
        super().__init__()
        self.setAccessibleName(title)
        self.first: QWidget | None = None
        self.heading = title
        heading = QLabel(title)
        heading.setProperty("role", "title")
        says = small(purpose)
        says.setWordWrap(True)
        self.notices = NoticeBar()
        self.missing = small()
        self.missing.setWordWrap(True)
        self.missing.setAccessibleName("What is missing")
        content = QWidget()
        content.setObjectName("page")
        self.body = QVBoxLayout(content)
        tight(self.body)
        self.body.setSpacing(12)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 16, 0, 4)
        layout.setSpacing(8)
        layout.addWidget(heading)
        layout.addWidget(says)
        layout.addWidget(self.notices)
        layout.addSpacing(4)
        layout.addWidget(scrolling(content) if scrolls else content, 1)
        layout.addWidget(self.missing)
        self.completeChanged.connect(self.show_missing)

    def lacking(self) -> str | None:
        """Why one cannot go on, in a sentence; None when one can."""
        return None

    def isComplete(self) -> bool:
        """Whether one can go on."""
        return self.lacking() is None

    def show_missing(self) -> None:
        """Say what is missing."""
        self.missing.setText(self.lacking() or "")

    def add_notice(self, notice: Notice) -> None:
        """Show a notice on this page."""
        self.notices.add(notice)

    def recolour(self) -> None:
        """Draw icons and charts in the colours of the scheme in use."""
