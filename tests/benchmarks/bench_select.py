"""Time of the command ``select`` at the reference model's size, from its start to its end; run by hand:

    python -m tests.benchmarks.bench_select

Prints seconds, best of three: from a statistics file of 28 layers of 18,944 neurons and five emotions with each
selector, and from the folder of a job with 50 successes for each of these, at its own cap and at 20.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from studio.emotions import EMOTIONS
from studio.esn.selectors import Selector
from studio.esn.statistics import EmotionStatistics
from studio.pipelines.drawing import STATISTICS
from studio.pipelines.evidence import load_job_statistics
from studio.pipelines.job import JobFolder
from studio.pipelines.records import Attempt
from tests.benchmarks.bench_selectors import statistics

REPEATS = 3
SUCCESSES = 50


def fill(folder: Path, stats: EmotionStatistics) -> None:
    """A job whose successes all counted the same."""
    settings = {"model_id": "reference", "module": "language", "seed": 0}
    with JobFolder(folder, settings, [], date="2026-01-01", cap=SUCCESSES) as job:
        for emotion in EMOTIONS:
            first = job.save_shard("first", emotion, stats.by_emotion[emotion])
            for number in range(SUCCESSES):
                key, shard = f"s/{number:06d}", f"shards/{emotion}-{number}"
                os.link(folder / first, folder / shard)
                job.append(
                    [Attempt(f"{emotion}-{number:05d}", 1, key, "", emotion, "", 0.0, {}, True, "", shard=shard)]
                )
    load_job_statistics(folder).save(folder / STATISTICS)


def took(*line: object) -> str:
    """Seconds of one command line, the best; and of processor time, which other work on the machine matters less to."""
    times = []
    for _ in range(REPEATS):
        began, used = time.perf_counter(), _processor()
        subprocess.run([sys.executable, "-m", "studio", *map(str, line)], check=True, stdout=subprocess.DEVNULL)
        times.append((time.perf_counter() - began, _processor() - used))
    wall, processor = (min(each) for each in zip(*times, strict=True))
    return f"{wall:6.2f} s ({processor:.2f} s of processor time)"


def _processor() -> float:
    used = os.times()
    return used.children_user + used.children_system


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stats, out = folder / "reference.stats.safetensors", folder / "mask"
        statistics().save(stats)
        for selector in Selector:
            seconds = took("select", stats, "--selector", selector, "--rate", 0.003, "--compare-set", *EMOTIONS,
                           "--out", out)  # fmt: skip
            print(f"statistics file, {selector:<7}{seconds}", flush=True)
        fill(folder / "job", statistics())
        for more in ((), ("--cap", 20)):
            seconds = took("select", folder / "job", "--selector", "mad", "--rate", 0.003, *more, "--out", out)
            print(f"job folder, mad, {' '.join(map(str, more)) or 'its own cap'}: {seconds}", flush=True)


if __name__ == "__main__":
    main()
