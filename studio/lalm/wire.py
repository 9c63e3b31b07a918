"""Frames between the window and a host process: a big-endian uint32 length, then one msgpack map.

Arrays travel as extension 1: (dtype, shape, raw little-endian bytes). Nothing in a frame is ever executed.
"""

from __future__ import annotations

import struct
from typing import IO, Any

import msgpack
import numpy as np

from studio.errors import StudioError

VERSION = 4
"""Of the protocol; both sides must speak the same."""

LIMIT = 256 * 2**20
"""Bytes in the largest frame that is read or written."""

_LENGTH = struct.Struct(">I")
_ARRAY = 1
_KINDS = {"<f4", "<f8", "<i4", "<i8"}


class WireError(StudioError):
    """What came over the pipe is no frame."""


def write(stream: IO[bytes], message: dict[str, Any]) -> None:
    """Send one message and flush. Raises WireError when it is larger than LIMIT, OSError when nobody reads."""
    body = msgpack.packb(message, default=_pack)
    if len(body) > LIMIT:
        raise WireError(f"A message of {len(body) / 2**20:.0f} MiB is too large to send; convert fewer clips at once.")
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()


def read(stream: IO[bytes]) -> dict[str, Any] | None:
    """The next message; None at the end of the stream. Raises WireError for anything that is not a whole frame."""
    head = stream.read(_LENGTH.size)
    if not head:
        return None
    if len(head) < _LENGTH.size:
        raise WireError("The stream ended inside of a message.")
    (length,) = _LENGTH.unpack(head)
    if length > LIMIT:
        raise WireError("Something other than messages was written into the stream.")
    body = stream.read(length)
    if len(body) < length:
        raise WireError("The stream ended inside of a message.")
    try:
        message = msgpack.unpackb(body, ext_hook=_unpack)
    except WireError:
        raise
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as problem:
        raise WireError("Something other than messages was written into the stream.") from problem
    if not isinstance(message, dict) or not isinstance(message.get("kind"), str):
        raise WireError("A message in the stream does not say what it is.")
    return message


def _pack(value: object) -> object:
    if isinstance(value, np.ndarray):
        plain = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
        return msgpack.ExtType(_ARRAY, msgpack.packb((plain.dtype.str, plain.shape, plain.tobytes())))
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} does not travel")


def _unpack(code: int, data: bytes) -> object:
    if code != _ARRAY:
        raise WireError("A message in the stream holds a value of an unknown kind.")
    dtype, shape, raw = msgpack.unpackb(data)
    if dtype not in _KINDS:
        raise WireError("A message in the stream holds an array of an unknown kind.")
    return np.frombuffer(raw, dtype).reshape(shape).copy()
