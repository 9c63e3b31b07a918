"""Sound files in and out: any common format to a mono clip, a clip to WAV or FLAC, every fault one sentence."""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import soundfile

from studio.atomic import reason, replace_bytes
from studio.audio.clip import Clip, FloatArray
from studio.audio.containers import ForgivingReader, is_cut_short, looks_like_audio
from studio.audio.room import Room
from studio.audio.transcode import NoDecoderError, UndecodableError, decoded, is_mpeg4
from studio.errors import StudioError
from studio.signals import held

FORMATS = "WAV, FLAC, MP3, Ogg, Opus, AIFF or M4A"
SUFFIXES: tuple[str, ...] = (".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aiff", ".aif", ".m4a")
"""What a file dialog offers; a file's content decides, not its name."""

LOWEST_RATE = 4_000
HIGHEST_RATE = 384_000

READS_FILES = os.name == "posix"
"""Whether libsndfile reads files by itself: through Python it waits for the interpreter at every few kilobytes."""

_CONTAINERS = {"WAV", "WAVEX", "RF64", "W64", "FLAC", "MP3", "OGG", "AIFF", "AU", "CAF"}
_BLOCK_FRAMES = 1 << 16
# Room that is asked for at once, and taken only as far as samples come. A header that claims more is not believed.
_PIECE_FRAMES = 1 << 28
# Float files go a little over full scale; integers saved as floats go thousands of times over.
_LOUDEST_SAMPLE = 100.0
# Encoders of compressed formats may state a length that is a frame or two off.
_LENGTH_SLACK_SECONDS = 0.15
# Without a header that counts frames, the length of an MP3 is a guess from its first frame; tags may follow the sound.
_MP3_SHARE_READ = 0.9


Arrived = Callable[[Clip, float], None]
"""Told the clip so far and its stated length in seconds after every block that was read."""


class AudioFileError(StudioError):
    """A sound file that cannot be opened or written."""


class _UnreadableError(Exception):
    """The content is no sound, or not all of it."""


class Sound:
    """A sound file being read: ``rate`` in Hz and number of ``channels``; see ``open_sound``."""

    def __init__(
        self,
        file: Path,
        stream: IO[bytes],
        sound: soundfile.SoundFile,
        max_seconds: float | None,
        taker: str,
        *,
        is_excerpt: bool,
    ) -> None:
        self.rate: int = sound.samplerate
        self.channels: int = sound.channels
        self.frames: int = sound.frames
        """As the header states them."""
        self._file, self._stream, self._sound = file, stream, sound
        _require_length(file, sound)
        if max_seconds is not None and sound.frames > max_seconds * sound.samplerate:
            _refuse_length(file, None if is_excerpt else sound.frames / sound.samplerate, max_seconds, taker)

    def blocks(self) -> Iterator[FloatArray]:
        """The samples, float32 [frames, channels], a piece at a time; raises what ``open_sound`` names."""
        if is_cut_short(self._stream):
            raise _UnreadableError
        frames, done = self._sound.frames, 0
        # In blocks: a lying header does not decide how much memory is taken.
        while len(block := self._read()):
            _require_usable(self._file, block, done, self.rate)
            done += len(block)
            yield block
        if done == 0 or done < frames - _LENGTH_SLACK_SECONDS * self.rate:
            raise _UnreadableError
        if (
            self._sound.format == "MP3"
            and self._stream.tell() < _MP3_SHARE_READ * os.fstat(self._stream.fileno()).st_size
        ):
            raise AudioFileError(
                f"'{self._file.name}' states a wrong length, so its end would be lost; convert it to WAV first."
            )

    def _read(self) -> FloatArray:
        with held():
            block: FloatArray = self._sound.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)
        return block


@contextmanager
def open_sound(
    path: str | os.PathLike[str], max_seconds: float | None = None, taker: str = "this model"
) -> Iterator[Sound]:
    """Open a sound file to read it in blocks, inside a ``with`` statement.

    The length is checked against ``max_seconds``, the limit of ``taker``, from the header, before anything is decoded
    (M4A alone is decoded first, up to that length). Raises AudioFileError when the file is missing, a folder, empty,
    no audio, damaged or cut short, too long, without samples, holds samples that are not usable numbers, or needs
    ffmpeg and there is none.
    """
    file = Path(path)
    try:
        _require_file(file)
        with file.open("rb") as stream:
            packed = is_mpeg4(stream)
    except OSError as error:
        raise AudioFileError(f"'{file}' cannot be opened: {reason(error)}.") from error
    if not packed:
        with _open(file, file, max_seconds, taker) as sound:
            yield sound
        return
    try:
        with decoded(file, max_seconds) as plain, _open(file, plain, max_seconds, taker) as sound:
            yield sound
    except NoDecoderError as error:
        raise AudioFileError(
            f"'{file.name}' is an M4A file, and the program ffmpeg that reads those is not installed; "
            "install ffmpeg, or convert the file to WAV."
        ) from error
    except UndecodableError as error:
        raise AudioFileError(f"'{file.name}' is damaged or holds no sound; copy or export it again.") from error


