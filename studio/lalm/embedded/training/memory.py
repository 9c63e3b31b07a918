"""Keep freed memory: handing large tensors back to the system and taking them again halves the training speed."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_NEVER = 2**31 - 1
_PAD = 256 * 2**20


def keep_freed_memory() -> None:
    """Tell glibc's allocator so (https://man7.org/linux/man-pages/man3/mallopt.3.html); nothing elsewhere."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _NEVER), (_TOP_PAD, _PAD)):
            mallopt(option, value)
