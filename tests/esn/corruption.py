"""Ways a file can be broken."""

from __future__ import annotations

import json
import struct
from typing import Any

from hypothesis import strategies as st


def container(header: Any, body: bytes = b"") -> bytes:
    """A safetensors file with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def described(document: str, **tensors: Any) -> bytes:
    """A file whose metadata holds ``document``, and tensors that are described but not there."""
    return container({"__metadata__": {"esn": document}, **tensors})


FOREIGN: dict[str, bytes] = {
    "zero bytes": b"",
    "text": b"this is no mask\n" * 100,
    "wave": b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(200),
    "header length 2^63": struct.pack("<Q", 2**63) + b"{}",
    "header longer than the file": struct.pack("<Q", 90_000_000) + b"{}",
    "header not UTF-8": container(b"\xff\xfe{}"),
    "header no object": container([1]),
    "header nested": container(b'{"a":' + b"[" * 100_000),
    "no metadata": container({}),
    "metadata no string": container({"__metadata__": {"esn": 3}}),
    "document no JSON": described("{"),
    "document null": described("null"),
    "document nested": described("[" * 100_000),
    "document infinite": described('{"widths": [4], "rate": 1e999}'),
    "document not a number": described('{"widths": [4], "rate": NaN}'),
    "document half a character": described('{"widths": [4], "judge": "\\ud800"}'),
    "no widths": described("{}"),
    "widths no list": described('{"widths": 4}'),
    "widths empty": described('{"widths": []}'),
    "widths negative": described('{"widths": [4, -1]}'),
    "widths true": described('{"widths": [true]}'),
    "widths fractional": described('{"widths": [1.5]}'),
    "widths enormous": described('{"widths": [' + "9" * 30 + "]}"),
    "widths of 5000 digits": described('{"widths": [' + "9" * 5000 + "]}"),
    "widths without tensors": described('{"widths": [4]}'),
    "newer format": described('{"widths": [4], "format": 99}'),
    "format no number": described('{"widths": [4], "format": "one"}'),
    "offsets outside": described(
        '{"widths": [4]}', **{"active.happy": {"dtype": "I64", "shape": [4], "data_offsets": [0, 2**60]}}
    ),
    "shape overflows": described(
        '{"widths": [4]}', **{"active.happy": {"dtype": "I64", "shape": [2**62, 2**62], "data_offsets": [0, 0]}}
    ),
    "dtype unknown": described(
        '{"widths": [4]}', **{"active.happy": {"dtype": "Q7", "shape": [4], "data_offsets": [0, 0]}}
    ),
}
"""Files that are neither masks nor statistics, or only pretend to be."""


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """The file cut short, with bytes changed, or with bytes added."""
    data = bytearray(whole)
    match draw(st.sampled_from(("cut", "change", "change header", "insert"))):
        case "cut":
            del data[draw(st.integers(0, len(data) - 1)) :]
        case "change":
            for place in draw(st.lists(st.integers(0, len(data) - 1), min_size=1, max_size=8)):
                data[place] = draw(st.integers(0, 255))
        case "change header":
            header = min(len(data), 8 + int.from_bytes(whole[:8], "little"))
            for place in draw(st.lists(st.integers(0, header - 1), min_size=1, max_size=4)):
                data[place] ^= 1 << draw(st.integers(0, 7))
        case _:
            place = draw(st.integers(0, len(data)))
            data[place:place] = draw(st.binary(min_size=1, max_size=40))
    return bytes(data)
