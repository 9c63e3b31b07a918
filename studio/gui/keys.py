"""Keys: what each does, which can be changed, and buttons that answer to Space and Enter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

from PySide6.QtCore import QEvent, QObject, QSettings, Qt
from PySide6.QtGui import QAction, QHelpEvent, QIcon, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QHBoxLayout,
    QKeySequenceEdit,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from studio.gui.widgets.layout import explain, heading, scrolling, small

_KEY_IN_HINT = re.compile(r" \(([^()]+)\)")

FIXED = (
    ("Wheel, Shift+wheel", "Zoom and scroll the lanes"),
    ("Drag over a lane", "Loop that stretch"),
    ("Drag over the ruler", "Scrub"),
    ("Double-click a slider", "Reset it"),
    ("Click, Shift+click an emotion", "Mute it, solo it"),
    ("Arrows on a lane", "Move the playhead"),
    ("Click, right-click on the curve", "Set a point, remove it"),
    ("Delete in the list of sources", "Close that recording"),
)
"""Gestures, and keys that belong to what has the focus."""


class Keys(QObject):
    """The keys of actions by name; changed ones are kept in the settings, and hints on hover name them."""

    def __init__(self, actions: Mapping[str, QAction], settings: QSettings, parent: QObject) -> None:
        super().__init__(parent)
        self._actions = dict(actions)
        self._settings = settings
        self.defaults = {name: action.shortcut() for name, action in actions.items()}
        for name, action in self._actions.items():
            kept = settings.value(_setting(name))
            if kept is not None:
                action.setShortcut(QKeySequence(str(kept)))
        self._follow()

    @property
    def changed(self) -> tuple[str, ...]:
        """Names of the actions that have another key than at first."""
        return tuple(name for name, key in self.defaults.items() if self._actions[name].shortcut() != key)

    def of(self, name: str) -> QKeySequence:
        """The key of an action; empty when it has none."""
        return self._actions[name].shortcut()

    def assign(self, name: str, key: QKeySequence) -> str:
        """Give an action another key, or none; a sentence when another action has it, which then keeps it."""
        holder = next((each for each, action in self._actions.items() if action.shortcut() == key), None)
        if not key.isEmpty() and holder is not None and holder != name:
            return f"{_native(key)} is the key of “{holder.removesuffix('…')}”; take it away there first."
        self._set(name, key)
        self._follow()
        return ""

    def reset(self) -> None:
        """Every key as at first."""
        for name in self.changed:
            self._set(name, self.defaults[name])
        self._follow()

    def in_hint(self, hint: str) -> str:
        """A hint with the keys it names in brackets as they are now."""

        def now(match: re.Match[str]) -> str:
            written = QKeySequence({"Escape": "Esc"}.get(match[1], match[1]))
            name = next((each for each, key in self.defaults.items() if key == written and not key.isEmpty()), None)
            if name is None or self.of(name) == written:
                return match[0]
            return "" if self.of(name).isEmpty() else f" ({_native(self.of(name))})"

        return _KEY_IN_HINT.sub(now, hint)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Show a hint with the keys as they are."""
        if event.type() != QEvent.Type.ToolTip or not isinstance(watched, QWidget) or not isinstance(event, QHelpEvent):
            return False
        hint = watched.toolTip()
        shown = self.in_hint(hint)
        if shown == hint:
            return False
        QToolTip.showText(event.globalPos(), shown, watched)
        return True

    def _set(self, name: str, key: QKeySequence) -> None:
        self._actions[name].setShortcut(key)
        if key == self.defaults[name]:
            self._settings.remove(_setting(name))
        else:
            self._settings.setValue(_setting(name), key.toString(QKeySequence.SequenceFormat.PortableText))

    def _follow(self) -> None:
        """Look at every event of the application only where hints would be wrong otherwise."""
        app = QApplication.instance()
        assert app is not None
        app.removeEventFilter(self)
        if self.changed:
            app.installEventFilter(self)


