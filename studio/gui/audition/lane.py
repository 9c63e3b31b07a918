"""One lane: what it holds, its drawing over time, and the words under it."""

from __future__ import annotations

import html
from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QFrame, QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout

from studio.gui import theme
from studio.gui.audition.canvas import WaveCanvas
from studio.gui.icons import icon
from studio.gui.timeaxis import TimeAxis
from studio.gui.widgets.layout import ElidedLabel, set_role, small
from studio.gui.words import Word

LANE_TITLES = {"source": "Source", "A": "A", "B": "B"}


class ListenButton(QAbstractButton):
    """The lane's name on its colour; pressing it makes this lane the one that is heard."""

    def __init__(self, lane: str) -> None:
        super().__init__()
        self._lane = lane
        self.setCheckable(True)
        self.setText(LANE_TITLES[lane])
        self.setAccessibleName(f"Listen to {'the source' if lane == 'source' else 'lane ' + lane}")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def sizeHint(self) -> QSize:
        """Wide enough for its name."""
        return QSize(60 if self._lane == "source" else 28, 20)

    minimumSizeHint = sizeHint

    def paintEvent(self, event: QPaintEvent) -> None:
        """Filled while heard, outlined otherwise."""
        colours = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = self.rect().toRectF().adjusted(0.75, 0.75, -0.75, -0.75)
        colour = QColor(colours.lane(self._lane) if self.isEnabled() else colours.faint)
        painter.setPen(QColor(colours.text) if self.hasFocus() else colour)
        painter.setBrush(colour if self.isChecked() else Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(box, 4, 4)
        painter.setFont(theme.font(theme.SMALL_PX, bold=True))
        painter.setPen(QColor(colours.window) if self.isChecked() else colour)
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self.text())


class LaneView(QFrame):
    """Header, canvas and words of one lane."""

    listen_asked = Signal(str)
    lock_toggled = Signal(str, bool)
    clear_asked = Signal(str)

    def __init__(self, axis: TimeAxis, lane: str) -> None:
        super().__init__()
        self.lane = lane
        self.listen = ListenButton(lane)
        self.title = ElidedLabel()
        self.meter = small()
        self.meter.setToolTip("Level at the playhead")
        self.gain = small()
        self.gain.setToolTip("Gain of level matching (ITU-R BS.1770)")
        self.length = small()
        self.wer = small()
        self.flags = small(role="warning")
        self.canvas = WaveCanvas(axis, lane)
        self.canvas.setAccessibleName(f"Waveform and pitch, {LANE_TITLES[lane]}")
        self.words = small()
        self.words.setWordWrap(True)
        self.words.setTextFormat(Qt.TextFormat.RichText)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.words.setMinimumHeight(20)
        self.words.setMaximumHeight(36)
        self.words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Maximum)
        header = QHBoxLayout()
        header.setSpacing(8)
        header.addWidget(self.listen)
        header.addWidget(self.title, 1)
        for label in (self.flags, self.wer, self.meter, self.gain, self.length):
            header.addWidget(label)
        if lane != "source":
            self.lock = QToolButton()
            self.lock.setObjectName("bare")
            self.lock.setCheckable(True)
            self.lock.setFixedSize(24, 24)
            self.lock.setAccessibleName(f"Keep the take in lane {lane}")
            self.lock.toggled.connect(lambda on: self.lock_toggled.emit(lane, on))
            header.addWidget(self.lock)
        self.header = header
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(header)
        layout.addWidget(self.canvas, 1)
        self.foot = QHBoxLayout()
        self.foot.setSpacing(8)
        self.foot.addWidget(self.words, 1)
        layout.addLayout(self.foot)
        self.body = layout
        self.listen.clicked.connect(lambda: self.listen_asked.emit(lane))
        self.show_locked(False)

    def show_locked(self, locked: bool) -> None:
        """Show whether renders may replace this lane's take."""
        if self.lane == "source":
            return
        self.lock.blockSignals(True)
        self.lock.setChecked(locked)
        self.lock.setIcon(icon("lock" if locked else "unlock", active=locked))
        self.lock.setToolTip(
            f"Lane {self.lane} is kept: renders go elsewhere" if locked else f"Keep this take in lane {self.lane}"
        )
        self.lock.blockSignals(False)

    def show_heard(self, heard: bool) -> None:
        """Show whether this lane is the one that is heard."""
        self.listen.setChecked(heard)
        self.canvas.show_heard(heard)

    def show_words(self, words: Sequence[Word], note: str = "") -> None:
        """Show words with their errors marked, or a note where there are none."""
        colours = theme.current()
        if not words:
            self.words.setText(f'<span style="color:{colours.faint}">{html.escape(note)}</span>')
            self.words.setToolTip("")
            return
        self.words.setText(words_html(words, colours))
        self.words.setToolTip(words_help(words))

    def show_wer(self, text: str, *, bad: bool = False) -> None:
        """Show the word error rate; ``bad`` where it is above what counts as a success."""
        self.wer.setText(text)
        set_role(self.wer, "warning" if bad else "small")


def words_html(words: Sequence[Word], colours: theme.Colours) -> str:
    """Words as rich text: wrong ones coloured and underlined, missing ones struck through, added ones with a plus."""
    marked = []
    for word in words:
        text = html.escape(word.text)
        if word.kind == "substitute":
            marked.append(f'<span style="color:{colours.danger}; text-decoration:underline">{text}</span>')
        elif word.kind == "insert":
            marked.append(f'<span style="color:{colours.warning}; text-decoration:underline">+{text}</span>')
        elif word.kind == "delete":
            marked.append(f'<span style="color:{colours.faint}; text-decoration:line-through">{text}</span>')
        else:
            marked.append(text)
    return f'<span style="color:{colours.text}; font-size:13px">{" ".join(marked)}</span>'


def words_help(words: Sequence[Word]) -> str:
    """The errors in words, one per line; empty when there are none."""
    says = {
        "substitute": lambda word: f"“{word.text}” instead of “{word.expected}”",
        "insert": lambda word: f"“{word.text}” added",
        "delete": lambda word: f"“{word.text}” missing",
    }
    return "\n".join(says[word.kind](word) for word in words if word.kind in says)