@contextmanager
def _open(file: Path, content: Path, max_seconds: float | None, taker: str) -> Iterator[Sound]:
    """Open what libsndfile reads from ``content``; whatever is wrong is said of ``file``."""
    with content.open("rb", buffering=0) as stream:
        known = False
        try:
            known = looks_like_audio(stream)
            with held():
                source = stream.fileno() if READS_FILES else ForgivingReader(stream)
                opened = soundfile.SoundFile(source, closefd=False)
            with opened as sound:
                yield Sound(file, stream, sound, max_seconds, taker, is_excerpt=content != file)
        except (soundfile.SoundFileError, _UnreadableError) as error:
            if known:
                raise AudioFileError(f"'{file.name}' is damaged or cut short; copy or export it again.") from error
            raise AudioFileError(
                f"'{file.name}' is not a sound file that can be read; choose a {FORMATS} file."
            ) from error
        except OSError as error:
            raise AudioFileError(f"'{file}' cannot be read: {reason(error)}.") from error


def load_clip(
    path: str | os.PathLike[str],
    max_seconds: float | None = None,
    taker: str = "this model",
    arrived: Arrived | None = None,
) -> Clip:
    """Read a sound file as mono float32 at its own rate; channels are averaged and the clip is named after the file.

    ``arrived`` may raise to give up. Raises AudioFileError as ``open_sound`` does, and what ``arrived`` raises.
    """
    name = Path(path).stem
    with open_sound(path, max_seconds, taker) as sound, ThreadPoolExecutor(1) as helper:
        rooms: list[Room] = []
        # Mixed down as they come: many channels do not decide how much memory is taken.
        for block in map(_mono, sound.blocks()):
            if not rooms or not rooms[-1].takes(len(block)):
                rooms.append(Room(max(min(sound.frames, _PIECE_FRAMES), len(block)), helper))
            rooms[-1].append(block)
            if arrived is not None and len(rooms) == 1:
                arrived(Clip(rooms[0].samples, sound.rate, name), sound.frames / sound.rate)
        pieces = [room.samples for room in rooms]
        return Clip(pieces[0] if len(pieces) == 1 else np.concatenate(pieces), sound.rate, name)


def _mono(block: FloatArray) -> FloatArray:
    # One channel as it is: its mean would turn negative zeros into positive ones.
    return block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float64).astype(np.float32)


def save_wav(path: str | os.PathLike[str], clip: Clip, subtype: str = "PCM_16") -> int:
    """Write ``clip`` as WAV (``PCM_16``, ``PCM_24`` or ``FLOAT``), whole or not at all.

    Returns how many samples lay beyond full scale and were clipped (always 0 for ``FLOAT``). Raises AudioFileError
    when there is nothing to save, a sample is not a finite number, or the file cannot be written.
    """
    return _save(Path(path), clip, "WAV", subtype)


def save_flac(path: str | os.PathLike[str], clip: Clip, subtype: str = "PCM_16") -> int:
    """Write ``clip`` as FLAC (``PCM_16`` or ``PCM_24``); returns and raises as ``save_wav`` does."""
    return _save(Path(path), clip, "FLAC", subtype)


def encode(clip: Clip, container: str, subtype: str, name: str) -> tuple[bytes, int]:
    """The bytes of a ``WAV`` or ``FLAC`` file of ``clip``, and how many samples were clipped; see ``save_wav``.

    ``name`` is what messages call the file. Raises AudioFileError when there is nothing to save, a sample is not a
    finite number, or the container does not take the sample format or rate.
    """
    if len(clip.samples) == 0:
        raise AudioFileError(f"There is nothing to save in '{name}': the clip has no samples.")
    if not np.isfinite(clip.samples).all():
        raise AudioFileError(f"'{name}' was not saved: the clip has samples that are not finite numbers.")
    data, clipped = _quantise(clip.samples, subtype)
    encoded = io.BytesIO()
    try:
        with held():
            soundfile.write(encoded, data, clip.rate, format=container, subtype=subtype)
    except (soundfile.SoundFileError, ValueError) as error:
        raise AudioFileError(f"'{name}' cannot be written as {container} ({subtype}) at {clip.rate} Hz.") from error
    return encoded.getvalue(), clipped


