"""The menu of presets on the steering panel."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QInputDialog, QMenu, QPushButton

from studio.gui.presets import LONGEST_NAME, PanelPresets
from studio.gui.state import StudioState
from studio.gui.widgets.layout import explain


class PresetButton(QPushButton):
    """Opens the menu: presets to use, the one on the panel ticked; save as; delete."""

    def __init__(self, state: StudioState, presets: PanelPresets) -> None:
        super().__init__("presets")
        self.setObjectName("link")
        self.setAccessibleName("Presets")
        self._presets = presets
        self.menu_ = QMenu(self)
        self.setMenu(self.menu_)
        # Held here: a submenu that only its parent knows is deleted with its Python wrapper.
        self._delete = QMenu("Delete", self.menu_)
        self.menu_.aboutToShow.connect(self._fill)
        presets.changed.connect(self._show)
        state.model_changed.connect(self._show)
        self._fill()
        self._show()

    def ask_save(self) -> None:
        """Ask for a name and keep the panel's values under it."""
        dialog = QInputDialog(self.window())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle("Save as a preset")
        dialog.setLabelText("Name of the preset; one that exists is replaced.")
        dialog.setOkButtonText("Save")
        dialog.textValueSelected.connect(self._presets.save)
        dialog.open()

    def _show(self) -> None:
        reason = self._presets.blocked()
        explain(self, reason is None, reason or "", "Settings of the panel, kept by name")

    def _fill(self) -> None:
        self.menu_.clear()
        self._delete.clear()
        for name in self._presets.names:
            shown = _shortened(name)
            action = QAction(shown, self.menu_)
            action.setCheckable(True)
            action.setChecked(self._presets.in_use(name))
            action.triggered.connect(partial(self._use, name))
            self.menu_.addAction(action)
            self._delete.addAction(shown, partial(self._presets.delete, name))
        if not self._presets.names:
            self.menu_.addAction("No preset was saved yet").setEnabled(False)
        self.menu_.addSeparator()
        self.menu_.addAction("Save as…", self.ask_save)
        if self._presets.names:
            self.menu_.addMenu(self._delete)

    def _use(self, name: str, _checked: bool = False) -> None:
        self._presets.use(name)


def _shortened(name: str) -> str:
    """A name as menus show it: an ampersand would underline the next letter."""
    return name[:LONGEST_NAME].replace("&", "&&")
