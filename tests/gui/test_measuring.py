"""Takes measured after they are shown: in the window, and in the process that does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from studio.audio.clip import Clip
from studio.engine import JobContext
from studio.errors import Cancelled, StudioError
from studio.gui.loading import Loaded, Loader
from studio.gui.main_window import MainWindow
from studio.gui.measuring import Measurer
from studio.session.measures import Measures, measure
from studio.session.take import Flag
from tests.gui.driving import PATIENCE, choose_target, wait_for_takes
from tests.gui.standin import StandIn, loader
from tests.toy import tone


class Ear(Measurer):
    """Hears every take alike, or fails."""

    def __init__(self, problem: str = "") -> None:
        super().__init__()
        self.able = True
        self.lacking = ()
        self.asked: list[Clip] = []
        self._problem = problem

    def measure(self, audio: Clip, source: Clip, cancelled: Callable[[], bool]) -> Measures:
        self.asked.append(audio)
        if self._problem:
            raise StudioError(self._problem)
        return Measures(3.25, 0.31)


def with_ear(ear: Measurer, folder: Path) -> Loader:
    def load(context: JobContext) -> Loaded:
        return replace(loader(StandIn(), folder)(context), measurer=ear)

    return load


def test_every_take_is_measured_once(qtbot: QtBot, open_window: Callable[[Loader], MainWindow], tmp_path: Path) -> None:
    ear = Ear()
    window = open_window(with_ear(ear, tmp_path))
    state = window.studio.state
    qtbot.waitUntil(lambda: state.source is not None and state.mask is not None, timeout=PATIENCE)
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    qtbot.waitUntil(lambda: state.takes[0].take.similarity is not None, timeout=PATIENCE)
    take = state.takes[0].take
    assert (take.naturalness, take.similarity) == (3.25, 0.31)
    assert Flag.VOICE in take.flags
    choose_target(window, "sad")
    wait_for_takes(qtbot, window, 2)
    qtbot.waitUntil(lambda: state.takes[1].take.similarity is not None, timeout=PATIENCE)
    assert [clip is shown.take.audio for clip, shown in zip(ear.asked, state.takes, strict=True)] == [True, True]


def test_a_measurer_that_fails_is_asked_no_more(
    qtbot: QtBot, open_window: Callable[[Loader], MainWindow], tmp_path: Path
) -> None:
    ear = Ear("The ear is out of order.")
    window = open_window(with_ear(ear, tmp_path))
    state = window.studio.state
    qtbot.waitUntil(lambda: state.source is not None and state.mask is not None, timeout=PATIENCE)
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    qtbot.waitUntil(lambda: bool(window.notices.waiting), timeout=PATIENCE)
    assert window.notices.waiting[0].text == "The ear is out of order."
    choose_target(window, "sad")
    wait_for_takes(qtbot, window, 2)
    window.library.takes.select(2)
    assert "out of order" in window.library.takes_panel.details.measures.toolTip()
    assert len(ear.asked) == 1


def test_the_process_measures_as_this_one_would_and_can_be_stopped() -> None:
    measurer = Measurer()
    try:
        with pytest.raises(Cancelled):
            measurer.measure(tone(), tone(), lambda: True)
        assert measurer.measure(tone(), tone(2.0), lambda: False) == measure(tone(), tone(2.0))
    finally:
        measurer.close()
