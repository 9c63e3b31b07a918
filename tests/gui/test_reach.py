"""Everybody can reach everything: names for screen readers, keys, reasons on hover, sizes, colours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest
from PySide6.QtCore import QEvent, QPoint, QSettings, Qt
from PySide6.QtGui import QColor, QHelpEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QToolTip, QWidget
from pytestqt.qtbot import QtBot

from studio.emotions import COLOURS, INITIALS
from studio.gui.keys import KeysDialog
from studio.gui.loading import Loader
from studio.gui.main_window import MainWindow
from studio.gui.theme import DARK, LIGHT, Colours, Theme
from studio.gui.widgets.toggles import SegmentButton
from tests.gui.driving import PATIENCE, choose_target, key, press, wait_for_takes
from tests.gui.standin import StandIn, loader


def controls(window: MainWindow) -> Iterator[QWidget]:
    """Everything visible that can have the focus."""
    for widget in window.findChildren(QWidget):
        if widget.isVisible() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.focusProxy() is None:
            yield widget


def test_every_control_has_a_name_for_screen_readers(window: MainWindow) -> None:
    nameless = [
        f"{type(widget).__name__} in {type(widget.parentWidget()).__name__}"
        for widget in controls(window)
        if not widget.accessibleName() and not (isinstance(widget, QAbstractButton) and widget.text())
    ]
    assert nameless == []


def test_every_disabled_control_says_why(window: MainWindow) -> None:
    silent = [
        f"{type(widget).__name__} {widget.accessibleName() or widget.objectName()}"
        for widget in controls(window)
        if not widget.isEnabled() and not widget.toolTip() and not explained_above(widget)
    ]
    assert silent == []


def test_tab_reaches_every_enabled_control(window: MainWindow) -> None:
    # Of a group of segments Tab reaches the one that is down; the arrows lead to the others.
    expected = {
        widget
        for widget in controls(window)
        if widget.isEnabled() and not (isinstance(widget, SegmentButton) and not widget.isChecked())
    }
    reached: set[QWidget] = set()
    window.setFocus()
    for _ in range(2 * len(expected)):
        QTest.keyClick(in_focus(), Qt.Key.Key_Tab)
        reached.add(in_focus())
    missing = {widget.accessibleName() for widget in expected - reached}
    assert missing == set()


def test_arrows_choose_within_a_group_of_segments(window: MainWindow) -> None:
    modes = window.steering.modes
    modes.button("gain").setFocus(Qt.FocusReason.TabFocusReason)
    QTest.keyClick(modes.button("gain"), Qt.Key.Key_Right)
    assert QApplication.focusWidget() is modes.button("add")
    assert window.studio.state.steer.mode == "add"


def test_space_presses_the_button_that_was_tabbed_to_and_plays_otherwise(window: MainWindow) -> None:
    asked: list[str] = []
    window.actions_.named["Play or stop"].triggered.connect(lambda: asked.append("play"))
    button = window.steering.targets.button("sad")
    button.setFocus(Qt.FocusReason.TabFocusReason)
    QTest.keyClick(button, Qt.Key.Key_Space)
    assert (window.studio.state.steer.target, asked) == ("sad", [])
    key(window, Qt.Key.Key_Space)
    assert asked == ["play"]


def test_letters_typed_into_the_transcript_are_no_commands(window: MainWindow) -> None:
    edit = window.library.reference
    edit.setFocus()
    edit.selectAll()
    QTest.keyClicks(edit, "xrl 123 abs")
    assert edit.toPlainText() == "xrl 123 abs"
    assert window.studio.playback.heard == "source"


def test_f1_lists_every_key(qtbot: QtBot, window: MainWindow) -> None:
    key(window, Qt.Key.Key_F1)
    qtbot.waitUntil(lambda: window.findChild(KeysDialog) is not None, timeout=PATIENCE)
    dialog = window.findChild(KeysDialog)
    assert dialog is not None
    text = " ".join(label.text() for label in dialog.findChildren(QLabel))
    for what in ("Swap A and B", "Render", "Take 9", "5 stars", "Scrub", "Drag over a lane"):
        assert what in text
    shown = {name: field.keySequence().toString() for name, field in dialog.fields.items()}
    expected = {"Play or stop": "Space", "Open recordings…": "Ctrl+O", "Export takes…": "Ctrl+E", "Keys…": "F1"}
    assert {name: shown[name] for name in expected} == expected
    assert shown.keys() == window.actions_.named.keys()
    dialog.close()


def test_a_key_is_changed_named_in_hints_remembered_and_restored(
    qtbot: QtBot, open_window: Callable[[Loader], MainWindow], window: MainWindow, standin: StandIn, tmp_path: Path
) -> None:
    dialog = KeysDialog(window, window.keys, window.actions_.sections)
    qtbot.addWidget(dialog)
    dialog.show()
    field = dialog.fields["Bypass steering"]
    field.setFocus()
    QTest.keyClick(field, Qt.Key.Key_R)
    qtbot.waitUntil(lambda: "is the key of “Render”" in dialog.says.text(), timeout=PATIENCE)
    assert field.keySequence().toString() == "Y"
    field.setFocus()
    QTest.keyClick(field, Qt.Key.Key_Q)
    qtbot.waitUntil(lambda: window.keys.changed == ("Bypass steering",), timeout=PATIENCE)
    dialog.reject()
    asked: list[bool] = []
    window.actions_.named["Bypass steering"].triggered.connect(lambda: asked.append(True))
    key(window, Qt.Key.Key_Y)
    assert asked == []
    key(window, Qt.Key.Key_Q)
    assert len(asked) == 1
    shown: list[str] = []
    box = window.steering.bypass
    with patch.object(QToolTip, "showText", lambda _at, text, _widget: shown.append(text)):
        QApplication.sendEvent(box, QHelpEvent(QEvent.Type.ToolTip, QPoint(4, 4), box.mapToGlobal(QPoint(4, 4))))
    assert shown == [box.toolTip().replace("(Y)", "(Q)")]
    second = open_window(loader(standin, tmp_path / "masks"))
    assert second.keys.of("Bypass steering").toString() == "Q"
    again = KeysDialog(second, second.keys, second.actions_.sections)
    qtbot.addWidget(again)
    again.show()
    press(again.reset_button)
    assert second.keys.changed == ()
    assert again.fields["Bypass steering"].keySequence().toString() == "Y"
    second.close()


def test_it_fits_1280_by_800(window: MainWindow) -> None:
    window.resize(1280, 800)
    for workspace in ("localize", "audition"):
        window.show_workspace(workspace)
        assert window.minimumSizeHint().width() <= 1280
        assert window.minimumSizeHint().height() <= 760
        assert (window.width(), window.height()) == (1280, 800)
    for panel in (window.steering, window.library):
        assert panel.minimumSizeHint().height() <= panel.height(), "nothing to scroll"


@pytest.mark.parametrize("colours", [DARK, LIGHT], ids=["dark", "light"])
def test_text_is_readable_on_its_ground(colours: Colours) -> None:
    for over, under, least in (
        ("text", "panel", 7.0),
        ("text", "window", 7.0),
        ("text", "control", 7.0),
        ("muted", "panel", 4.5),
        ("accent", "panel", 3.0),
        ("on_accent", "accent", 4.5),
        ("danger", "window", 4.5),
        ("warning", "panel", 4.5),
    ):
        assert contrast(getattr(colours, over), getattr(colours, under)) >= least, f"{over} on {under}"


def test_emotions_are_told_by_initial_too() -> None:
    assert len(set(INITIALS.values())) == len(set(COLOURS.values())) == 5


def test_theme_and_layout_are_remembered(
    qtbot: QtBot, open_window: Callable[[Loader], MainWindow], theme: Theme, settings: QSettings, window: MainWindow
) -> None:
    window.actions_.named["Light"].trigger()
    assert theme.colours is LIGHT
    assert QApplication.palette().window().color() == QColor(LIGHT.panel)
    window.resize(1400, 900)
    window.close()
    assert settings.value("theme") == "light"
    assert settings.value("window/geometry") is not None
    theme.choose("dark")
    assert theme.colours is DARK


def test_everything_is_drawn_in_both_schemes(qtbot: QtBot, window: MainWindow, theme: Theme, standin: StandIn) -> None:
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    for choice, colours in (("light", LIGHT), ("dark", DARK)):
        theme.choose(choice)
        canvas = window.lanes.lanes["A"].canvas

        expected = {colours.canvas.lower(), colours.grid.lower()}
        qtbot.waitUntil(partial(ground_is, canvas, expected), timeout=PATIENCE)


def ground_is(canvas: QWidget, expected: set[str]) -> bool:
    """Whether a canvas is drawn on one of these colours."""
    return canvas.grab().toImage().pixelColor(canvas.width() // 2, 1).name() in expected


def in_focus() -> QWidget:
    widget = QApplication.focusWidget()
    assert widget is not None
    return widget


def explained_above(widget: QWidget) -> bool:
    """Whether what holds a control is disabled with it, and says why."""
    parent = widget.parentWidget()
    while parent is not None:
        if parent.toolTip() and not parent.isEnabled():
            return True
        parent = parent.parentWidget()
    return False


def contrast(first: str, second: str) -> float:
    """WCAG contrast ratio."""
    lighter, darker = sorted((luminance(QColor(first)), luminance(QColor(second))), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: QColor) -> float:
    parts = (colour.redF(), colour.greenF(), colour.blueF())
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
