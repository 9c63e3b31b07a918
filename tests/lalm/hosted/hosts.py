"""Hosted adapters that go wrong on purpose, and the embedded model as one that does not."""

from __future__ import annotations

import os

from studio.lalm import embedded


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


def greedy():
    return _Greedy()
