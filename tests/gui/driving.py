"""What a person does with the window: presses, drags and types."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from studio.gui.main_window import MainWindow

PATIENCE = 120_000
"""Milliseconds to wait for what takes milliseconds, on a machine that is busy with something else."""


def press(widget: QWidget, at: QPoint | None = None) -> None:
    """Click a widget in its middle, or somewhere else in it."""
    assert widget.isEnabled(), f"{widget.accessibleName()} is disabled: {widget.toolTip()}"
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at or widget.rect().center())


def drop(window: MainWindow, *paths: Path) -> None:
    """Drop files on the window."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    none = Qt.KeyboardModifier.NoModifier
    copy, left = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    enter = QDragEnterEvent(QPoint(50, 50), copy, data, left, none)
    QApplication.sendEvent(window, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(window, QDropEvent(QPointF(50, 50), copy, data, left, none))


def drag(widget: QWidget, start: QPoint, *places: QPoint) -> None:
    """Drag within a widget and let go at the last place."""
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QTest.mousePress(widget, left, none, start)
    for place in places:
        # The button is held, which QTest.mouseMove does not say.
        at = QPointF(place)
        held = QMouseEvent(QEvent.Type.MouseMove, at, widget.mapToGlobal(at), left, left, none)
        QApplication.sendEvent(widget, held)
    QTest.mouseRelease(widget, left, none, places[-1])


def key(window: MainWindow, which: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    """Press a key with nothing particular in focus."""
    window.setFocus()
    QTest.keyClick(window, which, modifier)


def choose_target(window: MainWindow, emotion: str) -> None:
    """Press a target emotion."""
    press(window.steering.targets.button(emotion))


def drag_slider(window: MainWindow, emotion: str, strength: float) -> None:
    """Drag an intensity slider from where it is to a strength."""
    slider = window.steering.rows[emotion].slider
    middle = slider.height() // 2
    start, stop = (round(slider.x_of(value)) for value in (slider.strength, strength))
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    QTest.mousePress(slider, left, none, QPoint(start, middle))
    for x in (start + (stop - start) // 2, stop):
        QTest.mouseMove(slider, QPoint(x, middle))
    QTest.mouseRelease(slider, left, none, QPoint(stop, middle))


def wait_for_takes(qtbot: QtBot, window: MainWindow, count: int) -> None:
    """Until there are this many takes and nothing is being rendered."""
    studio = window.studio
    qtbot.waitUntil(
        lambda: len(studio.state.takes) >= count and not studio.renders.active and not studio.renders.pending,
        timeout=PATIENCE,
    )
    assert len(studio.state.takes) == count, [notice.text for notice in window.notices.waiting]
