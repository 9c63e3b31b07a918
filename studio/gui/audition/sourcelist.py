"""The list of source clips: what is open, how long it is, and which region of it is converted."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QMenu

from studio.gui.formats import clock
from studio.gui.shown import Source
from studio.gui.state import StudioState

ROW_HEIGHT = 24
_MOST_ROWS = 4


class SourceList(QListWidget):
    """One row per source; choosing a row opens it, Delete or the context menu takes it off the list."""

    chosen = Signal(object)
    close_asked = Signal(object)

    def __init__(self, state: StudioState) -> None:
        super().__init__()
        self._state = state
        self._menu = QMenu(self)
        self._menu.addAction("Close this source", self._close_current)
        self.setAccessibleName("Source clips")
        self.setObjectName("sources")
        self.setUniformItemSizes(True)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._show_menu)
        self.currentRowChanged.connect(self._choose)
        state.sources_changed.connect(self.refresh)
        state.source_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the sources anew."""
        sources = self._state.sources
        self.blockSignals(True)
        # Rows stay where they can: this may run within the signal of the row that was just chosen.
        while self.count() > max(1, len(sources)):
            self.takeItem(self.count() - 1)
        while self.count() < max(1, len(sources)):
            self.addItem(QListWidgetItem())
        if not sources:
            self.item(0).setText("Nothing is open")
        for row, source in enumerate(sources):
            item = self.item(row)
            item.setText(source.name)
            item.setToolTip(
                f"{source.name}, {about(source)}. Delete closes it, Ctrl+Z brings it back; takes made from it stay."
            )
            item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{source.name}, {about(source)}")
            item.setSizeHint(QSize(0, ROW_HEIGHT))
            if source.is_of(self._state.source):
                self.setCurrentRow(row)
        self.blockSignals(False)
        self.setEnabled(bool(self._state.sources))
        self.setToolTip("" if self._state.sources else "Open a recording, or drop some on the window")
        self.setFixedHeight(min(max(1, len(self._state.sources)), _MOST_ROWS) * ROW_HEIGHT + 2)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete takes the current source off the list."""
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self._close_current()
        else:
            super().keyPressEvent(event)

    def _choose(self, row: int) -> None:
        if 0 <= row < len(self._state.sources):
            self.chosen.emit(self._state.sources[row])

    def _close_current(self) -> None:
        row = self.currentRow()
        if 0 <= row < len(self._state.sources):
            self.close_asked.emit(self._state.sources[row])

    def _show_menu(self, at: QPoint) -> None:
        if self.itemAt(at) is not None and self._state.sources:
            self._menu.popup(self.viewport().mapToGlobal(at))


def about(source: Source) -> str:
    """Kind, length and rate of a source, and what of it is converted."""
    clip = source.recording.clip
    kind = "demo line" if source.demo else "recording"
    length = f"{clip.seconds:.2f} s" if clip.seconds < 60 else clock(clip.seconds)
    if source.region is not None:
        length = f"{source.drawing.seconds:.2f} s of {length}"
    return f"{kind}, {length}, {clip.rate / 1000:g} kHz"
