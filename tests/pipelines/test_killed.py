from __future__ import annotations

import json
import random
import subprocess
import sys
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

    def run(self, *paths: Path, batches: int = 0, seconds: float = 0.0) -> str:
        """One job; killed that many batches in, and a pause later, if said so. How it ended."""
        self._to.write(json.dumps([*map(str, paths), batches, seconds]) + "\n")
        self._to.flush()
        return self._from.readline().strip()


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
    assert workers.run(corpus, whole, tmp_path / "whole.mask") == "ended 0"
    draw, kept = random.Random(5), 0
    for _ in range(10):
        # Somewhere inside a batch: while it is generated, or while its shards and lines are written.
        batches, seconds = draw.choice((1, 2)), draw.uniform(0.001, 0.06)
        assert workers.run(corpus, work, mask, batches=batches, seconds=seconds) == "killed"
        assert not mask.exists()
        assert kept < len(read_attempts(work)) < len(read_attempts(whole))
        kept = len(read_attempts(work))
    assert workers.run(corpus, work, mask) == "ended 0"
    assert mask.read_bytes() == (tmp_path / "whole.mask").read_bytes()
    assert (work / "conversions.jsonl").read_bytes() == (whole / "conversions.jsonl").read_bytes()
