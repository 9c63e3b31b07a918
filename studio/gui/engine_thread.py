"""The engine seen from the window: work runs in its thread, every callback arrives on the window's."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, Signal

from studio.engine import Engine, JobContext
from studio.errors import Cancelled, StudioError
from studio.gui.widgets.notices import Notice

T = TypeVar("T")
Failed = Callable[[BaseException], None]


class EngineThread(QObject):
    """One engine; ``notice`` carries failures nobody else wanted, ``busy_changed`` whether anything is under way."""

    notice = Signal(object)
    busy_changed = Signal(bool)
    _arrived = Signal(object)

    def __init__(self, name: str) -> None:
        super().__init__()
        self._engine = Engine(name)
        self._open = True
        self._pending = 0
        self._arrived.connect(self._call, Qt.ConnectionType.QueuedConnection)

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits, or its end has not arrived yet."""
        return self._pending > 0

    def submit(
        self,
        slot: str,
        work: Callable[[JobContext], T],
        done: Callable[[T], None],
        *,
        failed: Failed | None = None,
        progress: Callable[[float], None] | None = None,
        event: Callable[[Any], None] | None = None,
    ) -> None:
        """Queue ``work``; the callbacks run on the window's thread. ``failed`` hears of Cancelled too.

        Without ``failed``, cancelled jobs end silently and errors become notices.
        """
        if not self._open:
            return
        self._pending += 1
        if self._pending == 1:
            self.busy_changed.emit(True)
        self._engine.submit(
            slot,
            work,
            partial(self._send, self._end, done),
            partial(self._send, self._end, failed or self.tell),
            None if progress is None else partial(self._send, progress),
            None if event is None else partial(self._send, event),
        )

    def cancel(self, slot: str) -> None:
        """Cancel what runs or waits in a slot."""
        self._engine.cancel(slot)

    def tell(self, error: BaseException) -> None:
        """Turn an error into a notice; a cancelled job is none."""
        if not isinstance(error, Cancelled):
            self.notice.emit(notice_of(error))

    def shutdown(self) -> None:
        """Cancel everything and wait for the worker to end; nothing arrives afterwards."""
        self._open = False
        self._engine.shutdown()

    def _send(self, callback: Callable[..., None], *values: Any) -> None:
        self._arrived.emit(partial(callback, *values))

    def _call(self, callback: Callable[[], None]) -> None:
        # What was under way to a window that has closed meanwhile has nowhere to go.
        if self._open:
            callback()

    def _end(self, callback: Callable[[Any], None], value: Any) -> None:
        self._pending -= 1
        try:
            callback(value)
        finally:
            if self._pending == 0:
                self.busy_changed.emit(False)


def notice_of(error: BaseException) -> Notice:
    """An error as a sentence; what was not foreseen keeps its traceback as details."""
    if isinstance(error, StudioError):
        cause = error.__cause__
        return Notice(str(error), "" if cause is None else "".join(traceback.format_exception(cause)))
    if isinstance(error, MemoryError):
        return Notice("There is not enough memory for this; close other programs or use a shorter recording.")
    summary = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Notice(f"Something went wrong that should not have ({summary}).", "".join(traceback.format_exception(error)))
