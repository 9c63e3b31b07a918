"""The window with the model that ships: a render cancelled midway, another one after it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pytestqt.qtbot import QtBot

from studio.gui.loading import Loader
from studio.gui.main_window import MainWindow
from tests.gui.driving import choose_target, drag_slider, press, wait_for_takes
from tests.gui.scenes import shipped_loader
from tests.gui.stage import PATIENCE


def test_cancel_midway_and_render_again(
    qtbot: QtBot, open_window: Callable[[Loader], MainWindow], tmp_path: Path
) -> None:
    window = open_window(shipped_loader(tmp_path))
    studio, state = window.studio, window.studio.state
    qtbot.waitUntil(
        lambda: (state.source is not None and state.mask is not None) or window.notices.isVisible(), timeout=PATIENCE
    )
    assert window.notices.waiting == []
    long_line = max(studio.sources.demo_lines, key=lambda line: len(line.text))
    studio.sources.open_line(long_line)
    qtbot.waitUntil(lambda: state.source is not None and long_line.id in state.source.name, timeout=PATIENCE)
    with qtbot.waitSignal(studio.renders.progress, timeout=PATIENCE):
        choose_target(window, "angry")
    press(window.top.job.cancel)
    qtbot.waitUntil(lambda: not studio.renders.active, timeout=PATIENCE)
    assert state.takes == []
    assert state.lanes["A"] is None
    assert not window.notices.isVisible()
    drag_slider(window, "angry", 0.5)
    wait_for_takes(qtbot, window, 2)
    steered, baseline = state.takes
    assert baseline.take.settings.is_baseline
    assert steered.take.settings.strengths["angry"] > 0.4
    assert steered.take.audio.seconds > 0.5
    assert steered.take.judged
    assert steered.take.heard_wer is not None
