"""What was chosen in the export dialog last, as plain values, kept between sessions."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from PySide6.QtCore import QSettings

from studio.session.credentials import Identity
from studio.session.export_options import ExportOptions
from studio.session.naming import DEFAULT_TEMPLATE

SELECTED, STARRED, ALL = "selected", "starred", "all"


@dataclass(frozen=True)
class Choices:
    """``rate`` 0 leaves the take's; ``loudness`` counts only where ``levelled``; values are not checked here."""

    which: str = SELECTED
    container: str = "WAV"
    subtype: str = "PCM_16"
    rate: int = 0
    levelled: bool = False
    loudness: float = -23.0
    template: str = DEFAULT_TEMPLATE
    sidecar: bool = True
    signed: bool = False

    def options(self, identity: Identity | None = None) -> ExportOptions:
        """As the session takes them. Raises StudioError when a value is out of range."""
        return ExportOptions(
            container=self.container,
            subtype=self.subtype,
            rate=self.rate or None,
            loudness=self.loudness if self.levelled else None,
            template=self.template,
            sidecar=self.sidecar,
            identity=identity if self.signed else None,
        )


def load_choices(settings: QSettings) -> Choices:
    """The choices made last, each by default where it was never made or cannot be read."""
    kept: dict[str, Any] = {}
    for field in fields(Choices):
        kept[field.name] = settings.value(f"export/{field.name}", field.default, type(field.default))
    return Choices(**kept)


def save_choices(settings: QSettings, choices: Choices, folder: Path) -> None:
    """Keep the choices, and the folder exported to."""
    for field in fields(Choices):
        settings.setValue(f"export/{field.name}", getattr(choices, field.name))
    settings.setValue("folder/export", str(folder))
