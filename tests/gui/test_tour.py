"""The tour of five callouts: shown once, skipped by a click or a key, and to be had again from the menu."""

from __future__ import annotations

from PySide6.QtCore import QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from studio.gui.main_window import MainWindow
from tests.gui.driving import press


def test_five_callouts_lead_through_the_window_and_never_come_back(window: MainWindow, settings: QSettings) -> None:
    window.resize(1280, 800)
    tour = window.tour
    tour.offer()
    seen: list[str] = []
    heights: list[int] = []
    while tour.active:
        seen.append(tour.callout.title.text())
        heights.append(tour.callout.height())
        assert tour.callout.place.text() == f"{len(seen)} of 5"
        assert window.rect().contains(tour.callout.geometry())
        about = [widget.rect().translated(widget.mapTo(window, widget.rect().topLeft())) for widget in tour.about]
        assert not any(tour.callout.geometry().intersects(each) for each in about), seen[-1]
        assert QApplication.focusWidget() is tour.callout.next
        QTest.keyClick(tour.callout.next, Qt.Key.Key_Return)
    assert len(set(seen)) == 5
    assert not tour.callout.isVisible()
    assert not tour.outline.isVisible()
    tour.offer()
    assert not tour.active
    window.actions_.named["Tour"].trigger()
    assert tour.callout.isVisible()
    for _ in range(3):
        press(tour.callout.next)
    press(tour.callout.back)
    assert tour.callout.height() == heights[2], "no room is left from a longer text"


def test_it_can_be_skipped_at_once_and_the_window_stays_usable(window: MainWindow) -> None:
    tour = window.tour
    tour.offer()
    press(window.steering.targets.button("sad"))
    assert window.studio.state.steer.target == "sad"
    press(tour.callout.next)
    press(tour.callout.back)
    assert tour.at == 0
    press(tour.callout.skip)
    assert not tour.active
    tour.offer()
    assert not tour.active
    tour.begin()
    QTest.keyClick(tour.callout, Qt.Key.Key_Escape)
    assert not tour.active


def test_nothing_is_offered_to_who_has_seen_it(window: MainWindow, settings: QSettings) -> None:
    settings.setValue("tour/seen", True)
    window.tour.offer()
    assert not window.tour.active
