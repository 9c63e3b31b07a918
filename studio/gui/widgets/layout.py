"""Headings, rules and small helpers that keep every panel on the same grid."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)


def heading(text: str, *extra: QWidget) -> QWidget:
    """A section's title, with small controls at its right end."""
    result = QWidget()
    layout = QHBoxLayout(result)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(8)
    label = QLabel(text)
    label.setProperty("role", "heading")
    layout.addWidget(label)
    layout.addStretch(1)
    for widget in extra:
        layout.addWidget(widget)
    result.setFixedHeight(28 if extra else 24)
    return result


def small(text: str = "", role: str = "small") -> QLabel:
    """A label in the small size; ``role`` small, warning or danger."""
    label = QLabel(text)
    set_role(label, role)
    return label


def set_role(label: QLabel, role: str) -> None:
    """Restyle a label."""
    if label.property("role") != role:
        label.setProperty("role", role)
        label.style().unpolish(label)
        label.style().polish(label)


def link(text: str, name: str) -> QPushButton:
    """A small text button."""
    button = QPushButton(text)
    button.setObjectName("link")
    button.setAccessibleName(name)
    return button


class ElidedLabel(QLabel):
    """A line of text that ends in an ellipsis where there is no room for all of it, which is then shown on hover."""

    def __init__(self) -> None:
        super().__init__()
        self._whole = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def show_text(self, text: str) -> None:
        """Show another text."""
        self._whole = text
        self._elide()

    def whole_text(self) -> str:
        """The text, room or not."""
        return self._whole

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use the room there is."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        shown = self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideRight, self.width())
        self.setText(shown)
        self.setToolTip(self._whole if shown != self._whole else "")


class _Hugging(QScrollArea):
    """Asks for all the room its content would take."""

    def __init__(self, content: QWidget) -> None:
        super().__init__()
        self._content = content

    def sizeHint(self) -> QSize:
        """The content's."""
        content = self._content
        width = max(content.minimumWidth(), content.sizeHint().width())
        height = content.heightForWidth(width) if content.hasHeightForWidth() else content.sizeHint().height()
        return QSize(width, height)


def scrolling(content: QWidget, *, sideways: bool = True) -> QScrollArea:
    """An area without a frame that shows ``content`` at its width, and scrolls; the keys are the content's."""
    return _fill(QScrollArea(), content, sideways=sideways)


def _fill(area: QScrollArea, content: QWidget, *, sideways: bool = True) -> QScrollArea:
    area.setWidget(content)
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    if not sideways:
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return area


def body_of(dialog: QWidget, foot: QBoxLayout, width: int) -> QVBoxLayout:
    """The column of a dialog's content, at least so wide, above ``foot``; it scrolls where the screen is too small."""
    content = QWidget()
    content.setObjectName("page")
    content.setMinimumWidth(width)
    column = QVBoxLayout(content)
    tight(column, 16, 12)
    foot.setContentsMargins(16, 8, 16, 12)
    foot.setSpacing(8)
    layout = QVBoxLayout(dialog)
    tight(layout, 0, 0)
    layout.addWidget(_fill(_Hugging(content), content), 1)
    layout.addLayout(foot)
    return column


def fit_to_screen(dialog: QWidget, wanted: QSize | None = None) -> None:
    """Make a dialog as large as ``wanted``, or as its content wants to be, where the screen has that much room."""
    frame = QSize(16, 48)
    for area in dialog.findChildren(_Hugging):
        # What is in it may have changed, of which an area tells nobody.
        area.updateGeometry()
    layout = dialog.layout()
    hint = wanted or (dialog.sizeHint() if layout is None else layout.totalSizeHint())
    dialog.resize(hint.boundedTo(dialog.screen().availableSize() - frame))


def tight(layout: QBoxLayout, margin: int = 0, spacing: int = 8) -> None:
    """Set one margin and spacing."""
    layout.setContentsMargins(margin, margin, margin, margin)
    layout.setSpacing(spacing)


def explain(widget: QWidget, enabled: bool, reason: str, hint: str = "") -> None:
    """Enable a control with its hint, or disable it and say why on hover."""
    widget.setEnabled(enabled)
    widget.setToolTip(hint if enabled else reason)
