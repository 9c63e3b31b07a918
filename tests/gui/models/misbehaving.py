"""The real host of the stand-in model, which goes wrong when a file says so: ``python -m ... FILE``.

The file holds ``killed``, ``garbage``, ``hung`` or ``memory`` (in the middle of the next render) or ``version`` (at the
next start); each happens once.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from studio.lalm import wire
from studio.lalm.host import Host
from studio.lalm.hosted import HostedLALM

FILE = "ESN_TEST_MISBEHAVES"
PATIENCE = 600.0


def start(file: Path) -> HostedLALM:
    """The model behind such a host, which is trusted to be slow."""
    return HostedLALM((sys.executable, "-m", __name__, str(file)), "Hosted", patience=PATIENCE)


def load(_weights: Path) -> HostedLALM:
    """As a model of the catalog; the file is named by the environment."""
    return start(Path(os.environ[FILE]))


class Stream:
    """What the host writes into."""

    def __init__(self, stream: Any, file: Path) -> None:
        self._stream = stream
        self._file = file

    def write(self, data: bytes) -> int:
        how = self._file.read_text() if b"progress" in data[:32] and self._file.exists() else ""
        if how:
            self._file.unlink()
            self._go_wrong(how)
        return int(self._stream.write(data))

    def flush(self) -> None:
        self._stream.flush()

    def _go_wrong(self, how: str) -> None:
        if how == "memory":
            raise MemoryError("on purpose")
        if how == "garbage":
            self._stream.write(b"Loading checkpoint shards: 100%\n")
        else:
            os.kill(os.getpid(), signal.SIGKILL if how == "killed" else signal.SIGSTOP)


def main() -> int:
    file = Path(sys.argv[1])
    if file.exists() and file.read_text() == "version":
        file.unlink()
        wire.VERSION = 99
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    stream: Any = Stream(outgoing, file)
    return Host(sys.stdin.buffer, stream).serve("tests.gui.standin:StandIn")


if __name__ == "__main__":
    sys.exit(main())
