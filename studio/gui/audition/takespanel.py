"""The takes: finding, rating, naming, comparing and deleting them, and sending them to lanes."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from studio.gui.audition.takebar import TakeBar
from studio.gui.audition.takedetails import TakeDetails
from studio.gui.audition.takes import TakesList
from studio.gui.icons import icon
from studio.gui.measuring import Measuring
from studio.gui.state import StudioState
from studio.gui.widgets.layout import explain, tight


class TakesPanel(QWidget):
    """The list between a bar to find takes and the details of the selected ones."""

    assign_asked = Signal(int, str)
    export_asked = Signal()

    def __init__(self, state: StudioState, measuring: Measuring) -> None:
        super().__init__()
        self._state = state
        self.bar = TakeBar()
        self.list = TakesList(state)
        self.details = TakeDetails(state, measuring)
        self.to_a, self.to_b = QPushButton("To A"), QPushButton("To B")
        self.export = QPushButton("Export\u2026")
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        for button in (self.to_a, self.to_b, self.export):
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        tight(layout, spacing=6)
        layout.addWidget(self.bar)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.details)
        layout.addLayout(buttons)
        self.bar.changed.connect(self.list.arrange)
        self.list.assign_asked.connect(self.assign_asked)
        self.list.selected.connect(self._show_selection)
        self.details.use_asked.connect(self.use_settings)
        self.details.delete_asked.connect(self.delete)
        self.details.left.connect(lambda: self.list.setFocus(Qt.FocusReason.OtherFocusReason))
        self.to_a.clicked.connect(lambda: self._assign("A"))
        self.to_b.clicked.connect(lambda: self._assign("B"))
        self.export.clicked.connect(self.export_asked)
        self.recolour()
        self._show_selection()

    def recolour(self) -> None:
        """Draw the icons in another scheme's colours."""
        self.export.setIcon(icon("export"))
        self.bar.recolour()
        self.list.viewport().update()

    def rate(self, stars: int) -> None:
        """Give the selected takes stars, 0 to 5."""
        for shown in self.list.selected_takes:
            self._state.mark_take(shown, stars=stars)

    def delete(self) -> None:
        """Delete the selected takes."""
        takes = self.list.selected_takes
        if takes:
            self._state.remove_takes(takes)

    def write_note(self) -> None:
        """Go to the note of the selected take."""
        if self.list.current_take is not None and self.details.note.isVisible():
            self.details.note.setFocus(Qt.FocusReason.ShortcutFocusReason)
            self.details.note.selectAll()

    def use_settings(self) -> None:
        """Put the selected take's settings, and its mask, back on the steering panel."""
        shown = self.list.current_take
        if shown is not None:
            mask = None if shown.steer.is_baseline else shown.mask
            self._state.use_settings(shown.steer, mask)

    def _assign(self, lane: str) -> None:
        shown = self.list.current_take
        if shown is not None:
            self.assign_asked.emit(shown.number, lane)

    def _show_selection(self) -> None:
        takes = self.list.selected_takes
        self.details.show_takes(takes)
        chosen = self.list.current_take is not None
        explain(self.to_a, chosen, "No take is selected", "Put the selected take into lane A")
        explain(self.to_b, chosen, "No take is selected", "Put the selected take into lane B")
        explain(self.export, chosen, "No take is selected", "Write the selected take as WAV with its settings (Ctrl+E)")
