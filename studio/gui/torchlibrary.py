"""Loading torch's largest library without the window standing still."""

from __future__ import annotations

import ctypes
import os
import sys
from importlib.util import find_spec
from pathlib import Path

_LARGEST = ("libtorch_cpu.so", "libtorch_cpu.dylib")


def load_torch_library() -> None:
    """Load what importing torch will need most time for; runs in a worker, before other workers begin.

    Python holds the interpreter while it loads an extension with all the libraries that one needs, here some hundred
    megabytes; a foreign function lets other threads run. No other thread may load a library meanwhile: it would wait,
    and hold the interpreter until this one is there.
    """
    spec = None if "torch" in sys.modules or os.name != "posix" else find_spec("torch")
    if spec is None or spec.origin is None:
        return
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.argtypes, dlopen.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    for name in _LARGEST:
        library = Path(spec.origin).parent / "lib" / name
        if library.exists():
            dlopen(os.fsencode(library), os.RTLD_NOW)
