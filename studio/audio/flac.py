"""What a FLAC file says about itself: its Vorbis comments (RFC 9639, sections 8 and 8.6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO

_MAGIC = b"fLaC"
_COMMENTS, _LAST = 4, 0x80
_LARGEST_TEXT = 1 << 20
_CREDENTIALS = b"application/c2pa"


@dataclass(frozen=True)
class FlacTexts:
    """Comments by name in upper case, and whether the file carries content credentials (in an ID3 tag in front)."""

    comments: Mapping[str, str] = field(default_factory=dict)
    credentials: bool = False


def with_comments(encoded: bytes, vendor: str, comments: Mapping[str, str]) -> bytes:
    """A FLAC file's bytes with these Vorbis comments in place of its own.

    Raises ValueError when ``encoded`` is no FLAC file.
    """
    if encoded[:4] != _MAGIC:
        raise ValueError("only a FLAC file takes these comments")
    at, blocks = 4, []
    while True:
        header, size = encoded[at], int.from_bytes(encoded[at + 1 : at + 4], "big")
        if header & 0x7F != _COMMENTS:
            blocks.append((header & 0x7F, encoded[at + 4 : at + 4 + size]))
        at += 4 + size
        if header & _LAST:
            break
    # The stream information stays first, as the format demands.
    blocks.insert(1, (_COMMENTS, _pack(vendor, comments)))
    written = [
        bytes([kind | (_LAST if number == len(blocks) else 0)]) + len(content).to_bytes(3, "big") + content
        for number, (kind, content) in enumerate(blocks, start=1)
    ]
    return _MAGIC + b"".join(written) + encoded[at:]


def read_comments(stream: IO[bytes]) -> FlacTexts:
    """What a FLAC file says; nothing where it is damaged or no FLAC file. The samples are not read."""
    start, credentials = _skip_id3(stream)
    stream.seek(start)
    if stream.read(4) != _MAGIC:
        return FlacTexts(credentials=credentials)
    while len(header := stream.read(4)) == 4:
        size = int.from_bytes(header[1:], "big")
        if header[0] & 0x7F == _COMMENTS:
            return FlacTexts(dict(_unpack(stream.read(min(size, _LARGEST_TEXT)))), credentials)
        if header[0] & _LAST:
            break
        stream.seek(size, 1)
    return FlacTexts(credentials=credentials)


def _skip_id3(stream: IO[bytes]) -> tuple[int, bool]:
    """Where the FLAC stream begins, and whether the tag in front of it holds credentials."""
    stream.seek(0)
    head = stream.read(10)
    if head[:3] != b"ID3" or len(head) < 10:
        return 0, False
    # Seven bits to a byte.
    size = sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(reversed(head[6:10])))
    return 10 + size, _CREDENTIALS in stream.read(min(size, _LARGEST_TEXT))


def _pack(vendor: str, comments: Mapping[str, str]) -> bytes:
    texts = [f"{name}={text}" for name, text in comments.items()]
    return _text(vendor) + len(texts).to_bytes(4, "little") + b"".join(map(_text, texts))


def _text(text: str) -> bytes:
    content = text.encode("utf-8", "replace")
    return len(content).to_bytes(4, "little") + content


def _unpack(content: bytes) -> Iterator[tuple[str, str]]:
    at = 4 + int.from_bytes(content[:4], "little") + 4
    while at + 4 <= len(content):
        size = int.from_bytes(content[at : at + 4], "little")
        name, _equals, text = content[at + 4 : at + 4 + size].decode("utf-8", "replace").partition("=")
        yield name.upper(), text
        at += 4 + size
