"""Safetensors files with one JSON document in their metadata: the container of masks and statistics."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from studio.errors import StudioError

FORMAT = 1
"""Version written into, and highest version accepted from, the metadata of both kinds of file."""

_KEY = "esn"
_WIDTH_LIMIT = 2**31
_PROBLEMS = (SafetensorError, OSError, ValueError, RuntimeError, TypeError, KeyError, AttributeError, MemoryError)
"""What reading a broken file, or one with numbers of a kind numpy lacks, ends in."""


Array = npt.NDArray[Any]


def to_bytes(arrays: Mapping[str, Array], document: Mapping[str, Any]) -> bytes:
    """The file as bytes; equal contents give equal bytes."""
    text = json.dumps({**document, "format": FORMAT}, sort_keys=True, ensure_ascii=True, allow_nan=False)
    # Safetensors writes the memory as it lies.
    return safetensors.numpy.save({name: np.ascontiguousarray(value) for name, value in arrays.items()}, {_KEY: text})


def read(
    path: Path, kind: str, error: type[StudioError], wanted: Callable[[str], bool] = lambda name: True
) -> tuple[dict[str, Array], tuple[int, ...], dict[str, Any]]:
    """Arrays, layer widths and remaining metadata of a file; ``kind`` ("mask", "statistics") names it in messages.

    Arrays whose name is not ``wanted`` are not read. What is returned does not depend on the file any more.
    Raises ``error`` with one sentence for files that are missing, truncated, foreign or of a newer format.
    """
    try:
        if not path.is_file():
            raise error(f"There is no {kind} file at '{path}'.")
        with safe_open(path, framework="np") as file:
            document = _document(file.metadata() or {}, path, kind, error)
            widths = _widths(document.pop("widths", None), path, error)
            arrays = {name: file.get_tensor(name) for name in file.keys() if wanted(name)}  # noqa: SIM118
    except StudioError:
        raise
    except _PROBLEMS as problem:
        raise error(f"'{path}' is not a {kind} file, or it is damaged: {_first_line(problem)}.") from problem
    return arrays, widths, document


def _widths(widths: object, path: Path, error: type[StudioError]) -> tuple[int, ...]:
    if (
        not isinstance(widths, list)
        or not widths
        or not all(type(width) is int and 0 < width < _WIDTH_LIMIT for width in widths)
    ):
        raise error(f"'{path}' does not say how wide the layers are (metadata 'widths', a list of positive numbers).")
    return tuple(widths)


def _document(metadata: Mapping[str, str], path: Path, kind: str, error: type[StudioError]) -> dict[str, Any]:
    if _KEY in metadata:
        text = metadata[_KEY]
    elif "widths" in metadata:  # a tool that keeps to safetensors' plain keys
        text = f'{{"widths": {metadata["widths"]}}}'
    else:
        raise error(f"'{path}' is not a {kind} file: its metadata has no '{_KEY}' entry.")
    try:
        document = json.loads(text)
        # What could not be written back, or printed, as JSON (infinities, lone surrogates) is damage too.
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as problem:
        raise error(f"'{path}' is damaged: its '{_KEY}' metadata is not valid JSON.") from problem
    if not isinstance(document, dict):
        raise error(f"'{path}' is damaged: its '{_KEY}' metadata is not a JSON object.")
    version = document.pop("format", FORMAT)
    if type(version) is not int or version < 1:
        raise error(f"'{path}' is damaged: its format version is {version!r}.")
    if version > FORMAT:
        raise error(f"'{path}' has format {version}, newer than this version reads ({FORMAT}); update ESN Studio.")
    return document


def _first_line(problem: BaseException) -> str:
    lines = str(problem).strip().splitlines()
    return (lines[0] if lines else type(problem).__name__).rstrip(".")