def decode(encoded: bytes) -> Clip:
    """The clip in bytes that ``encode`` made: its samples as a reader of the file gets them."""
    with held():
        samples, rate = soundfile.read(io.BytesIO(encoded), dtype="float32")
    return Clip(samples, rate)


def fingerprint_of(path: str | os.PathLike[str]) -> str:
    """SHA-256 over rate and samples of a sound file as hex: for mono files what ``load_clip`` reads has it too.

    Titles and other texts in the file do not enter it. Raises AudioFileError as ``open_sound`` does.
    """
    with open_sound(path) as sound:
        digest = hashlib.sha256(str(sound.rate).encode())
        for block in sound.blocks():
            digest.update(np.ascontiguousarray(block, dtype="<f4").tobytes())
        return digest.hexdigest()


def _require_file(file: Path) -> None:
    if file.is_dir():
        raise AudioFileError(f"'{file}' is a folder; choose a sound file in it.")
    if not file.exists():
        raise AudioFileError(f"'{file}' does not exist; check the name and the folder.")
    if not file.is_file():
        raise AudioFileError(f"'{file}' is not a regular file; choose a sound file.")
    if file.stat().st_size == 0:
        raise AudioFileError(f"'{file.name}' is empty (zero bytes); export or copy it again.")


def _require_length(file: Path, sound: soundfile.SoundFile) -> None:
    if sound.format not in _CONTAINERS:
        raise _UnreadableError
    rate, frames = sound.samplerate, sound.frames
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioFileError(
            f"'{file.name}' claims {rate} samples a second, and only rates from {LOWEST_RATE} to {HIGHEST_RATE} Hz "
            "can be opened; export it again at a usual rate such as 16000 Hz."
        )
    if frames <= 0:
        raise AudioFileError(f"'{file.name}' holds no samples; record or export it again.")


def _refuse_length(file: Path, seconds: float | None, max_seconds: float, taker: str) -> None:
    """Say that a file is too long; ``seconds`` None where only its beginning was decoded."""
    limit = f"{max_seconds:g} s" if max_seconds < 60.0 else _length(max_seconds)
    length = f"is {_length(seconds)} long" if seconds is not None else "is too long"
    raise AudioFileError(f"'{file.name}' {length}; {taker} takes up to {limit}. Trim it and open it again.")


def _require_usable(file: Path, block: FloatArray, offset: int, rate: int) -> None:
    # Whatever is no number shows in one of the extremes.
    loudest = max(-float(block.min(initial=0.0)), float(block.max(initial=0.0)))
    if not math.isfinite(loudest):
        first = (offset + int(np.argmin(np.isfinite(block).all(axis=1)))) / rate
        raise AudioFileError(
            f"'{file.name}' has samples that are not numbers (NaN or infinity, the first at {first:.2f} s); "
            "export it again from the program that made it."
        )
    if loudest > _LOUDEST_SAMPLE:
        raise AudioFileError(
            f"'{file.name}' has float samples as large as {loudest:.0f} where full scale is 1; "
            "scale it to -1..1 and export it again."
        )


def _save(file: Path, clip: Clip, container: str, subtype: str) -> int:
    encoded, clipped = encode(clip, container, subtype, file.name)
    try:
        replace_bytes(file, encoded)
    except OSError as error:
        raise AudioFileError(f"'{file}' cannot be written: {reason(error)}.") from error
    return clipped


def _quantise(samples: FloatArray, subtype: str) -> tuple[npt.NDArray[np.generic], int]:
    """Samples as libsndfile takes them for ``subtype``, and how many had to be clipped.

    Integers are made here because 2**15 (not 2**15 - 1) is what decoding divides by: a file that is opened and saved
    again keeps its samples bit for bit.
    """
    if subtype == "FLOAT":
        return samples.astype(np.float32, copy=False), 0
    bits = {"PCM_16": 16, "PCM_24": 24}.get(subtype)
    if bits is None:
        raise ValueError(f"subtype must be PCM_16, PCM_24 or FLOAT, got {subtype!r}")
    scale = 2 ** (bits - 1)
    whole = np.clip(np.rint(samples.astype(np.float64) * scale), -scale, scale - 1)
    clipped = int(np.count_nonzero(np.abs(samples) > 1.0))
    if bits == 16:
        return whole.astype(np.int16), clipped
    return whole.astype(np.int32) << 8, clipped


def _length(seconds: float) -> str:
    if seconds < 60.0:
        # Rounded up, so that a clip a hair too long never reads as exactly the limit.
        return f"{math.ceil(seconds * 100.0 - 1e-6) / 100.0:.2f} s"
    minutes, rest = divmod(math.ceil(seconds - 1e-6), 60)
    return f"{minutes}:{rest:02d}"
