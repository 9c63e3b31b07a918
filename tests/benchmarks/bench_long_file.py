"""How long a 60-minute recording takes to open, and how many frames a second the lanes reach while panning over it:

    python -m tests.benchmarks.bench_long_file

Goals: open in under 1 s, 60 frames a second (16.7 ms each). A frame is drawn in full, as grabbing the lanes does.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from tests.gui.scenes import Stage
from tests.gui.standin import StandIn, loader

RATE = 16_000
MINUTES = 60
FRAMES = 120


def main() -> None:
    """Print the lines."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generator = np.random.default_rng(1)
        path = folder / "hour.wav"
        with soundfile.SoundFile(path, "w", RATE, 1) as file:
            for minute in range(MINUTES):
                file.write(0.1 * (1 + minute % 5) * generator.standard_normal(60 * RATE).clip(-1, 1))
        stage = Stage(folder, loader(StandIn(), folder / "masks"))
        state, axis = stage.studio.state, stage.studio.axis
        stage.window.resize(1920, 1080)
        began = time.perf_counter()
        stage.studio.sources.open_file(path)
        stage.wait(lambda: state.source is not None and state.source.name == path.name, "the recording")
        stage.window.lanes.grab()
        print(f"{MINUTES} min at {RATE} Hz: shown after {time.perf_counter() - began:.2f} s")
        for seconds in (3600.0, 60.0, 2.0):
            frames = []
            for frame in range(FRAMES):
                start = (axis.length - seconds) * frame / FRAMES
                before = time.perf_counter()
                axis.show(start, start + seconds)
                stage.window.lanes.grab()
                frames.append((time.perf_counter() - before) * 1e3)
            median, slow = statistics.median(frames), statistics.quantiles(frames, n=20)[18]
            print(f"panning {seconds:6.0f} s: median {median:5.1f} ms, 95th percentile {slow:5.1f} ms a frame")
        stage.close()


if __name__ == "__main__":
    main()
