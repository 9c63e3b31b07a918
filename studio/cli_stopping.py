"""Stopping long work from outside: gently, or at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Self

from studio.cli_output import say

_GENTLY = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """While used as a context manager, Ctrl-C and SIGTERM only set a flag, and say so; a second one interrupts.

    Outside of the main thread, which alone gets signals, it does nothing.
    """

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence
        self._asked = False
        self._before: dict[signal.Signals, object] = {}

    def asked(self) -> bool:
        """Whether to stop at the next good moment."""
        return self._asked

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for each in _GENTLY:
                self._before[each] = signal.signal(each, self._heard)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)  # type: ignore[arg-type]

    def _heard(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        say(self._sentence)
