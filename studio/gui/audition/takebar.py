"""Above the takes: words to look for, and a menu to filter, sort and group them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QMenu, QToolButton, QWidget

from studio.emotions import EMOTIONS
from studio.gui.audition.arrange import ORDERS, Arrangement
from studio.gui.audition.takerow import STARS
from studio.gui.icons import icon
from studio.gui.widgets.layout import tight


class TakeBar(QWidget):
    """Emits ``changed`` with the arrangement that is asked for."""

    changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.arrangement = Arrangement()
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find")
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName("Find takes")
        self.search.setToolTip("Words in a take's name, note, settings, text or flags")
        self.button = QToolButton()
        self.button.setObjectName("square")
        self.button.setFixedSize(28, 28)
        self.button.setAccessibleName("Sort and filter takes")
        self.button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu = QMenu(self.button)
        self.button.setMenu(self.menu)
        self.choices: dict[str, QAction] = {}
        # Held here: a menu or group that only its parent knows is deleted with its Python wrapper.
        self._held: list[Any] = []
        self._fill_menu()
        heading = QLabel("Takes")
        heading.setProperty("role", "heading")
        layout = QHBoxLayout(self)
        tight(layout)
        layout.addWidget(heading)
        layout.addWidget(self.search, 1)
        layout.addWidget(self.button)
        self.search.textChanged.connect(lambda text: self._set(text=text))
        self.recolour()

    def recolour(self) -> None:
        """Draw the icon in another scheme's colours, in the accent while takes are hidden or sorted."""
        active = self.arrangement.filters or self.arrangement.order != "number"
        self.button.setIcon(icon("filter", active=active))
        hint = "Sort, filter and group the takes"
        self.button.setToolTip(hint if not self.arrangement.filters else f"{hint}; some may be hidden now")

    def clear(self) -> None:
        """Show all takes; the order stays."""
        for field, value in (("target", None), ("stars", 0), ("flagged", None)):
            self.choices[f"{field}={value}"].setChecked(True)
        self.search.clear()
        self._set(target=None, stars=0, flagged=None, text="")

    def _fill_menu(self) -> None:
        self._choice("Sort by", "order", ORDERS)
        grouped = QAction("Group by source", self)
        grouped.setCheckable(True)
        grouped.toggled.connect(lambda on: self._set(grouped=on))
        self.menu.addAction(grouped)
        self.choices["grouped"] = grouped
        self.menu.addSeparator()
        self._choice("Emotion", "target", {None: "Any", **{emotion: emotion for emotion in EMOTIONS}})
        stars = {count: f"{count} or more" for count in range(1, STARS + 1)}
        self._choice("Stars", "stars", {0: "Any", **stars})
        self._choice("Flags", "flagged", {None: "Any", True: "Flagged", False: "Without flags"})
        self.menu.addSeparator()
        self.menu.addAction("Clear filters", self.clear)

    def _choice(self, title: str, field: str, values: Mapping[Any, str]) -> None:
        menu = QMenu(title, self.menu)
        group = QActionGroup(self)
        for value, text in values.items():
            action = QAction(text, self)
            action.setCheckable(True)
            action.setChecked(getattr(self.arrangement, field) == value)
            action.triggered.connect(lambda _on=False, value=value: self._set(**{field: value}))
            group.addAction(action)
            menu.addAction(action)
            self.choices[f"{field}={value}"] = action
        self.menu.addMenu(menu)
        self._held += [menu, group]

    def _set(self, **changes: Any) -> None:
        wanted = replace(self.arrangement, **changes)
        if wanted != self.arrangement:
            self.arrangement = wanted
            self.recolour()
            self.changed.emit(wanted)
