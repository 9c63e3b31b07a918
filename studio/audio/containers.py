"""What can be told of a sound file from its container alone: whether it is one, and whether its end is missing.

libsndfile plays a WAV, AIFF or Ogg file that was cut short as if it were whole; the container's own sizes say better.
"""

from __future__ import annotations

import os
from typing import IO, Literal

_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b"fLaC", b"OggS", b"ID3", b".snd", b"caff")
# Programs that write to a pipe cannot know the size and leave one near a power of two.
_UNKNOWN_SIZE = 0x7FFF_0000
# Some writers count the header into the size of the data.
_SIZE_SLACK = 64
_OGG_HEADER = 27


class ForgivingReader:
    """A file as libsndfile is given it.

    It has no name, because names are judged by their suffix before the content is. A damaged header can ask for a
    place outside the file: it gets the nearest end, for an exception could not get out of the library.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._size = os.fstat(stream.fileno()).st_size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to ``offset`` from the start, the current position or the end, within the file."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._size}[whence]
        return self._stream.seek(min(max(0, base + offset), self._size))

    def tell(self) -> int:
        """Position from the start."""
        return self._stream.tell()

    def read(self, count: int) -> bytes:
        """Up to ``count`` bytes."""
        return self._stream.read(count)


def looks_like_audio(stream: IO[bytes]) -> bool:
    """Whether the first bytes are those of a known sound file; the position is left at the start."""
    stream.seek(0)
    head = stream.read(4)
    stream.seek(0)
    mpeg_sync = len(head) >= 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0
    return head.startswith(_MAGIC) or mpeg_sync


def is_cut_short(stream: IO[bytes]) -> bool:
    """Whether a WAV, AIFF or Ogg file ends before its own sizes say; False for other formats.

    Reads headers only and leaves the position where it was.
    """
    position = stream.tell()
    try:
        end = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        head = stream.read(12)
        if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
            return _chunk_missing(stream, end, b"data", "little")
        if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
            return _chunk_missing(stream, end, b"SSND", "big")
        if head[:4] == b"OggS":
            return _page_missing(stream, end)
        return False
    finally:
        stream.seek(position)


def _chunk_missing(stream: IO[bytes], end: int, wanted: bytes, order: Literal["little", "big"]) -> bool:
    """Whether the chunk ``wanted`` of an IFF file is missing or longer than what is left of the file."""
    start = 12
    while start + 8 <= end:
        stream.seek(start)
        name = stream.read(4)
        size = int.from_bytes(stream.read(4), order)
        if name == wanted:
            return size < _UNKNOWN_SIZE and start + 8 + size > end + _SIZE_SLACK
        start += 8 + size + size % 2
    return True


def _page_missing(stream: IO[bytes], end: int) -> bool:
    """Whether the last Ogg page is incomplete."""
    start = 0
    while start < end:
        stream.seek(start)
        header = stream.read(_OGG_HEADER)
        if len(header) < _OGG_HEADER:
            return True
        if header[:4] != b"OggS":
            # Other data after the last page, such as a tag, is not the audio's business.
            return False
        segments = stream.read(header[26])
        start += _OGG_HEADER + header[26] + sum(segments)
        if len(segments) < header[26] or start > end:
            return True
    return False
