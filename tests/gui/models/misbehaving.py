"""The real host of the embedded model, which goes wrong when a file says so: ``python -m ... FILE``.

The file holds ``killed``, ``garbage``, ``hung`` or ``memory`` (in the middle of the next render, once), ``version`` (at
the next start, once), or ``rows N`` (out of memory with more than N rows, always).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from studio.lalm import embedded, wire
from studio.lalm.base import Conversion, ConversionRequest
from studio.lalm.host import Host
from studio.lalm.hosted import HostedLALM

FILE = "ESN_TEST_MISBEHAVES"
PATIENCE = 600.0

precisions: list[str | None] = []
"""What ``load`` was asked for."""


def start(file: Path) -> HostedLALM:
    """The model behind such a host, which is trusted to be slow."""
    return HostedLALM((sys.executable, "-m", __name__, str(file)), "Hosted", patience=PATIENCE)


def load(_weights: Path, precision: str | None = None) -> HostedLALM:
    """As a model of the catalog; the file is named by the environment."""
    precisions.append(precision)
    return start(Path(os.environ[FILE]))


class Stream:
    """What the host writes into."""

    def __init__(self, stream: Any, file: Path) -> None:
        self._stream = stream
        self._file = file

    def write(self, data: bytes) -> int:
        how = self._file.read_text() if b"progress" in data[:32] and self._file.exists() else ""
        if how and not how.startswith("rows"):
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


class Narrow:
    """The embedded model with memory for a few rows."""

    def __init__(self, file: Path) -> None:
        self._model = embedded.load()
        self._file = file
        self.info = self._model.info

    def convert(self, requests: Sequence[ConversionRequest], **options: Any) -> list[Conversion]:
        how = self._file.read_text() if self._file.exists() else ""
        if how.startswith("rows") and len(requests) > int(how.split()[1]):
            raise MemoryError("on purpose")
        return self._model.convert(requests, **options)

    def close(self) -> None:
        self._model.close()


def narrow() -> Narrow:
    return Narrow(Path(sys.argv[1]))


def main() -> int:
    file = Path(sys.argv[1])
    if file.exists() and file.read_text() == "version":
        file.unlink()
        wire.VERSION = 99
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    stream: Any = Stream(outgoing, file)
    return Host(sys.stdin.buffer, stream).serve("tests.gui.models.misbehaving:narrow")


if __name__ == "__main__":
    sys.exit(main())
