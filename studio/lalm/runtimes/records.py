"""What is known here of a runtime that was made: one JSON file each in the user's data folder."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from studio import atomic
from studio.lalm.runtimes.places import Place
from studio.lalm.runtimes.specs import RuntimeSpec
from studio.paths import user_data_dir

FORMAT = "esn-studio runtime"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class RuntimeRecord:
    """A runtime and where it lies.

    ``folder`` is absolute, on the machine of ``host`` (None: this one). ``pins`` and ``code``: digests of what was
    installed and of the studio's own files there. ``ready``: it was made to its end. ``weights``: the folder of the
    model's weights on that machine, None where they lie in the cache of the hub.
    """

    name: str
    host: str | None
    folder: str
    python: str
    pins: str = ""
    code: str = ""
    ready: bool = False
    weights: str | None = None

    @property
    def place(self) -> Place:
        """The machine."""
        return Place(self.host)

    @property
    def interpreter(self) -> str:
        """The environment's Python."""
        if self.host is None and os.name == "nt":
            return str(Path(self.folder) / "env" / "Scripts" / "python.exe")
        return f"{self.folder}/env/bin/python"

    @property
    def library(self) -> str:
        """The folder that holds the studio's own files there."""
        return f"{self.folder}/code"

    def save(self) -> None:
        """Write it. Raises StudioError."""
        atomic.write_json(
            record_file(self.name), {"format": FORMAT, "version": FORMAT_VERSION, "runtime": asdict(self)}
        )


def runtime_folder(name: str) -> Path:
    """Where the record of a runtime lies, and the runtime itself when it is on this machine."""
    return user_data_dir() / "runtimes" / name


def record_file(name: str) -> Path:
    """The record's file."""
    return runtime_folder(name) / "runtime.json"


def find_record(name: str) -> RuntimeRecord | None:
    """What is known of a runtime; None when it was never made, or its record cannot be read."""
    try:
        document: Any = json.loads(record_file(name).read_bytes())
        if document["format"] != FORMAT or document["version"] != FORMAT_VERSION:
            return None
        record = RuntimeRecord(**document["runtime"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return record if record.name == name else None


def host_of(runtime: str) -> str | None:
    """The machine a runtime was made on, as ssh takes it; None for this one, or when there is no such runtime."""
    record = find_record(runtime)
    return None if record is None else record.host


def lacking(spec: RuntimeSpec) -> str | None:
    """Why a runtime cannot be started, by its record alone; None when that can be tried."""
    make = f"esn-studio runtime create {spec.name}"
    record = find_record(spec.name)
    if record is None:
        return f"It runs in an environment of its own, which is not made yet; run: {make}"
    if not record.ready:
        return f"The making of its environment was not finished; go on with: {make}"
    if record.pins != spec.digest:
        return f"Its environment holds other versions than this studio wants; renew it: {make}"
    return None
