"""The heatmap: what it draws, what it says, and how it chooses layers."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.gui.main_window import MainWindow
from tests.gui.driving import PATIENCE, choose_target, drag_slider, key, press, wait_for_takes
from tests.gui.standin import StandIn, make_mask


@pytest.fixture
def localize(qtbot: QtBot, window: MainWindow) -> MainWindow:
    press(window.top.workspaces.button("localize"))
    qtbot.waitUntil(lambda: window.localize.heatmap.viewport().isVisible(), timeout=PATIENCE)
    return window


def click_layer(window: MainWindow, layer: int, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    heatmap = window.localize.heatmap
    place = heatmap.layer_centre(layer).toPoint()
    QTest.mouseMove(heatmap.viewport(), place)
    QTest.mouseClick(heatmap.viewport(), Qt.MouseButton.LeftButton, modifier, place)


def layers_of(window: MainWindow) -> tuple[int, int] | None:
    return window.studio.state.steer.layers


def test_it_draws_the_masks_counts(localize: MainWindow) -> None:
    mask = make_mask()
    expected = [mask.histogram(emotion) for emotion in ("happy", "angry", "sad", "surprise")]
    assert np.array_equal(localize.localize.heatmap.counts, expected)
    assert "CAS-5" in localize.localize.title.text()
    assert "Selector:\N{NO-BREAK SPACE}CAS" in localize.localize.facts.text()


def test_a_click_on_a_layer_restricts_steering_to_it_and_again_clears(localize: MainWindow) -> None:
    click_layer(localize, 2)
    assert layers_of(localize) == (2, 2)
    assert (localize.steering.first.value(), localize.steering.last.value()) == (2, 2)
    click_layer(localize, 5, Qt.KeyboardModifier.ShiftModifier)
    assert layers_of(localize) == (2, 5)
    click_layer(localize, 4)
    assert layers_of(localize) is None
    assert not localize.steering.all_layers.isEnabled()


def test_arrow_keys_choose_layers(localize: MainWindow) -> None:
    heatmap = localize.localize.heatmap
    heatmap.setFocus()
    QTest.keyClick(heatmap, Qt.Key.Key_Right)
    QTest.keyClick(heatmap, Qt.Key.Key_Right)
    assert layers_of(localize) == (1, 1)
    QTest.keyClick(heatmap, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert layers_of(localize) == (1, 2)
    QTest.keyClick(heatmap, Qt.Key.Key_Escape)
    assert layers_of(localize) is None


def test_hovering_says_how_many_neurons(qtbot: QtBot, localize: MainWindow) -> None:
    heatmap = localize.localize.heatmap
    place = heatmap.layer_centre(3).toPoint()
    QTest.mouseMove(heatmap.viewport(), place + QPoint(0, 2))
    qtbot.waitUntil(lambda: localize.localize.under_mouse.text().startswith("Layer 3, "), timeout=PATIENCE)
    said = localize.localize.under_mouse.text()
    emotion = said.split(",")[1].split(":")[0].strip()
    assert f"{make_mask().histogram(emotion)[3]} of 768 neurons" in said


def test_the_layer_window_reaches_the_render(qtbot: QtBot, localize: MainWindow, standin: StandIn) -> None:
    click_layer(localize, 1)
    drag_slider(localize, "angry", 0.5)
    choose_target(localize, "angry")
    wait_for_takes(qtbot, localize, 2)
    (steering,) = [request.steering for request in standin.requests if request.steering is not None]
    assert steering.layers == (1, 1)
    key(localize, Qt.Key.Key_1, Qt.KeyboardModifier.ControlModifier)
    assert localize.lanes.isVisible()
    assert "layer 1" in localize.lanes.lanes["B"].title.whole_text()


def test_the_strip_in_the_panel_chooses_layers_by_dragging(window: MainWindow) -> None:
    strip = window.steering.strip
    width = strip.width() / 8
    none, left = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton
    QTest.mousePress(strip, left, none, QPoint(round(2.5 * width), 20))
    QTest.mouseMove(strip, QPoint(round(4.5 * width), 20))
    QTest.mouseRelease(strip, left, none, QPoint(round(4.5 * width), 20))
    assert layers_of(window) == (2, 4)
    press(window.steering.all_layers)
    assert layers_of(window) is None
    strip.setFocus()
    QTest.keyClick(strip, Qt.Key.Key_Left)
    assert layers_of(window) == (7, 7)
