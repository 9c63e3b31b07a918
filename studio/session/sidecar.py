"""The JSON file beside an export: what every kind of it holds, and reading it back from anywhere."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import studio
from studio.session import provenance

if TYPE_CHECKING:
    # Sidecars are read without what it takes to write one.
    from studio.session.export_options import ExportOptions
    from studio.session.mastering import Prepared

FORMAT_VERSION = 2
"""2 added the fingerprint of the samples in the file, and what was done to the take on its way."""

_LARGEST = 16 << 20


def heading(synthetic: bool = True, disclosure: str = provenance.DISCLOSURE) -> dict[str, Any]:
    """What a sidecar begins with."""
    return {
        "format": FORMAT_VERSION,
        "synthetic_speech": synthetic,
        "disclosure": disclosure,
        "tool": {"name": provenance.TOOL, "version": studio.__version__},
    }


def audio_entry(file: str, content: bytes, prepared: Prepared, options: ExportOptions) -> dict[str, Any]:
    """What a sidecar says about the sound file of that name, whose bytes are ``content``."""
    return {
        "file": file,
        "sha256": hashlib.sha256(content).hexdigest(),
        "sound_sha256": prepared.sound,
        "container": options.container,
        "subtype": options.subtype,
        "rate": prepared.rate,
        "seconds": round(prepared.seconds, 3),
        "gain_db": prepared.gain,
        "loudness_lufs": prepared.loudness,
        "clipped_samples": prepared.clipped_samples,
        "content_credentials": options.identity is not None,
    }


def read_sidecar(path: Path) -> dict[str, Any] | None:
    """The sidecar beside the sound file at ``path``; None when there is none, or none of the studio's."""
    beside = path.with_suffix(".json")
    try:
        if beside.stat().st_size > _LARGEST:
            return None
        document = json.loads(beside.read_bytes(), parse_constant=_refuse)
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or not isinstance(document.get("audio"), dict) or "format" not in document:
        return None
    return document if isinstance(document["audio"].get("sha256"), str) else None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
