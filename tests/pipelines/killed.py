"""Runs identification jobs on a toy model in processes of their own, which are killed.

Each line of standard input is JSON: corpus folder, job folder, mask, batches and seconds. A forked child does the job;
that many batches in and that much later, or at the end of the next batch, it is killed (0 batches: never). ``killed``
or ``ended`` is printed. Forked, so that the heavy imports are made once; killed by a clock of its own, since on a busy
machine another process would come late.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import torch

from studio.pipelines.identify import Event, IdentifySettings, Progressed, identify
from studio.pipelines.workers import InProcess
from tests.pipelines.conftest import make_corpus, texts_of
from tests.pipelines.toy import ToyJudge, ToyModel


def work(corpus: str, job: str, mask: str, batches: int, seconds: float) -> None:
    done = 0

    def report(event: Event) -> None:
        nonlocal done
        if not isinstance(event, Progressed):
            return
        done += 1
        if done == batches:
            # Nobody handles the alarm, so the system ends the process at once, wherever it is.
            signal.setitimer(signal.ITIMER_REAL, seconds)
        elif done == batches + 1 and batches:
            os.kill(os.getpid(), signal.SIGKILL)

    utterances = make_corpus(Path(corpus))
    settings = IdentifySettings(rate=0.1, batch=3, seed=1)
    model = ToyModel(texts_of(utterances))
    found = identify(InProcess(model, ToyJudge()), utterances, settings, Path(job), on_event=report, date="2026-01-02")
    found.mask.save(Path(mask))


if __name__ == "__main__":
    torch.set_num_threads(1)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            work(*json.loads(line))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write("killed\n" if os.WIFSIGNALED(status) else f"ended {os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
