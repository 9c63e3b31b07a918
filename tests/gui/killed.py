"""A window that is killed amid work, in a process of its own: ``python -m tests.gui.killed FOLDER``.

Two takes of the stand-in are made, the first is rated, and before a third is written the process is killed.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tests.gui.driving import choose_target, drag_slider
from tests.gui.stage import Stage
from tests.gui.standin import StandIn, loader


def main() -> None:
    folder = Path(sys.argv[1])
    model = StandIn()
    stage = Stage(folder, loader(model, folder))
    choose_target(stage.window, "angry")
    stage.wait_for_takes(1)
    stage.studio.state.mark_take(stage.studio.state.takes[0], stars=3)
    drag_slider(stage.window, "angry", 0.5)
    stage.wait_for_takes(2)
    stage.wait(lambda: not stage.studio.chores.busy, "the takes to be written")
    model.go.clear()
    drag_slider(stage.window, "angry", 1.0)
    stage.wait(lambda: stage.studio.renders.active, "a render under way")
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
