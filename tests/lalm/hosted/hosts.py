"""Hosted adapters that go wrong on purpose, and models that do not; who serves one of those imports it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.gui.standin import StandIn


class _Greedy(StandIn):
    def convert(self, *args, **kwargs):
        raise MemoryError("on purpose")


def talkative():
    from studio.lalm import embedded

    os.write(1, b"this must not reach the pipe\n")
    return embedded.load()


def guest():
    from studio.lalm import minicpm_o
    from tests.lalm.guests import MiniCpmO

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
    return StandIn()
