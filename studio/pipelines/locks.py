"""A lock on a folder that dies with its process, so that a killed job leaves nothing to clean up."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

_NAME = ".lock"


class FolderLock:
    """Held by one process at a time; the system gives it up when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        self._stream: IO[bytes] | None = None

    def acquire(self) -> bool:
        """Take the lock; False when another holder has it. Raises OSError when the folder cannot be written."""
        stream = self._path.open("ab")
        try:
            _lock(stream)
        except OSError:
            stream.close()
            return False
        self._stream = stream
        return True

    def release(self) -> None:
        """Give the lock up; may be called again."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


if sys.platform == "win32":
    import msvcrt

    def _lock(stream: IO[bytes]) -> None:
        stream.seek(0, os.SEEK_SET)
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(stream: IO[bytes]) -> None:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
