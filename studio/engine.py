"""The job queue between callers and a model: one worker thread, newest wins within a slot, cancel, progress. No Qt."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from enum import StrEnum
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from studio.errors import Cancelled

T = TypeVar("T")

_log = logging.getLogger(__name__)


class JobState(StrEnum):
    """Where a job is in its life; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobContext(Protocol):
    """What running work may tell its caller and ask of it."""

    def progress(self, share: float) -> None:
        """Report the share done, 0..1."""
        ...

    def event(self, value: Any) -> None:
        """Hand over something before the end: a chunk of audio, a finished row."""
        ...

    def cancelled(self) -> bool:
        """Whether the work should stop, best by raising ``Cancelled``; whatever it returns then is thrown away."""
        ...


class Job(Generic[T]):
    """One piece of submitted work. Also its own ``JobContext``; progress and events stop once it is cancelled."""

    def __init__(
        self,
        slot: str,
        work: Callable[[JobContext], T],
        on_done: Callable[[T], None] | None,
        on_error: Callable[[BaseException], None] | None,
        on_progress: Callable[[float], None] | None,
        on_event: Callable[[Any], None] | None,
    ) -> None:
        self.slot = slot
        self.state = JobState.QUEUED
        self._work = work
        self._on_done = on_done
        self._on_error = on_error
        self._on_progress = on_progress
        self._on_event = on_event
        self._cancel = threading.Event()
        self._finished = threading.Event()

    def cancel(self) -> None:
        """Ask the job to stop: at once if it is queued, at its next look at ``cancelled()`` if it runs."""
        self._cancel.set()

    def cancelled(self) -> bool:
        """Whether it was asked to stop."""
        return self._cancel.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the job ended and its last callback returned; False when ``timeout`` seconds passed first."""
        return self._finished.wait(timeout)

    def progress(self, share: float) -> None:
        """Report the share done to the caller."""
        if self._on_progress is not None and not self.cancelled():
            self._on_progress(share)

    def event(self, value: Any) -> None:
        """Hand ``value`` to the caller."""
        if self._on_event is not None and not self.cancelled():
            self._on_event(value)

    def run(self) -> None:
        """Do the work and deliver its end; only the engine's worker calls this."""
        try:
            if self.cancelled():
                raise Cancelled
            self.state = JobState.RUNNING
            result = self._work(self)
            if self.cancelled():
                raise Cancelled
        except Cancelled as stop:
            self.state = JobState.CANCELLED
            self._deliver(self._on_error, stop)
        except BaseException as error:
            # Everything, SystemExit too: whatever one job does, the worker must live on for the next.
            self.state = JobState.FAILED
            self._deliver(self._on_error, error)
        else:
            self.state = JobState.DONE
            self._deliver(self._on_done, result)
        finally:
            self._finished.set()

    def _deliver(self, callback: Callable[[Any], None] | None, value: Any) -> None:
        if callback is None:
            return
        try:
            callback(value)
        except Exception:
            _log.exception("a callback of the job in slot %r failed", self.slot)


class Engine:
    """Runs submitted jobs one after another in a single worker thread; every callback is called in that thread.

    A job replaces a queued one of its slot (taking over its turn) and cancels a running one of its slot. Jobs of
    other slots are never dropped. Each job ends in exactly one call: ``on_done`` with the result, or ``on_error`` with
    what was raised, which is ``Cancelled`` when the job was cancelled or replaced.
    """

    def __init__(self, name: str = "engine") -> None:
        self._queue: list[Job[Any]] = []
        self._replaced: list[Job[Any]] = []
        self._running: Job[Any] | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(
        self,
        slot: str,
        work: Callable[[JobContext], T],
        on_done: Callable[[T], None] | None = None,
        on_error: Callable[[BaseException], None] | None = None,
        on_progress: Callable[[float], None] | None = None,
        on_event: Callable[[Any], None] | None = None,
    ) -> Job[T]:
        """Queue ``work`` under ``slot`` and return at once. Raises RuntimeError after ``shutdown``."""
        job = Job(slot, work, on_done, on_error, on_progress, on_event)
        with self._changed:
            if self._closed:
                raise RuntimeError("the engine was shut down; it takes no more jobs")
            if self._running is not None and self._running.slot == slot:
                self._running.cancel()
            for place, queued in enumerate(self._queue):
                if queued.slot == slot:
                    queued.cancel()
                    self._replaced.append(queued)
                    self._queue[place] = job
                    break
            else:
                self._queue.append(job)
            self._changed.notify()
        return job

    def cancel(self, slot: str) -> None:
        """Cancel whatever runs or waits under ``slot``; nothing to do when nothing does."""
        with self._changed:
            for job in [*self._queue, self._running]:
                if job is not None and job.slot == slot:
                    job.cancel()

    def pending(self) -> int:
        """How many jobs run or wait (replaced ones not counted)."""
        with self._changed:
            return len(self._queue) + (self._running is not None)

    def shutdown(self) -> None:
        """Cancel everything, deliver what is owed and join the worker; further calls only join."""
        with self._changed:
            self._closed = True
            for job in [*self._queue, self._running]:
                if job is not None:
                    job.cancel()
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            job.run()
            with self._changed:
                self._running = None
            # What it worked on does not stay in memory until the next job comes.
            del job

    def _next(self) -> Job[Any] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._replaced or self._queue or self._closed)
            waiting = self._replaced or self._queue
            if not waiting:
                return None
            self._running = waiting.pop(0)
            return self._running
