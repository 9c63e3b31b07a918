"""Sound in MPEG-4 files (M4A), which libsndfile does not read, decoded by the program ffmpeg where it is installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PATIENCE_SECONDS = 600.0
"""Longer than any recording that is taken needs; a file that keeps ffmpeg busy for longer is not meant to be read."""


class NoDecoderError(Exception):
    """ffmpeg is not installed."""


class UndecodableError(Exception):
    """The file holds no sound, or not all of it."""


def is_mpeg4(stream: IO[bytes]) -> bool:
    """Whether the first bytes are those of an MPEG-4 file; the position is left at the start."""
    stream.seek(0)
    head = stream.read(8)
    stream.seek(0)
    return head[4:] == b"ftyp"


@contextmanager
def decoded(path: Path, max_seconds: float | None = None) -> Iterator[Path]:
    """The sound of an MPEG-4 file as a WAV file that lasts as long as the ``with`` block.

    Of a file longer than ``max_seconds`` a second more than that is decoded, enough to be refused. Raises
    NoDecoderError, or UndecodableError when ffmpeg finds anything wrong with the file.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise NoDecoderError
    with tempfile.TemporaryDirectory(prefix="esn-studio-") as folder:
        target = Path(folder) / "decoded.wav"
        # Only this demuxer and only this file: a hostile file cannot make ffmpeg read another, or the network.
        command = [program, "-nostdin", "-v", "error", "-xerror", "-protocol_whitelist", "file", "-f", "mov"]
        command += ["-i", f"file:{path.resolve()}", "-map", "0:a:0", "-c:a", "pcm_f32le", "-rf64", "auto"]
        command += [] if max_seconds is None else ["-t", f"{max_seconds + 1.0:.3f}"]
        try:
            done = subprocess.run([*command, str(target)], capture_output=True, timeout=PATIENCE_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise UndecodableError from error
        if done.returncode != 0 or done.stderr.strip() or not target.exists():
            raise UndecodableError(done.stderr.decode(errors="replace"))
        yield target
