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


class Interrupts:
    """While used as a context manager, Ctrl-C raises at once, and ``check`` raises again where that was swallowed.

    C libraries that call back (libsndfile does, to write) drop what a callback raises, KeyboardInterrupt included.
    """

    def __init__(self) -> None:
        self._heard = False
        self._before: object = None

    def check(self) -> None:
        """Raise KeyboardInterrupt if there ever was one."""
        if self._heard:
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)  # type: ignore[arg-type]

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._heard = True
        raise KeyboardInterrupt
