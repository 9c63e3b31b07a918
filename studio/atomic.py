"""Files written whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

from studio.errors import StudioError


def replace_bytes(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``: a crash or a full disk leaves the old file, or none, never half a one.

    Raises OSError.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with partial.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """As ``replace_bytes``, making missing parent folders; raises StudioError when the file cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_bytes(path, content)
    except OSError as error:
        raise StudioError(f"'{path}' cannot be written: {reason(error)}.") from error


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write ``document`` as indented UTF-8 JSON; raises as ``write_bytes`` does, ValueError for NaN or infinity."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # File names that are no UTF-8 hold lone surrogates, whose escapes JSON reads back as they were.
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def reason(error: OSError) -> str:
    """What the system says was wrong, in lower case, ready to end a sentence."""
    return (error.strerror or str(error) or type(error).__name__).lower()
