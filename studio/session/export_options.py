"""How takes are exported: container, sample format, rate, loudness, names, and what goes along."""

from __future__ import annotations

from dataclasses import dataclass

from studio.audio.files import HIGHEST_RATE, LOWEST_RATE
from studio.errors import StudioError
from studio.session.credentials import Identity
from studio.session.naming import DEFAULT_TEMPLATE, parse

SUBTYPES = {"16": "PCM_16", "24": "PCM_24", "float": "FLOAT"}
"""Sample formats by the name people choose them by."""

CONTAINERS = {"WAV": ("PCM_16", "PCM_24", "FLOAT"), "FLAC": ("PCM_16", "PCM_24")}
"""File formats and the sample formats they take."""

QUIETEST_LUFS, LOUDEST_LUFS = -60.0, 0.0


@dataclass(frozen=True)
class ExportOptions:
    """Checked choices; raises StudioError when a value is out of range or two do not go together.

    ``rate`` in Hz and ``loudness`` in LUFS (BS.1770) are None to leave the take as it was rendered. ``identity``
    signs content credentials into the file.
    """

    container: str = "WAV"
    subtype: str = "PCM_16"
    rate: int | None = None
    loudness: float | None = None
    template: str = DEFAULT_TEMPLATE
    sidecar: bool = True
    identity: Identity | None = None

    def __post_init__(self) -> None:
        if self.container not in CONTAINERS:
            raise StudioError(f"'{self.container}' is not a format to export to; choose {' or '.join(CONTAINERS)}.")
        if self.subtype not in SUBTYPES.values():
            raise StudioError(f"'{self.subtype}' is not a sample format; choose {', '.join(SUBTYPES.values())}.")
        if self.subtype not in CONTAINERS[self.container]:
            raise StudioError(f"{self.container} files hold no float samples; choose 16 or 24 bit, or WAV.")
        if self.rate is not None and not LOWEST_RATE <= self.rate <= HIGHEST_RATE:
            raise StudioError(f"The rate {self.rate} Hz is out of range; choose {LOWEST_RATE} to {HIGHEST_RATE} Hz.")
        if self.loudness is not None and not QUIETEST_LUFS <= self.loudness <= LOUDEST_LUFS:
            raise StudioError(
                f"The loudness target {self.loudness:g} LUFS is out of range; choose {QUIETEST_LUFS:g} to "
                f"{LOUDEST_LUFS:g}."
            )
        parse(self.template)

    @property
    def suffix(self) -> str:
        """Of the files written."""
        return f".{self.container.lower()}"
