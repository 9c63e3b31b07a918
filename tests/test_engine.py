"""The job queue, with real threads: events decide the order, nothing sleeps."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from studio.engine import Engine, JobContext, JobState
from studio.errors import Cancelled, StudioError

WAIT = 10.0


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        yield engine


class Held:
    """Work that says when it began and goes on when told to, or when cancelled if it listens."""

    def __init__(self, result: Any = None, *, listens: bool = True) -> None:
        self.began = threading.Event()
        self.go = threading.Event()
        self.result = result
        self.listens = listens

    def __call__(self, context: JobContext) -> Any:
        self.began.set()
        while not self.go.wait(0.001):
            if self.listens and context.cancelled():
                raise Cancelled
        return self.result

    def wait_begun(self) -> None:
        assert self.began.wait(WAIT)


class Ends:
    """Collects how jobs ended, in order."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any]] = []

    def of(self, name: str) -> dict[str, Any]:
        return {
            "on_done": lambda value: self.seen.append((name, value)),
            "on_error": lambda error: self.seen.append((name, type(error))),
        }


def test_runs_in_order_in_one_worker_thread(engine: Engine) -> None:
    names: list[str] = []
    results: list[int] = []

    def work(number: int) -> Any:
        def run(context: JobContext) -> int:
            names.append(threading.current_thread().name)
            return number

        return run

    jobs = [engine.submit(f"slot {n}", work(n), on_done=results.append) for n in range(20)]
    assert all(job.wait(WAIT) for job in jobs)
    assert results == list(range(20))
    assert set(names) == {"engine"}
    assert all(job.state is JobState.DONE for job in jobs)


def test_callbacks_come_in_the_worker_thread(engine: Engine) -> None:
    threads: list[threading.Thread] = []

    def note(_: Any) -> None:
        threads.append(threading.current_thread())

    def work(context: JobContext) -> None:
        context.progress(0.5)
        context.event("chunk")

    def fail(context: JobContext) -> None:
        raise StudioError("no")

    engine.submit("a", work, note, note, note, note)
    assert engine.submit("b", fail, note, note).wait(WAIT)
    assert len(threads) == 4
    assert {thread.name for thread in threads} == {"engine"}


def test_progress_and_events_arrive_in_order(engine: Engine) -> None:
    seen: list[Any] = []

    def work(context: JobContext) -> str:
        for step in range(3):
            context.progress(step / 2)
            context.event(("chunk", step))
        return "end"

    assert engine.submit("a", work, seen.append, None, seen.append, seen.append).wait(WAIT)
    assert seen == [0.0, ("chunk", 0), 0.5, ("chunk", 1), 1.0, ("chunk", 2), "end"]


def test_newer_job_replaces_a_queued_one_and_takes_its_turn(engine: Engine) -> None:
    ends, first = Ends(), Held("first")
    engine.submit("other", first, **ends.of("other"))
    first.wait_begun()
    old = engine.submit("a", lambda _: "old", **ends.of("old"))
    b = engine.submit("b", lambda _: "b", **ends.of("b"))
    new = engine.submit("a", lambda _: "new", **ends.of("new"))
    assert engine.pending() == 3
    first.go.set()
    assert all(job.wait(WAIT) for job in (old, new, b))
    assert ends.seen == [("other", "first"), ("old", Cancelled), ("new", "new"), ("b", "b")]
    assert old.state is JobState.CANCELLED


def test_newer_job_cancels_the_running_one_of_its_slot(engine: Engine) -> None:
    ends, running = Ends(), Held()
    first = engine.submit("a", running, **ends.of("first"))
    running.wait_begun()
    second = engine.submit("a", lambda _: 2, **ends.of("second"))
    assert first.wait(WAIT)
    assert second.wait(WAIT)
    assert ends.seen == [("first", Cancelled), ("second", 2)]


