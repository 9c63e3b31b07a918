"""The helper process ends with whoever asks it, however that one ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studio.errors import Cancelled
from studio.gui.helper import HelperProcess

PATIENCE = 60.0


def doubled(number: float) -> tuple[float, int]:
    return 2 * number, os.getpid()


def lasting(_seconds: float) -> None:
    signal.pause()


def dying() -> None:
    os._exit(3)


def asker() -> None:
    """Runs in a process that is killed: asks once, then says whom it asked."""
    helper = HelperProcess(doubled)
    sys.stdout.write(f"{helper.ask(1)[1]}\n")
    sys.stdout.flush()
    signal.pause()


def gone(pid: int) -> bool:
    """Whether a process of that number runs no more."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"


def test_it_answers_in_one_process_until_it_is_closed() -> None:
    helper = HelperProcess(doubled)
    first, second = helper.ask(1.5), helper.ask(2)
    helper.close()
    assert (first[0], second[0]) == (3.0, 4)
    assert first[1] == second[1] != os.getpid()
    assert gone(first[1])
    assert helper.pid is None


def test_it_can_be_stopped_and_a_lost_one_is_said() -> None:
    helper = HelperProcess(lasting)
    with pytest.raises(Cancelled):
        helper.ask(1.0, cancelled=lambda: True)
    assert helper.pid is None
    with pytest.raises((EOFError, OSError)):
        HelperProcess(dying).ask()


def test_it_ends_when_the_one_that_asks_is_killed() -> None:
    command = [sys.executable, "-c", "from tests.gui.test_helper import asker; asker()"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        pid = int(asking.stdout.readline())
        asking.kill()
    until = time.monotonic() + PATIENCE
    while not gone(pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert gone(pid)
