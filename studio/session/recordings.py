"""Recordings made with a microphone, kept as sound files of the user's."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from pathlib import Path

from studio.atomic import reason
from studio.audio.clip import Clip
from studio.audio.files import save_wav
from studio.errors import StudioError
from studio.paths import user_data_dir


def recordings_dir() -> Path:
    """Where recordings go; not created here."""
    return user_data_dir() / "recordings"


def save_recording(clip: Clip, folder: Path | None = None, now: datetime | None = None) -> Path:
    """Write a recording as 24-bit WAV under the date and time, in ``folder`` or ``recordings_dir``; its path.

    Nothing is ever written over. Raises StudioError when it cannot be written.
    """
    folder = recordings_dir() if folder is None else folder
    stem = f"Recording {(now or datetime.now()):%Y-%m-%d %H.%M.%S}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudioError(f"The folder '{folder}' for recordings cannot be made: {reason(error)}.") from error
    names = (f"{stem}.wav" if number == 1 else f"{stem} ({number}).wav" for number in count(1))
    path = next(folder / name for name in names if not (folder / name).exists())
    save_wav(path, clip, "PCM_24")
    return path
