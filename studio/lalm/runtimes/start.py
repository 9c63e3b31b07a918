"""Loading a model of the catalog in its runtime."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from studio.errors import StudioError
from studio.lalm import assignment, consent
from studio.lalm.entries import ModelFacts
from studio.lalm.hosted import HostedLALM
from studio.lalm.runtimes.check import greet, renewed, variables
from studio.lalm.runtimes.records import RuntimeRecord, find_record, lacking
from studio.lalm.runtimes.specs import find_runtime
from studio.progress import never


def start(facts: ModelFacts, cancelled: Callable[[], bool] = never) -> HostedLALM:
    """Start the host of a model, and load the model there.

    Raises StudioError in one sentence, from here or from the host: no runtime, no consent to the model's code, no
    weights, no device, no reaching the machine; Cancelled when asked to stop.
    """
    record = renewed(_record(facts))
    agreed = consent.agreed(facts.name, facts.agreed_revision)
    assigned = assignment.variables(facts.repo, facts.revision, record.weights, agreed)
    command, environment = record.place.command(
        [record.interpreter, "-m", "studio.lalm.host", facts.loader], variables(record) | assigned
    )
    return HostedLALM(command, facts.title, environment=environment, cancelled=cancelled)


def code_there(facts: ModelFacts) -> consent.CodeOffer:
    """The code a model brings along, as the machine of its runtime tells it. Raises StudioError."""
    record = renewed(_record(facts))
    found = greet(
        record,
        find_runtime(facts.runtime).adapter,
        assignment.variables(facts.repo, facts.revision, record.weights, None),
    ).weights
    if found is not None and found["whole"] and found["problem"] is not None:
        raise StudioError(f"On {record.place.words}: {found['problem']}")
    if found is None or not found["whole"]:
        where = "" if found is None else f" in '{found['folder']}'"
        raise StudioError(
            f"There are no whole weights of {facts.title}{where} on {record.place.words}; {fetching(facts, record)}"
        )
    return consent.CodeOffer(
        facts.name, facts.title, str(facts.repo), facts.agreed_revision, Path(found["folder"]), found["digest"],
        tuple(found["files"]), found["size"],
    )  # fmt: skip


def fetching(facts: ModelFacts, record: RuntimeRecord) -> str:
    """What to run on the machine of a runtime to get its model's weights into the hub's cache there."""
    program = str(PurePosixPath(record.interpreter).parent / "hf")
    own = [str(facts.repo), *(("--revision", facts.revision) if facts.revision else ())]
    commands = [shlex.join([program, "download", *words]) for words in (*([name] for name in facts.companions), own)]
    return f"there, run: {' && '.join(commands)}"


def _record(facts: ModelFacts) -> RuntimeRecord:
    wrong, record = lacking(find_runtime(facts.runtime)), find_record(facts.runtime)
    if wrong is not None or record is None:
        raise StudioError(f"{facts.title} cannot be loaded. {wrong}")
    return record
