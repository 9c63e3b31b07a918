"""Signals that wait until a C library is done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def held() -> Iterator[None]:
    """Ctrl-C and SIGTERM inside of the block are heard at its end.

    For calls into C libraries that call back, as libsndfile does to read and write: what a callback raises is dropped
    there, KeyboardInterrupt included, and what the library makes then is damaged. Signals are the main thread's;
    elsewhere nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []

    def keep(number: int, frame: FrameType | None) -> None:
        waiting.append(number)

    # None: a handler that is no Python, which could not be put back.
    known = [each for each in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(each) is not None]
    before = {each: signal.signal(each, keep) for each in known}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        for number in waiting[:1]:
            signal.raise_signal(number)
