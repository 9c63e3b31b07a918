"""Transcript files in whatever encoding they come."""

from __future__ import annotations

import codecs
from pathlib import Path

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_UTF16_SHARE = 0.3
_GB_SHARE = 0.4


def read_text(path: Path) -> str:
    """The text of ``path``: UTF-8, UTF-16 with or without a byte order mark, GB 2312, or else Windows' ISO-8859-1.

    Raises OSError when the file cannot be read.
    """
    return decode(path.read_bytes())


def decode(content: bytes) -> str:
    """``content`` as text; see ``read_text``. What cannot be decoded becomes the replacement character."""
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    # Latin letters in UTF-16 have a zero for every other byte; no other text has zeros.
    zeros = (content[0::2].count(0), content[1::2].count(0))
    if max(zeros) > _UTF16_SHARE * len(content) / 2:
        return content.decode("utf-16-le" if zeros[1] > zeros[0] else "utf-16-be", errors="replace")
    # Half of ESD's Mandarin speakers are in GB 2312, where most bytes are beyond ASCII as they are in no Western text;
    # what is called ISO-8859-1 has Windows' quotation marks where that has control characters.
    mandarin = sum(byte > 0x7F for byte in content) > _GB_SHARE * len(content)
    for encoding in ("utf-8", *(["gb2312"] if mandarin else []), "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("iso-8859-1")
