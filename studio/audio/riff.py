"""What a WAV file says about itself: the ``bext`` chunk of Broadcast Wave and the texts of ``LIST INFO``.

Layouts: EBU Tech 3285 (bext, version 2) and Microsoft's RIFF specification of 1991 (INFO).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO

_BEXT = struct.Struct("<256s32s32s10s8sQH64s5h180s")
_UNMEASURED = 0x7FFF
"""What a loudness field holds when nobody measured it."""

_LARGEST_TEXT = 1 << 20
"""Bytes of a chunk of texts that are read: more than any honest file holds."""

CREDENTIALS = b"C2PA"
"""The chunk C2PA content credentials are kept in."""


@dataclass(frozen=True)
class Broadcast:
    """A ``bext`` chunk: ASCII texts (description at most 256 characters, originator and reference 32).

    ``date`` reads yyyy-mm-dd and ``time`` hh:mm:ss; ``loudness`` is the integrated loudness in LUFS, None where it
    was not measured.
    """

    description: str
    originator: str
    reference: str = ""
    date: str = ""
    time: str = ""
    coding_history: str = ""
    loudness: float | None = None


@dataclass(frozen=True)
class WavTexts:
    """Everything a WAV file says in words: ``info`` by four-character code, and whether it carries credentials."""

    info: Mapping[str, str] = field(default_factory=dict)
    broadcast: Broadcast | None = None
    credentials: bool = False


def with_texts(encoded: bytes, info: Mapping[str, str], broadcast: Broadcast) -> bytes:
    """A WAV file's bytes with ``bext`` and ``LIST INFO`` added ahead of its samples.

    ``info`` maps four-character codes such as ``INAM`` to texts. Raises ValueError when ``encoded`` is no WAV file.
    """
    if encoded[:4] != b"RIFF" or encoded[8:12] != b"WAVE":
        raise ValueError("only a RIFF WAVE file takes these texts")
    at = _samples_at(encoded)
    added = _chunk(b"bext", _pack(broadcast)) + _chunk(b"LIST", b"INFO" + b"".join(map(_text, info.items())))
    body = encoded[8:at] + added + encoded[at:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def read_texts(stream: IO[bytes]) -> WavTexts:
    """What a WAV file says; nothing where it is damaged or no WAV file. The samples are not read."""
    info: dict[str, str] = {}
    broadcast, credentials = None, False
    for name, size in _chunks(stream):
        content = stream.read(min(size, _LARGEST_TEXT)) if name in (b"bext", b"LIST") else b""
        if name == b"bext" and len(content) >= _BEXT.size:
            broadcast = _unpack(content)
        elif name == b"LIST" and content[:4] == b"INFO":
            info.update(_info(content[4:]))
        elif name == CREDENTIALS:
            credentials = True
    return WavTexts(info, broadcast, credentials)


def _samples_at(encoded: bytes) -> int:
    at = 12
    while encoded[at : at + 4] != b"data":
        size = int.from_bytes(encoded[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
        if at >= len(encoded):
            raise ValueError("the file has no samples to put texts ahead of")
    return at


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _text(item: tuple[str, str]) -> bytes:
    name, text = item
    return _chunk(name.encode("ascii"), text.encode("utf-8", "replace") + b"\0")


def _chunks(stream: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Name and size of each chunk, with the stream at its content."""
    stream.seek(0)
    head = stream.read(12)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return
    at = 12
    while len(header := stream.read(8)) == 8:
        size = int.from_bytes(header[4:], "little")
        yield header[:4], size
        at += 8 + size + size % 2
        stream.seek(at)


def _info(content: bytes) -> Iterator[tuple[str, str]]:
    at = 0
    while at + 8 <= len(content):
        name = content[at : at + 4].decode("ascii", "replace")
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        if at + 8 + size > len(content):
            return
        yield name, content[at + 8 : at + 8 + size].split(b"\0")[0].decode("utf-8", "replace")
        at += 8 + size + size % 2


def _pack(broadcast: Broadcast) -> bytes:
    level = _UNMEASURED if broadcast.loudness is None else round(broadcast.loudness * 100)
    fixed = _BEXT.pack(
        _ascii(broadcast.description),
        _ascii(broadcast.originator),
        _ascii(broadcast.reference),
        _ascii(broadcast.date),
        _ascii(broadcast.time),
        0,
        2,
        b"",
        level,
        _UNMEASURED,
        _UNMEASURED,
        _UNMEASURED,
        _UNMEASURED,
        b"",
    )
    return fixed + _ascii(broadcast.coding_history)


def _unpack(content: bytes) -> Broadcast:
    description, originator, reference, date, time, _start, version, _umid, level, *_rest = _BEXT.unpack_from(content)
    measured = version >= 2 and level != _UNMEASURED
    return Broadcast(
        _plain(description),
        _plain(originator),
        _plain(reference),
        _plain(date),
        _plain(time),
        _plain(content[_BEXT.size :]),
        level / 100 if measured else None,
    )


def _ascii(text: str) -> bytes:
    return text.encode("ascii", "replace")


def _plain(content: bytes) -> str:
    return content.split(b"\0")[0].decode("ascii", "replace")
