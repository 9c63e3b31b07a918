"""A process that answers questions one by one, for work that holds the interpreter; it never outlives this one."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from threading import Lock
from typing import Any

from studio.errors import Cancelled
from studio.progress import never

_LOOK_SECONDS = 0.1


class HelperProcess:
    """Runs ``answer``, a function of a module, in a process from the first question on until ``close``.

    ``niceness``: by how much it gives way to others. It waits on a pipe whose other end only this process holds, so it
    ends with this process, however that ends.
    """

    def __init__(self, answer: Callable[..., Any], niceness: int = 0) -> None:
        self._answer = answer
        self._niceness = niceness
        self._lock = Lock()
        self._process: BaseProcess | None = None
        self._ours: Connection | None = None

    @property
    def pid(self) -> int | None:
        """The process's id; None while there is none."""
        return None if self._process is None else self._process.pid

    def ask(self, *question: object, cancelled: Callable[[], bool] = never) -> Any:
        """What ``answer(*question)`` returns there; may be called from any thread.

        Raises Cancelled when asked to stop, and EOFError or OSError when the process died; the next question starts
        another one.
        """
        with self._lock:
            ours = self._ours if self._ours is not None else self._start()
            try:
                ours.send(question)
                while not ours.poll(_LOOK_SECONDS):
                    if cancelled():
                        raise Cancelled
                return ours.recv()
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """End the process."""
        if self._process is not None and self._ours is not None:
            self._process.terminate()
            self._process.join()
            self._process.close()
            self._ours.close()
        self._process = self._ours = None

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._answer, self._niceness, theirs), daemon=True)
        self._process.start()
        theirs.close()
        return self._ours


def _serve(answer: Callable[..., Any], niceness: int, theirs: Connection) -> None:
    """Runs in the process."""
    os.environ["OMP_NUM_THREADS"] = "1"
    if hasattr(os, "nice"):
        os.nice(niceness)
    while True:
        try:
            question = theirs.recv()
        except (EOFError, OSError):  # the window ended, perhaps in the middle of a sentence
            return
        theirs.send(answer(*question))
