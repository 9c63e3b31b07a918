"""A take as a WAV file beside a JSON file that says how it was made, and that the speech is synthetic."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import studio
from studio.atomic import reason, write_json
from studio.audio.files import save_wav
from studio.errors import StudioError
from studio.session.take import Take

FORMAT_VERSION = 1
SUBTYPES = {"16": "PCM_16", "24": "PCM_24", "float": "FLOAT"}
"""Sample formats by the name people choose them by."""

DISCLOSURE = "Synthetic speech: made by an audio language model; no person said this in this way."


@dataclass(frozen=True)
class Exported:
    """Where a take was written, and how many samples had to be clipped to fit the sample format."""

    audio: Path
    sidecar: Path
    clipped_samples: int


def take_name(take: Take) -> str:
    """A file name without suffix: source, target and what was steered (``0011_000001_angry_gain_angry0.50``)."""
    parts = [take.source_name or "take", take.settings.target]
    steered = [f"{emotion}{strength:.2f}" for emotion, strength in take.settings.strengths.items() if strength]
    parts += [str(take.settings.mode), *steered] if steered else ["baseline"]
    if take.settings.seed is not None:
        parts.append(f"seed{take.settings.seed}")
    return re.sub(r"[^\w.+-]+", "_", " ".join(parts)).strip("._") or "take"


def export_take(take: Take, folder: Path, name: str | None = None, subtype: str = "PCM_16") -> Exported:
    """Write ``take`` into ``folder`` as ``name.wav`` and ``name.json``; a name that is taken gets a number.

    ``subtype`` is PCM_16, PCM_24 or FLOAT. Both files are written whole or not at all, and nothing is ever
    overwritten. Raises StudioError when the folder cannot be written or the take holds no samples.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        audio = _reserve(folder, name or take_name(take))
    except OSError as error:
        raise StudioError(f"'{folder}' cannot be written to: {reason(error)}; choose another folder.") from error
    sidecar = audio.with_suffix(".json")
    try:
        clipped = save_wav(audio, take.audio, subtype)
        write_json(sidecar, sidecar_document(take, audio, subtype))
    except BaseException:
        audio.unlink(missing_ok=True)
        raise
    return Exported(audio, sidecar, clipped)


def sidecar_document(take: Take, audio: Path, subtype: str) -> dict[str, Any]:
    """What the sidecar says about the WAV file at ``audio``."""
    return {
        "format": FORMAT_VERSION,
        "synthetic_speech": True,
        "disclosure": DISCLOSURE,
        "tool": {"name": "ESN Studio", "version": studio.__version__},
        "audio": {
            "file": audio.name,
            "sha256": hashlib.sha256(audio.read_bytes()).hexdigest(),
            "samples_sha256": take.audio.fingerprint(),
            "rate": take.audio.rate,
            "seconds": round(take.audio.seconds, 3),
            "subtype": subtype,
        },
    } | take.describe()


def _reserve(folder: Path, name: str) -> Path:
    """Create an empty ``name.wav`` (or ``name-2.wav``, ...) that nobody else holds, with its sidecar's name free."""
    for stem in _numbered(name):
        audio = folder / f"{stem}.wav"
        if audio.with_suffix(".json").exists():
            continue
        try:
            audio.open("xb").close()
        except FileExistsError:
            continue
        return audio
    raise AssertionError("numbers never run out")


def _numbered(name: str) -> Iterator[str]:
    yield name
    for number in count(2):
        yield f"{name}-{number}"