def test_other_slots_are_left_alone(engine: Engine) -> None:
    ends, running = Ends(), Held("kept")
    kept = engine.submit("a", running, **ends.of("a"))
    running.wait_begun()
    waiting = engine.submit("b", lambda _: "b", **ends.of("b"))
    for n in range(50):
        last = engine.submit("c", lambda _, n=n: n, **ends.of("c"))  # type: ignore[misc]
    assert not kept.cancelled()
    running.go.set()
    assert kept.wait(WAIT)
    assert waiting.wait(WAIT)
    assert last.wait(WAIT)
    assert ends.seen.count(("c", Cancelled)) == 49
    assert [end for end in ends.seen if end[1] is not Cancelled] == [("a", "kept"), ("b", "b"), ("c", 49)]


def test_result_of_cancelled_work_that_did_not_listen_is_thrown_away(engine: Engine) -> None:
    ends, deaf = Ends(), Held("too late", listens=False)
    late: list[float] = []

    def work(context: JobContext) -> Any:
        result = deaf(context)
        context.progress(1.0)
        context.event("late")
        return result

    job = engine.submit("a", work, on_progress=late.append, on_event=late.append, **ends.of("a"))
    deaf.wait_begun()
    job.cancel()
    deaf.go.set()
    assert job.wait(WAIT)
    assert ends.seen == [("a", Cancelled)]
    assert late == []


def test_cancel_by_slot(engine: Engine) -> None:
    ends, running = Ends(), Held()
    first = engine.submit("a", running, **ends.of("a"))
    running.wait_begun()
    second = engine.submit("b", lambda _: "b", **ends.of("b"))
    third = engine.submit("c", lambda _: "c", **ends.of("c"))
    engine.cancel("b")
    engine.cancel("nothing here")
    engine.cancel("a")
    assert all(job.wait(WAIT) for job in (first, second, third))
    assert ends.seen == [("a", Cancelled), ("b", Cancelled), ("c", "c")]


@pytest.mark.parametrize("error", [StudioError("no such file"), ValueError("bug"), MemoryError(), SystemExit(3)])
def test_errors_are_delivered_and_the_worker_lives_on(engine: Engine, error: BaseException) -> None:
    caught: list[BaseException] = []

    def work(context: JobContext) -> None:
        raise error

    failed = engine.submit("a", work, on_error=caught.append)
    after = engine.submit("b", lambda _: None)
    assert failed.wait(WAIT)
    assert after.wait(WAIT)
    assert caught == [error]
    assert failed.state is JobState.FAILED
    assert after.state is JobState.DONE


def test_failing_callback_is_logged_and_the_worker_lives_on(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    def broken(value: object) -> None:
        raise KeyError(value)

    with caplog.at_level(logging.ERROR):
        assert engine.submit("a", lambda _: 1, on_done=broken).wait(WAIT)
        assert engine.submit("b", lambda _: 2).wait(WAIT)
    assert "slot 'a'" in caplog.text


def test_callback_may_submit_the_next_job(engine: Engine) -> None:
    done = threading.Event()

    def chain(value: int) -> None:
        if value == 3:
            done.set()
        else:
            engine.submit("a", lambda _: value + 1, on_done=chain)

    engine.submit("a", lambda _: 0, on_done=chain)
    assert done.wait(WAIT)


def test_shutdown_cancels_joins_and_owes_nothing() -> None:
    engine, ends, running = Engine(), Ends(), Held()
    engine.submit("a", running, **ends.of("a"))
    running.wait_begun()
    engine.submit("b", lambda _: "b", **ends.of("b"))
    engine.submit("b", lambda _: "b2", **ends.of("b2"))
    engine.shutdown()
    assert sorted(ends.seen) == [("a", Cancelled), ("b", Cancelled), ("b2", Cancelled)]
    assert not any(thread.name == "engine" for thread in threading.enumerate())
    engine.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        engine.submit("c", lambda _: None)


def test_shutdown_from_several_threads_and_from_a_callback() -> None:
    engine = Engine()
    stopped = engine.submit("a", lambda _: None, on_done=lambda _: engine.shutdown())
    threads = [threading.Thread(target=engine.shutdown) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert stopped.wait(WAIT)
    assert not any(thread.is_alive() for thread in threads)
