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

from studio.audio.files import load_clip
from studio.gui.analysis import draw
from tests.gui.stage import Stage
from tests.gui.standin import StandIn, loader

RATE = 16_000
MINUTES = 60
FRAMES = 120


def spread(milliseconds: list[float]) -> str:
    """Median and 95th percentile."""
    slow = statistics.quantiles(milliseconds, n=20)[18]
    return f"median {statistics.median(milliseconds):5.1f} ms, 95th percentile {slow:5.1f} ms"


def direct(path: Path) -> float:
    """Processor time of reading and drawing the recording, in seconds; waiting for busy cores is not in it."""
    began = time.thread_time()
    draw(load_clip(path))
    return time.thread_time() - began


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
        stage.wait(lambda: not any(worker.busy for worker in stage.studio.workers), "the start to be over")
        began = time.perf_counter()
        stage.studio.sources.open_file(path)
        stage.wait(lambda: state.arriving is not None or not stage.studio.sources.opening, "its beginning")
        stage.window.lanes.grab()
        seen = time.perf_counter() - began
        stage.wait(lambda: state.source is not None and state.source.name == path.name, "the recording")
        stage.window.lanes.grab()
        whole = time.perf_counter() - began
        print(f"{MINUTES} min at {RATE} Hz: its beginning shown after {seen:.2f} s, all of it after {whole:.2f} s")
        print(f"the same work at once, without a window: {direct(path):.2f} s of processor time")
        for seconds in (3600.0, 60.0, 2.0):
            frames, own = [], []
            for frame in range(FRAMES):
                start = (axis.length - seconds) * frame / FRAMES
                before, worked = time.perf_counter(), time.thread_time()
                axis.show(start, start + seconds)
                stage.window.lanes.grab()
                frames.append((time.perf_counter() - before) * 1e3)
                own.append((time.thread_time() - worked) * 1e3)
            print(f"panning {seconds:6.0f} s: {spread(frames)} a frame; own work {spread(own)}")
        stage.close()


if __name__ == "__main__":
    main()