class KeysDialog(QDialog):
    """Lists every key by menu, and changes those that can be."""

    def __init__(self, window: QWidget, keys: Keys, sections: Mapping[str, list[str]]) -> None:
        super().__init__(window)
        self.setWindowTitle("Keys")
        self.resize(800, 600)
        self._keys = keys
        self.fields: dict[str, QKeySequenceEdit] = {}
        self.says = small("Click a key and press another; the cross takes it away.")
        self.reset_button = QPushButton("Restore all")
        columns = QHBoxLayout()
        columns.setSpacing(32)
        blocks = {title: self._block(title, names) for title, names in sections.items()}
        blocks["With the mouse, and in what has the focus"] = _gestures()
        left, right = QVBoxLayout(), QVBoxLayout()
        for column in (left, right):
            column.setSpacing(0)
        total = sum(block.sizeHint().height() for block in blocks.values())
        filled = 0
        for block in blocks.values():
            (left if filled < total / 2 else right).addWidget(block)
            filled += block.sizeHint().height()
        for column in (left, right):
            column.addStretch(1)
            columns.addLayout(column, 1)
        inside = QWidget()
        inside.setObjectName("page")
        inside.setLayout(columns)
        columns.setContentsMargins(0, 0, 16, 0)
        scroll = scrolling(inside, sideways=False)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        close = buttons.button(QDialogButtonBox.StandardButton.Close)
        close.setIcon(QIcon())
        buttons.rejected.connect(self.reject)
        foot = QHBoxLayout()
        foot.setSpacing(8)
        foot.addWidget(self.says, 1)
        foot.addWidget(self.reset_button)
        foot.addWidget(buttons)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 16, 24, 16)
        layout.setSpacing(16)
        layout.addWidget(scroll, 1)
        layout.addLayout(foot)
        self.reset_button.clicked.connect(self._reset)
        self._show_changed()
        close.setFocus()

    def _block(self, title: str, names: list[str]) -> QWidget:
        block, grid = _section(title)
        for row, name in enumerate(names, start=1):
            field = QKeySequenceEdit(self._keys.of(name))
            field.setMaximumSequenceLength(1)
            field.setClearButtonEnabled(True)
            field.setFixedSize(136, 28)
            field.setAccessibleName(f"Key of {name.removesuffix('…')}")
            field.editingFinished.connect(partial(self._take, name))
            self.fields[name] = field
            grid.addWidget(QLabel(name.removesuffix("…")), row, 0)
            grid.addWidget(field, row, 1)
        return block

    def _take(self, name: str) -> None:
        refused = self._keys.assign(name, self.fields[name].keySequence())
        self.says.setText(refused or "")
        self._show_changed()

    def _reset(self) -> None:
        self._keys.reset()
        self.says.setText("")
        self._show_changed()

    def _show_changed(self) -> None:
        for name, field in self.fields.items():
            field.setKeySequence(self._keys.of(name))
        explain(self.reset_button, bool(self._keys.changed), "All keys are as at first", "All keys as at first")


class ButtonKeys(QObject):
    """Space presses the button that has the focus instead of playing; the mouse never gives a button the focus."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        for button in window.findChildren(QAbstractButton):
            if button.focusPolicy() != Qt.FocusPolicy.NoFocus:
                button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
                button.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Claim Space and Enter from the menus; Enter presses like Space."""
        if not isinstance(event, QKeyEvent) or not isinstance(watched, QAbstractButton):
            return False
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if event.type() == QEvent.Type.ShortcutOverride and (enter or event.key() == Qt.Key.Key_Space):
            event.accept()
            return True
        if event.type() == QEvent.Type.KeyPress and enter:
            watched.click()
            return True
        return False


def _gestures() -> QWidget:
    block, grid = _section("With the mouse, and in what has the focus")
    for row, (how, what) in enumerate(FIXED, start=1):
        grid.addWidget(QLabel(what), row, 0)
        grid.addWidget(small(how), row, 1)
    return block


def _section(title: str) -> tuple[QWidget, QGridLayout]:
    block = QWidget()
    block.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
    grid = QGridLayout(block)
    grid.setContentsMargins(0, 0, 0, 16)
    grid.setHorizontalSpacing(16)
    grid.setVerticalSpacing(4)
    grid.setColumnStretch(0, 1)
    grid.addWidget(heading(title), 0, 0, 1, 2)
    return block, grid


def _native(key: QKeySequence) -> str:
    return key.toString(QKeySequence.SequenceFormat.NativeText)


def _setting(name: str) -> str:
    return f"keys/{name.replace('/', '-').removesuffix('…')}"
