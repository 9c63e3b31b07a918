"""Runs identification jobs on a toy model in processes of their own, to be killed.

Each line of standard input is JSON: corpus folder, job folder, mask. A forked child does the job and prints its process
id, then how many conversions are done after each batch; once it has ended, however it ended, ``ended`` is printed.
Forked, so that the heavy imports are made once.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch

from studio.pipelines.identify import Event, IdentifySettings, Progressed, identify
from studio.pipelines.workers import InProcess
from tests.pipelines.conftest import make_corpus, texts_of
from tests.pipelines.toy import ToyJudge, ToyModel


def say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def report(event: Event) -> None:
    if isinstance(event, Progressed):
        say(event.done)


def work(corpus: str, job: str, mask: str) -> None:
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
            say(os.getpid())
            work(*json.loads(line))
            os._exit(0)
        os.waitpid(child, 0)
        say("ended")
