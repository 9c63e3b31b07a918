"""Packages and weights that are not always there, with one sentence when they are not."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

from studio.errors import StudioError
from studio.lalm.catalog import find_model


def require(module: str, purpose: str, install: str, *, stub: str | None = None) -> ModuleType:
    """Import ``module``; ``stub`` names a module that it imports without need, stood in for where it is absent.

    Raises StudioError with the line to install it by.
    """
    try:
        if stub is None:
            return importlib.import_module(module)
        with _Stub(stub):
            return importlib.import_module(module)
    except ImportError as error:
        raise StudioError(f"{purpose} needs a package that is not installed: pip install {install}") from error


def require_weights(model: str, purpose: str) -> Path:
    """The folder of a model of the catalog once it was downloaded, which nothing but the user's word starts.

    Raises StudioError with the line that fetches it.
    """
    entry = find_model(model)
    if not entry.installed:
        raise StudioError(
            f"{purpose} needs weights that are not on this machine; fetch them with: esn-studio models download {model}"
        )
    return entry.weights


class _Stub:
    """An empty module of that name while something is imported, unless there is a real one already."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._mine: ModuleType | None = None

    def __enter__(self) -> None:
        if self._name not in sys.modules:
            self._mine = sys.modules[self._name] = ModuleType(self._name)

    def __exit__(self, *problem: object) -> None:
        if self._mine is not None and sys.modules.get(self._name) is self._mine:
            del sys.modules[self._name]
