"""The embedded model: a small speech LALM trained by this project (see ``resources/embedded/README.md``)."""

from __future__ import annotations

from pathlib import Path

from studio.lalm.base import SpeechLALM
from studio.paths import resources_dir


def load(folder: Path | None = None) -> SpeechLALM:
    """Load the embedded model from ``folder`` (default: what ships). Raises StudioError when it cannot be read."""
    from studio.lalm.embedded.lalm import EmbeddedLALM
    from studio.lalm.embedded.weights import FILE, unpack

    return EmbeddedLALM(*unpack((folder or resources_dir() / "embedded") / FILE))
