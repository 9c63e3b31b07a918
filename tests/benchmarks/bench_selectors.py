"""Time of selecting neurons on statistics of the reference model's size; run by hand:

    python -m tests.benchmarks.bench_selectors

Prints milliseconds per selector, best of five, for 28 layers of 18,944 neurons and five emotions.
"""

from __future__ import annotations

import sys
import time

import torch

from studio.emotions import EMOTIONS
from studio.esn.selectors import Selector, select
from studio.esn.statistics import EmotionStatistics, GateStatistics

WIDTHS = (18_944,) * 28
REPEATS = 5


def statistics() -> EmotionStatistics:
    """Counts as a real run has them: most neurons alike over emotions, T different for each."""
    random = torch.Generator().manual_seed(0)
    neurons = sum(WIDTHS)
    base = torch.rand(neurons, generator=random, dtype=torch.float64) ** 3
    by_emotion = {}
    for place, emotion in enumerate(EMOTIONS):
        tokens = 12_000 + 517 * place
        shifted = (base + 0.03 * torch.randn(neurons, generator=random, dtype=torch.float64)).clamp(0, 1)
        active = (shifted * tokens).to(torch.int64)
        by_emotion[emotion] = GateStatistics(WIDTHS, active, shifted, shifted, tokens)
    return EmotionStatistics(WIDTHS, by_emotion)


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    stats = statistics()
    for compare in (None, EMOTIONS):
        sys.stdout.write(f"{len(WIDTHS)} x {WIDTHS[0]}, comparing {4 if compare is None else 5} emotions\n")
        for selector in Selector:
            times = []
            for _ in range(REPEATS):
                start = time.perf_counter()
                select(stats, selector, 0.005, compare=compare)
                times.append(time.perf_counter() - start)
            sys.stdout.write(f"  {selector:<8}{1000 * min(times):7.1f} ms\n")


if __name__ == "__main__":
    main()
