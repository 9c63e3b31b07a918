"""Hosted adapters that go wrong on purpose, and the embedded model as one that does not."""

from __future__ import annotations

import os
import time
from pathlib import Path

from studio.lalm import embedded, minicpm_o
from tests.lalm.guests import MiniCpmO


class _Greedy:
    def __init__(self):
        self._model = embedded.load()
        self.info = self._model.info

    def convert(self, *args, **kwargs):
        raise MemoryError("on purpose")

    def close(self):
        self._model.close()


def talkative():
    os.write(1, b"this must not reach the pipe\n")
    return embedded.load()


def guest():
    return minicpm_o.wrap(MiniCpmO(), "r1")


def greedy():
    return _Greedy()


class _Deaf(_Greedy):
    def convert(self, *args, **kwargs):
        time.sleep(600)


def deaf():
    return _Deaf()


class _Slow(_Greedy):
    def __init__(self):
        super().__init__()
        time.sleep(600)


def slow_the_second_time():
    """Loads once; the mark it leaves in the folder ESN_TEST_MARK makes the next one wait."""
    mark = Path(os.environ["ESN_TEST_MARK"])
    if mark.exists():
        return _Slow()
    mark.touch()
    return embedded.load()
