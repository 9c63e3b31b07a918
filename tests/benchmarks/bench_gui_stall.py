"""How long the window's thread is away from its event loop, while idle, loading, rendering and playing; run by hand:

    python -m tests.benchmarks.bench_gui_stall

Prints the longest and the 99th percentile of the gaps between the firings of a one-millisecond timer, and how much of
the longest the window's own work took (the rest is waiting for the interpreter or the machine). Goal: under 50 ms
while rendering. Renders a demo line with the model that ships, towards each emotion, steered and not, with every take
judged and drawn.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer

from studio.emotions import TARGETS
from tests.gui.driving import choose_target, drag_slider
from tests.gui.stage import Stage

IDLE_SECONDS = 3.0

HAND_SECONDS = 0.02
"""Between two things that are pressed: no hand is quicker, and what is pressed reaches the window one by one."""


class Watch(QObject):
    """Gaps between timer firings, in milliseconds, with the thread's own processor time in each."""

    def __init__(self) -> None:
        super().__init__()
        self.gaps: list[tuple[float, float]] = []
        self._last = (time.perf_counter(), time.thread_time())
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._note)
        self._timer.start(1)

    def _note(self) -> None:
        now = (time.perf_counter(), time.thread_time())
        self.gaps.append(((now[0] - self._last[0]) * 1e3, (now[1] - self._last[1]) * 1e3))
        self._last = now

    def report(self, phase: str) -> None:
        """Print a line about the gaps since the last report."""
        gaps, self.gaps = self.gaps, []
        longest, own = max(gaps)
        usual = statistics.quantiles([gap for gap, _ in gaps], n=100)[98]
        print(f"{phase:<10} longest {longest:6.1f} ms (own work {own:5.1f} ms), 99th percentile {usual:5.1f} ms")


class WatchedStage(Stage):
    """Watches from the first event on."""

    def began(self) -> None:
        self.watch = Watch()


def main() -> None:
    """Print the lines."""
    with tempfile.TemporaryDirectory() as folder:
        stage = WatchedStage(Path(folder))
        watch = stage.watch
        watch.report("loading")
        stage.rest(IDLE_SECONDS)
        watch.report("idle")
        takes = 0
        for emotion in TARGETS:
            stage.window.steering.reset_button.click()
            stage.rest(HAND_SECONDS)
            choose_target(stage.window, emotion)
            stage.rest(HAND_SECONDS)
            drag_slider(stage.window, emotion, 0.8)
            takes += 2
            stage.wait_for_takes(takes)
        watch.report("rendering")
        stage.studio.playback.play()
        stage.rest(IDLE_SECONDS)
        watch.report("playing" if stage.studio.playback.playing else "no sound")
        stage.close()


if __name__ == "__main__":
    main()
