"""Draws the window for the README: ``python -m tests.gui.screenshot [FILE]``, by default resources/screenshot.png.

The model and mask that ship, a demo line turned angry, and the steered take playing half-way.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from studio.paths import resources_dir
from tests.gui.driving import choose_target, drag_slider
from tests.gui.stage import Stage

SIZE = (1280, 800)


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else resources_dir() / "screenshot.png"
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder))
        stage.window.resize(*SIZE)
        choose_target(stage.window, "angry")
        stage.wait_for_takes(1)
        for count, strength in enumerate((0.5, 1.0), start=2):
            drag_slider(stage.window, "angry", strength)
            stage.wait_for_takes(count)
        studio = stage.studio
        stage.wait(lambda: {"A", "B"} <= set(studio.state.gains), "the gains")
        studio.playback.stop()
        studio.playback.listen("B")
        studio.playback.seek(0.45 * studio.axis.length)
        # A machine without sound takes the picture as well; what is shown is the usual one with it.
        studio.playback.reason = None
        studio.playback.device_changed.emit()
        stage.rest(0.5)
        assert stage.window.grab().save(str(target))
        stage.close()


if __name__ == "__main__":
    main()
