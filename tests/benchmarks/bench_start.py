"""Time from starting the program to a window that is painted and takes input; run by hand:

    python -m tests.benchmarks.bench_start

Prints seconds, best and median of five, with the model still to load (it loads while the window is in use). Uses the
screen there is, or none.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

REPEATS = 5
CHILD = """
import sys
from PySide6.QtWidgets import QApplication
from studio.gui.studio import Studio

# The window starts its work once it is shown and painted; that moment is what is measured.
def started(self):
    print("shown", flush=True)
    QApplication.quit()

Studio.start = started
from studio.cli import main
sys.exit(main([]))
"""


def main() -> None:
    """Print the line."""
    env = os.environ.copy()
    if sys.platform.startswith("linux") and not (env.get("DISPLAY") or env.get("WAYLAND_DISPLAY")):
        env["QT_QPA_PLATFORM"] = "offscreen"
    took = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        with subprocess.Popen([sys.executable, "-c", CHILD], env=env, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            line = child.stdout.readline()
            took.append(time.perf_counter() - began)
        if line != "shown\n" or child.returncode != 0:
            sys.exit("the window did not open")
    print(f"start to painted window: best {min(took):.2f} s, median {statistics.median(took):.2f} s")


if __name__ == "__main__":
    main()
