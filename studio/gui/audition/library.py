"""The left panel: what is open, its transcript, and the takes made so far."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QMenu,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from studio.audio.files import FORMATS
from studio.gui.audition.sourcelist import SourceList, about
from studio.gui.audition.takes import TakesList
from studio.gui.icons import icon
from studio.gui.sources import DemoLine, Sources
from studio.gui.state import StudioState
from studio.gui.widgets.layout import explain, heading, small

WIDTH = 256


class TranscriptEdit(QPlainTextEdit):
    """Two lines of transcript; ``committed`` carries it when Enter is pressed or the focus leaves."""

    committed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setPlaceholderText("Transcript: type what is said to see word errors")
        self.setAccessibleName("Transcript of the source")
        self.setTabChangesFocus(True)
        self.setFixedHeight(2 * self.fontMetrics().lineSpacing() + 14)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def show_text(self, text: str) -> None:
        """Show a transcript that is known already."""
        if text != self._text():
            self.setPlainText(text)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter commits."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.committed.emit(self._text())
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Leaving commits."""
        super().focusOutEvent(event)
        self.committed.emit(self._text())

    def _text(self) -> str:
        return " ".join(self.toPlainText().split())


class LibraryPanel(QWidget):
    """Source on top, takes below."""

    open_asked = Signal()
    record_asked = Signal()
    line_chosen = Signal(object)
    export_asked = Signal()
    assign_asked = Signal(int, str)

    def __init__(self, state: StudioState, sources: Sources) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._state = state
        self._sources = sources
        self.lines = QToolButton()
        self.lines.setText("Demo lines")
        self.lines.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.lines.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.lines.setAccessibleName("Demo lines")
        self.menu = QMenu(self.lines)
        self.lines.setMenu(self.menu)
        # Held here: a submenu that only its parent knows is deleted with its Python wrapper.
        self.speakers: list[QMenu] = []
        self.open = QPushButton("Open…")
        self.open.setToolTip(f"Open recordings, {FORMATS} (Ctrl+O), or drop them on the window")
        self.record = QToolButton()
        self.record.setObjectName("square")
        self.record.setFixedSize(32, 32)
        self.record.setAccessibleName("Record")
        self.record.setToolTip("Record from a microphone (Ctrl+R)")
        self.sources = SourceList(state)
        self.about = small()
        self.reference = TranscriptEdit()
        self.read = small("Read by the model: correct what it misheard.")
        self.read.setWordWrap(True)
        self.takes = TakesList(state)
        self.to_a, self.to_b = QPushButton("To A"), QPushButton("To B")
        self.export = QPushButton("Export…")
        for button in (self.to_a, self.to_b, self.export):
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._lay_out()
        self.recolour()
        self.open.clicked.connect(self.open_asked)
        self.record.clicked.connect(self.record_asked)
        self.sources.chosen.connect(sources.show)
        self.sources.close_asked.connect(sources.close)
        sources.opening_changed.connect(self._show_source)
        self.reference.committed.connect(lambda text: state.set_reference(text or None))
        self.takes.assign_asked.connect(self.assign_asked)
        self.takes.selected.connect(self._show_selection)
        self.to_a.clicked.connect(lambda: self._assign("A"))
        self.to_b.clicked.connect(lambda: self._assign("B"))
        self.export.clicked.connect(self.export_asked)
        state.source_changed.connect(self._show_source)
        sources.demo_lines_changed.connect(self._fill_menu)
        self._show_source()
        self._fill_menu()
        self._show_selection()

    def recolour(self) -> None:
        """Draw the icons in another scheme's colours."""
        self.export.setIcon(icon("export"))
        self.record.setIcon(icon("record"))
        self.takes.viewport().update()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 4, 12, 12)
        layout.setSpacing(6)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.lines, 1)
        buttons.addWidget(self.open)
        buttons.addWidget(self.record)
        layout.addLayout(buttons)
        layout.addWidget(self.sources)
        layout.addWidget(self.about)
        layout.addWidget(self.reference)
        layout.addWidget(self.read)
        layout.addSpacing(8)
        layout.addWidget(heading("Takes"))
        takes = QVBoxLayout()
        takes.setContentsMargins(0, 0, 0, 0)
        takes.addWidget(self.takes)
        layout.addLayout(takes, 1)
        row = QHBoxLayout()
        row.setSpacing(8)
        for button in (self.to_a, self.to_b, self.export):
            row.addWidget(button)
        layout.addLayout(row)

    def _assign(self, lane: str) -> None:
        shown = self.takes.current_take
        if shown is not None:
            self.assign_asked.emit(shown.number, lane)

    def _show_source(self) -> None:
        source, opening = self._state.source, self._sources.opening
        if opening:
            self.about.setText(f"Opening {opening[0].name}…" if len(opening) == 1 else f"Opening {len(opening)} files…")
        else:
            self.about.setText(about(source) if source is not None else "")
        self.read.setVisible(source is not None and source.read)
        explain(self.reference, source is not None, "Open a recording first", "What is said, to count word errors")
        self.reference.show_text((source.reference or "") if source is not None else "")

    def _show_selection(self) -> None:
        chosen = self.takes.current_take is not None
        explain(self.to_a, chosen, "No take is selected", "Put the selected take into lane A")
        explain(self.to_b, chosen, "No take is selected", "Put the selected take into lane B")
        explain(self.export, chosen, "No take is selected", "Write takes as sound files with their settings (Ctrl+E)")

    def _fill_menu(self) -> None:
        self.menu.clear()
        self.speakers.clear()
        speakers: dict[str, list[DemoLine]] = {}
        for line in self._sources.demo_lines:
            speakers.setdefault(line.speaker, []).append(line)
        for speaker, lines in speakers.items():
            submenu = QMenu(f"Speaker {speaker}", self.menu)
            self.speakers.append(submenu)
            self.menu.addMenu(submenu)
            submenu.aboutToShow.connect(lambda submenu=submenu, lines=lines: self._fill_speaker(submenu, lines))
        explain(self.lines, bool(speakers), "The demo lines are still being listed", "Lines that ship with the studio")

    def _fill_speaker(self, submenu: QMenu, lines: list[DemoLine]) -> None:
        if submenu.isEmpty():
            for line in lines:
                submenu.addAction(
                    f"{int(line.id.split('_')[-1])}  {line.text}", lambda line=line: self.line_chosen.emit(line)
                )
