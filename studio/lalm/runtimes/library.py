"""The files of the studio that a host needs, and nothing else of it: the method, the contracts and the adapters.

They are copied into every runtime. The folder the window runs from would not do: beside an installed studio lie the
window's own torch and transformers, which must not be found before the runtime's.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from studio.errors import StudioError
from studio.lalm.runtimes.records import RuntimeRecord

_STUDIO = Path(__file__).resolve().parents[2]
_SINGLE = (
    "__init__.py", "atomic.py", "emotions.py", "errors.py", "paths.py", "progress.py", "audio/__init__.py",
    "audio/clip.py",
)  # fmt: skip
_WHOLE = ("esn", "lalm")
_LEFT_OUT = "training"

_UNPACK = """
import shutil, sys, tarfile
shutil.rmtree(sys.argv[1], ignore_errors=True)
tarfile.open(fileobj=sys.stdin.buffer, mode="r|").extractall(sys.argv[1])
"""


def pack() -> bytes:
    """A tar file of them, the same bytes for the same files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for path in sorted(_files()):
            content = path.read_bytes()
            entry = tarfile.TarInfo(f"studio/{path.relative_to(_STUDIO).as_posix()}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def send(record: RuntimeRecord) -> RuntimeRecord:
    """Put them into a runtime unless they are there already; returns what is then known of it. Raises StudioError."""
    packed = pack()
    digest = hashlib.sha256(packed).hexdigest()
    if record.code == digest:
        return record
    done = record.place.run([record.interpreter, "-c", _UNPACK, record.library], given=packed)
    if done.code != 0:
        raise StudioError(
            f"The studio's own files cannot be copied to '{record.library}' on {record.place.words}: {done.last_words}."
        )
    return replace(record, code=digest)


def _files() -> Iterator[Path]:
    yield from (_STUDIO / name for name in _SINGLE)
    for folder in _WHOLE:
        yield from (path for path in (_STUDIO / folder).rglob("*.py") if _LEFT_OUT not in path.parts)
