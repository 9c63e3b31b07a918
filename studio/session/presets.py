"""Presets: the steering panel's values under a name, in one file of the user's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studio import atomic
from studio.errors import StudioError
from studio.paths import user_data_dir

FORMAT = "esn-studio presets"
FORMAT_VERSION = 1
MOST = 200

Presets = dict[str, dict[str, Any]]
"""Panel values as plain JSON, by name."""


def presets_file() -> Path:
    """Where presets are kept."""
    return user_data_dir() / "presets.json"


def read_presets(path: Path) -> Presets:
    """The presets in a file, none when there is no file; raises StudioError when it cannot be read."""
    try:
        if not path.exists():
            return {}
        document: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise StudioError(f"The presets in '{path}' cannot be read: {atomic.reason(error)}.") from error
    except (ValueError, RecursionError) as error:
        raise StudioError(f"The presets in '{path}' are damaged; move the file away to begin anew.") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise StudioError(f"'{path}' holds no presets of ESN Studio; move the file away to begin anew.")
    version, presets = document.get("version"), document.get("presets")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise StudioError(f"The presets in '{path}' were written by a newer ESN Studio; update to use them.")
    if not isinstance(presets, dict) or not all(isinstance(each, dict) for each in presets.values()):
        raise StudioError(f"The presets in '{path}' are damaged; move the file away to begin anew.")
    return dict(presets)


def write_presets(path: Path, presets: Mapping[str, Mapping[str, Any]]) -> None:
    """Write all presets, in order of name; raises StudioError when that cannot be done."""
    ordered = {name: dict(presets[name]) for name in sorted(presets, key=str.casefold)}
    atomic.write_json(path, {"format": FORMAT, "version": FORMAT_VERSION, "presets": ordered})
