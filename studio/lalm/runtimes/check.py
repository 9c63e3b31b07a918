"""Starting the host in a runtime, without a model, to see whether it would serve one."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from typing import Any

from studio.errors import StudioError
from studio.lalm import wire
from studio.lalm.runtimes.library import send
from studio.lalm.runtimes.records import RuntimeRecord, find_record, lacking
from studio.lalm.runtimes.specs import RuntimeSpec

GREETING_SECONDS = 600.0
"""Importing torch takes minutes on a slow disk or a machine with other work."""

_PIN = re.compile(r"([A-Za-z0-9._-]+)\s*(?:==\s*([^;\s]+)|@\s*\S+)")


@dataclass(frozen=True)
class Greeting:
    """What a host says before it loads a model (see ``greeting``); the defaults where it said nothing."""

    python: str = ""
    device: str | None = None
    adapter: str | None = None
    packages: dict[str, str] = field(default_factory=dict)
    weights: dict[str, Any] | None = None


def check(spec: RuntimeSpec) -> tuple[RuntimeRecord, Greeting]:
    """Start the host of a runtime that was made. Raises StudioError, in one sentence, for the first thing wrong."""
    wrong, record = lacking(spec), find_record(spec.name)
    if wrong is not None or record is None:
        raise StudioError(f"{spec.title} cannot be started. {wrong}")
    record = renewed(record)
    found = greet(record, spec.adapter)
    wrong = problem_of(spec, found)
    if wrong is not None:
        raise StudioError(wrong)
    return record, found


def renewed(record: RuntimeRecord) -> RuntimeRecord:
    """A runtime with this studio's own files in it, as after an update. Raises StudioError."""
    now = send(record)
    if now != record:
        now.save()
    return now


def greet(record: RuntimeRecord, adapter: str, environment: dict[str, str] | None = None) -> Greeting:
    """Start the host in a runtime and let it say what is there.

    Raises StudioError when it does not start, or speaks another version.
    """
    argv = [record.interpreter, "-m", "studio.lalm.host", "--greet", adapter]
    done = record.place.run(argv, environment=variables(record) | (environment or {}), seconds=GREETING_SECONDS)
    repair = f"repair it: esn-studio runtime create {record.name}"
    try:
        said = wire.read(io.BytesIO(done.out)) if done.code == 0 else None
    except wire.WireError:
        said = None
    if said is None or said["kind"] != "hello":
        raise StudioError(
            f"The host does not start in '{record.folder}' on {record.place.words} ({done.last_words}); {repair}"
        )
    if said.get("version") != wire.VERSION:
        raise StudioError(
            f"The host in '{record.folder}' speaks version {said.get('version')} of the protocol and this studio "
            f"{wire.VERSION}; {repair}"
        )
    try:
        packages = {normal(name): version for name, version in said["packages"].items()}
        return Greeting(said["python"], said["device"], said["adapter"], packages, said["weights"])
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise StudioError(f"The host in '{record.folder}' did not say what is there; {repair}") from problem


def problem_of(spec: RuntimeSpec, found: Greeting) -> str | None:
    """What a runtime's greeting shows to be wrong with it, in a sentence; None when nothing is."""
    repair = f"repair it: esn-studio runtime create {spec.name}"
    for requirement in spec.requirements + spec.alone:
        pin = _PIN.match(requirement)
        if pin is None or ";" in requirement:
            continue
        name, wanted = pin.groups()
        there = found.packages.get(normal(name))
        if there is None:
            return f"{name} is missing from the environment; {repair}"
        if wanted is not None and there.partition("+")[0] != wanted.partition("+")[0]:
            return f"The environment holds {name} {there} instead of {wanted}; {repair}"
    if found.adapter is not None:
        return f"The adapter of {spec.title} cannot be imported there ({found.adapter}); {repair}"
    return None


def variables(record: RuntimeRecord) -> dict[str, str]:
    """What every process in a runtime is started with: the studio's own files, and no way to fetch anything.

    Without PYTHONSAFEPATH the folder it happens to start in, a checkout of the studio perhaps, would come first.
    """
    return {
        "PYTHONPATH": record.library, "PYTHONSAFEPATH": "1", "PYTHONNOUSERSITE": "1", "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }  # fmt: skip


def normal(name: str) -> str:
    """A package's name as it is compared. Source: https://peps.python.org/pep-0503/#normalized-names"""
    return re.sub(r"[-_.]+", "-", name).lower()
