"""Exporting a take from the window."""

from __future__ import annotations

from pathlib import Path

from studio.gui.state import ShownTake


def proposed_name(shown: ShownTake) -> str:
    """The file name offered for a take, without suffix."""
    from studio.session.export import take_name

    return take_name(shown.take)


def export_to(shown: ShownTake, path: Path) -> Path:
    """Write the take and its sidecar where the user pointed; returns the WAV's path, numbered if it was taken."""
    from studio.session.export import export_take

    return export_take(shown.take, path.parent, path.stem).audio
