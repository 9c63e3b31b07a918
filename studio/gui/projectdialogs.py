"""Asking where projects are, and the menu of those opened lately."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QStandardPaths
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from studio.gui.projectmemory import SUFFIX
from studio.gui.projects import Projects


class ProjectDialogs(QObject):
    """Turns menu entries, dialogs and dropped folders into calls of ``Projects``."""

    def __init__(self, window: QWidget, projects: Projects) -> None:
        super().__init__(window)
        self._window = window
        self._projects = projects

    def ask_open(self) -> None:
        """Ask for a project and open it."""
        chosen = QFileDialog.getExistingDirectory(self._window, f"Open a project (a folder *{SUFFIX})", self._place())
        if chosen:
            self._projects.open(Path(chosen))

    def save(self) -> None:
        """Save the project; one that has no place yet is asked for one."""
        if not self._projects.save():
            self.ask_save()

    def ask_save(self) -> None:
        """Ask for a place and save the project there."""
        name = self._projects.name or "Untitled"
        chosen, _ = QFileDialog.getSaveFileName(
            self._window, "Save the project", str(Path(self._place()) / f"{name}{SUFFIX}"), f"Projects (*{SUFFIX})"
        )
        if chosen:
            self._projects.save_as(Path(chosen))

    def open_if_project(self, path: Path) -> bool:
        """Open ``path`` if it looks like a project; whether it did."""
        looks = path.suffix == SUFFIX or path.name == "project.json"
        if looks:
            self._projects.open(path)
        return looks

    def fill_recent(self, menu: QMenu) -> None:
        """Keep a menu filled with recent projects and unsaved work."""
        menu.aboutToShow.connect(partial(self._fill, menu))
        self._projects.changed.connect(partial(self._fill, menu))
        self._fill(menu)

    def _fill(self, menu: QMenu) -> None:
        menu.clear()
        for path in self._projects.memory.recent():
            self._entry(menu, path.name.removesuffix(SUFFIX), path)
        if self._projects.memory.unsaved:
            menu.addSeparator()
        for each in self._projects.memory.unsaved:
            self._entry(menu, f"Unsaved: {each.question}", each.path)
        if menu.isEmpty():
            nothing = QAction("No project was saved yet", menu)
            nothing.setEnabled(False)
            menu.addAction(nothing)

    def _entry(self, menu: QMenu, text: str, path: Path) -> None:
        action = QAction(text, menu)
        action.setToolTip(str(path))
        action.triggered.connect(lambda _checked=False: self._projects.open(path))
        menu.addAction(action)

    def _place(self) -> str:
        recent = self._projects.memory.recent()
        if recent:
            return str(recent[0].parent)
        return QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation) or str(Path.home())
