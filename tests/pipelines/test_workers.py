"""Batches that overlap: in their order, two at a time, given up together."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest

from studio.errors import Cancelled
from studio.lalm.base import never
from studio.pipelines.workers import overlapped


def ignore(item, share):
    pass


def test_results_come_in_order_from_two_at_a_time():
    lock, running, most = threading.Lock(), 0, 0
    both = threading.Barrier(2, timeout=5)

    def work(item, progress, cancelled):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait()  # the first of a pair waits for the second, so they do run at once
        if item % 2 == 0:
            time.sleep(0.02)
        with lock:
            running -= 1
        return item * item

    assert list(overlapped(range(6), work, ignore, never)) == [(n, n * n) for n in range(6)]
    assert most == 2


def test_the_next_is_asked_for_once_a_result_was_taken():
    asked = []

    def items():
        for number in range(5):
            asked.append(number)
            yield number

    results = overlapped(items(), lambda item, progress, cancelled: item, ignore, never)
    with closing(results):
        assert next(results) == (0, 0)
        assert asked == [0, 1]
        assert next(results) == (1, 1)
        assert asked == [0, 1, 2]


def test_progress_is_of_the_earlier_one_and_told_on_the_callers_thread():
    told = []
    seen = threading.Event()

    def work(item, progress, cancelled):
        progress(0.5)
        assert seen.wait(5)
        return item

    def progress(item, share):
        told.append((item, share, threading.current_thread()))
        if share == 0.5:
            seen.set()

    list(overlapped("ab", work, progress, never))
    assert ("a", 0.5, threading.current_thread()) in told
    assert {thread for *_, thread in told} == {threading.current_thread()}


def test_a_cancel_gives_both_up():
    ended = []

    def work(item, progress, cancelled):
        while not cancelled():
            time.sleep(0.001)
        ended.append(item)
        raise Cancelled

    with pytest.raises(Cancelled):
        list(overlapped("abc", work, ignore, lambda: True))
    assert sorted(ended) == ["a", "b"]


def test_what_fails_fails_in_its_turn():
    def work(item, progress, cancelled):
        if item == 1:
            raise ValueError("no")
        return item

    results = overlapped(range(4), work, ignore, never)
    assert next(results) == (0, 0)
    with pytest.raises(ValueError, match="no"):
        next(results)


def test_leaving_off_gives_up_what_is_under_way():
    stopped = threading.Event()

    def work(item, progress, cancelled):
        while item and not cancelled():
            time.sleep(0.001)
        if item:
            stopped.set()
        return item

    results = overlapped(range(3), work, ignore, never)
    with closing(results):
        assert next(results) == (0, 0)
    assert stopped.is_set()
