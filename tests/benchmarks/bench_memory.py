"""Whether memory stays flat over 300 renders of the model that ships, judged and drawn; run by hand:

    python -m tests.benchmarks.bench_memory [RENDERS]

Takes are kept by design, with sound and drawings: each round deletes its takes and clears the history, and what is left
is what leaked. Prints the process's resident memory after each round of 25, how many clips are still held, and the
growth from the second round on. What is rendered is half a second long, as a leak of a take is one at any length.
"""

from __future__ import annotations

import gc
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

from studio.audio.clip import Clip
from tests.gui.stage import Stage

ROUND = 25
REGION = (0.3, 0.8)


def resident() -> float:
    """Megabytes in memory now (Linux)."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def clips() -> int:
    """How many clips are held, by whatever."""
    return sum(isinstance(each, Clip) for each in gc.get_objects())


def rendered(stage: Stage, least: int) -> bool:
    """Whether there are so many takes and nothing is under way."""
    return len(stage.studio.state.takes) >= least and not stage.studio.renders.active


def main() -> None:
    """Print the lines."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder))
        studio, state = stage.studio, stage.studio.state
        state.set_options(auto_play=False, auto_render=False)
        # Naturalness and voices are measured in a process of their own, slower than takes are made here.
        studio.measuring.use(None)
        studio.sources.trim(REGION)
        stage.wait(lambda: state.source is not None and state.source.region is not None, "the region")
        state.set_steer(replace(state.steer, target="angry", content="lock"))
        after = []
        for done in range(ROUND, wanted + 1, ROUND):
            for number in range(ROUND):
                strength = 0.01 + 0.9 * number / ROUND
                state.set_steer(replace(state.steer, strengths={"angry": round(strength, 3)}))
                studio.renders.render()
                # The round's first render brings the baseline too.
                stage.wait(partial(rendered, stage, number + 1), "a take")
            state.remove_takes(list(state.takes))
            studio.history.clear()
            stage.wait(lambda: not any(worker.busy for worker in studio.workers), "the workers to rest")
            gc.collect()
            after.append(resident())
            print(f"{done:4} renders: {after[-1]:7.1f} MB, {clips()} clips held", flush=True)
        if len(after) > 2:
            growth = after[-1] - after[1]
            print(f"growth from render {2 * ROUND} to {wanted}: {growth:+.1f} MB ({growth / after[1]:+.1%})")
        stage.close()


if __name__ == "__main__":
    main()
