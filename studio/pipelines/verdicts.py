"""What people said about the conversions of a job: an append-only file beside the judge's record."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from studio import atomic
from studio.pipelines.records import JobError, read_document

VERDICTS = "verdicts.jsonl"


def record_verdict(work: Path, attempt_id: str, accepted: bool | None) -> None:
    """Add a person's verdict on the attempt called ``attempt_id`` (``Attempt.id``) of the job in ``work``.

    A later verdict on the same attempt replaces it, and None takes it back. It is on the disk once this returns; the
    job may be running meanwhile. Raises JobError when the folder is no job or cannot be written.
    """
    read_document(work)
    path = work / VERDICTS
    try:
        with path.open("a+b") as stream:
            stream.seek(0)
            content = stream.read()
            # The last line was never finished when a process was killed over it: nobody was told that it is kept.
            stream.truncate(content.rfind(b"\n") + 1)
            stream.write(_line(attempt_id, accepted))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise JobError(f"'{path}' cannot be written: {atomic.reason(error)}.") from error


def load_verdicts(work: Path) -> dict[str, bool]:
    """Attempt id -> whether a person accepted it; empty when nobody has said anything.

    Raises JobError when the file is damaged.
    """
    path = Path(work) / VERDICTS
    try:
        *lines, _ = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise JobError(f"'{path}' cannot be read: {atomic.reason(error)}.") from error
    verdicts: dict[str, bool] = {}
    for number, line in enumerate(lines, start=1):
        attempt_id, accepted = _verdict(line, number, path)
        if accepted is None:
            verdicts.pop(attempt_id, None)
        else:
            verdicts[attempt_id] = accepted
    return verdicts


def verdict_lines(verdicts: Mapping[str, bool]) -> bytes:
    """The verdicts as they stand in the file."""
    return b"".join(_line(attempt_id, accepted) for attempt_id, accepted in verdicts.items())


def _line(attempt_id: str, accepted: bool | None) -> bytes:
    return f"{json.dumps({'attempt': attempt_id, 'accepted': accepted})}\n".encode()


def _verdict(line: bytes, number: int, path: Path) -> tuple[str, bool | None]:
    try:
        document = json.loads(line)
        attempt_id, accepted = document["attempt"], document["accepted"]
    except (ValueError, TypeError, KeyError, RecursionError):
        attempt_id = accepted = ""
    if not isinstance(attempt_id, str) or not (accepted is None or isinstance(accepted, bool)):
        raise JobError(f"'{path}' is damaged in line {number}; remove that line.")
    return attempt_id, accepted
