"""What a host says of its environment before it loads a model, for whoever looks whether a runtime is sound."""

from __future__ import annotations

import importlib
import platform
from importlib.metadata import distributions
from typing import Any

import torch

from studio.errors import StudioError
from studio.lalm import assignment, remote_code, wire
from studio.lalm.weights import is_whole


def greet(adapter: str) -> dict[str, Any]:
    """The message: versions of the protocol, of Python and of all packages; the first CUDA device.

    ``adapter``: why that module cannot be imported, None when it can. ``weights``: of the model this process is
    assigned to, None without one; where they would lie, whether they are whole; digest, names and bytes of the Python
    files among them, and why there is no digest.
    """
    try:
        importlib.import_module(adapter)
        broken = None
    except Exception as error:
        broken = f"{type(error).__name__}: {error}"
    return {
        "kind": "hello",
        "version": wire.VERSION,
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "adapter": broken,
        "packages": {each.name: each.version for each in distributions() if each.name},
        "weights": _weights(),
    }


def _weights() -> dict[str, Any] | None:
    folder = assignment.folder()
    if folder is None:
        return None
    digest, files, problem = None, remote_code.code_files(folder), None
    try:
        digest = remote_code.code_digest(folder)
    except (StudioError, OSError) as error:
        problem = str(error)
    return {
        "folder": str(folder),
        "whole": is_whole(folder),
        "digest": digest,
        "problem": problem,
        "files": [path.relative_to(folder).as_posix() for path in files],
        "size": sum(path.stat().st_size for path in files),
    }
