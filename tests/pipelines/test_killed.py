from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studio.pipelines.records import read_attempts

ROOT = Path(__file__).parents[2]


class Workers:
    """Starts jobs in processes that can be killed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._to, self._from = process.stdin, process.stdout

    def run(self, *paths: Path, kill_after: int | None = None, pause: float = 0.0) -> bool:
        """One job; killed that many batches in, and a pause later, if said so. Whether it was killed."""
        self._to.write(json.dumps([str(path) for path in paths]) + "\n")
        self._to.flush()
        child, batches = int(self._from.readline()), 0
        while (word := self._from.readline().strip()) != "ended":
            assert word.isdecimal()
            batches += 1
            if batches == kill_after:
                time.sleep(pause)
                os.kill(child, signal.SIGKILL)
        return kill_after is not None and batches >= kill_after


@pytest.fixture
def workers():
    command = [sys.executable, "-m", "tests.pipelines.killed"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Workers(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait() == 0


def test_killed_at_ten_random_moments_it_ends_with_the_same_bytes(workers, tmp_path):
    corpus, whole, work, mask = (tmp_path / name for name in ("corpus", "whole", "job", "job.mask"))
    workers.run(corpus, whole, tmp_path / "whole.mask")
    draw, kept = random.Random(5), 0
    for _ in range(10):
        # Somewhere inside a batch: while it is generated, or while its shards and lines are written.
        assert workers.run(corpus, work, mask, kill_after=draw.choice((1, 2)), pause=draw.uniform(0.0, 0.06))
        assert not mask.exists()
        assert kept < len(read_attempts(work)) < len(read_attempts(whole))
        kept = len(read_attempts(work))
    assert not workers.run(corpus, work, mask)
    assert mask.read_bytes() == (tmp_path / "whole.mask").read_bytes()
    assert (work / "conversions.jsonl").read_bytes() == (whole / "conversions.jsonl").read_bytes()
