"""How long the embedded model takes: loading, a demo line from start to last sample, and its first sound.

Run by hand: ``python -m tests.benchmarks.bench_render``.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from studio.audio.clip import FloatArray
from studio.audio.files import load_clip
from studio.esn.intervention import Mode, Steering
from studio.esn.selectors import Selector, select
from studio.esn.statistics import EmotionStatistics
from studio.lalm import embedded
from studio.lalm.base import Content, ConversionRequest
from studio.paths import resources_dir

ROUNDS = 7
SECONDS = 2.5


def main() -> None:
    """Print medians and ranges; every figure comes from this one run."""
    torch.set_num_threads(1)
    print(f"load: {_spread([_time(lambda: embedded.load().close()) for _ in range(3)])}")
    model = embedded.load()
    lines = sorted((resources_dir() / "demo").glob("*/Neutral/*.ogg"))
    clip = min((load_clip(path) for path in lines), key=lambda each: abs(each.seconds - SECONDS))
    widths = model.info.gates["language"]
    counts = model.convert([ConversionRequest(clip, "angry")], record=True)[0].statistics
    assert counts is not None
    mask = select(EmotionStatistics(widths, {"angry": counts}, {}), Selector.RANDOM, 0.05)
    steering = Steering(mask, Mode.GAIN, {"angry": 0.5})
    plain = ConversionRequest(clip, "angry")
    cases = {
        "free": plain,
        "free, steered": ConversionRequest(clip, "angry", steering),
        "content lock": ConversionRequest(clip, "angry", content=Content.LOCK),
    }
    reference = 0.0
    for name, request in cases.items():
        whole, first = [], []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            heard = _Heard()
            model.convert([request], on_audio=heard)
            whole.append(time.perf_counter() - started)
            first.append(heard.times[0] - started)
        reference = reference or statistics.median(whole)
        print(
            f"{name}, {clip.seconds:.2f} s line: whole {_spread(whole)}, first sound {_spread(first)}, "
            f"{statistics.median(whole) / reference:.2f} x free"
        )
    model.close()


class _Heard:
    """Notes when samples arrive."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, row: int, samples: FloatArray) -> None:
        self.times.append(time.perf_counter())


def _time(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _spread(values: list[float]) -> str:
    return f"{1000 * statistics.median(values):.0f} ms ({1000 * min(values):.0f} to {1000 * max(values):.0f})"


if __name__ == "__main__":
    main()
