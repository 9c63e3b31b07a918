"""Making, renewing and deleting an environment, with venv and pip of the Python that is there."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from studio import atomic
from studio.errors import StudioError
from studio.lalm.entries import GB
from studio.lalm.runtimes import library
from studio.lalm.runtimes.check import greet, problem_of, renewed
from studio.lalm.runtimes.places import Finished, Place
from studio.lalm.runtimes.records import RuntimeRecord, find_record, runtime_folder
from studio.lalm.runtimes.specs import RuntimeSpec
from studio.progress import Progress, never, no_progress

INSTALL_SECONDS = 6 * 3600.0
_MADE, _COLLECTED, _INSTALLED = 0.05, 0.80, 0.95
"""Shares of the whole at which the bare environment, the downloads and the installation are done; guesses."""

_FETCHING = re.compile(r"(?:Collecting|Processing|Requirement already satisfied:)\s+(?:\S*/)?([^/\s]+)")
"""What pip writes when it comes to a package: its name, or the path of its file."""

_LOOK = """
import json, os, shutil, sys
home = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
place = folder = sys.argv[1] or os.path.join(home, "esn-studio", "runtimes", sys.argv[2])
while not os.path.exists(place):
    place = os.path.dirname(place)
found = {"version": sys.version_info[:3], "folder": folder, "free": shutil.disk_usage(place).free}
print(json.dumps(found))
"""

Say = Callable[[str], None]
"""Called with a few words about what is being done."""


class _Unfinished(StudioError):
    """All but a part is installed, and worth keeping."""


@dataclass(frozen=True)
class Site:
    """Where a runtime would be made: ``python`` that makes it, of ``version``; ``folder`` and ``free`` bytes there."""

    place: Place
    python: str
    version: tuple[int, int, int]
    folder: str
    free: int

    def in_words(self, spec: RuntimeSpec) -> str:
        """What making it needs, for the person who decides."""
        return (
            f"The environment of {spec.title} needs about {spec.disk / GB:.1f} GB in '{self.folder}' on "
            f"{self.place.words}, where {self.free / GB:.1f} GB are free; it is made with Python "
            f"{'.'.join(map(str, self.version))}."
        )


def survey(spec: RuntimeSpec, place: Place | None = None, python: str | None = None) -> Site:
    """Look for a Python that fits, and at the disk; ``python`` names one to use. Changes nothing.

    Raises StudioError when there is no such Python, too little room, or no reaching the machine.
    """
    place = place or Place()
    local = str(runtime_folder(spec.name)) if place.host is None else ""
    lowest, highest = spec.pythons
    names = [python] if python else [f"python3.{minor}" for minor in range(highest[1], lowest[1] - 1, -1)] + ["python3"]
    if python is None and place.host is None:
        names.insert(0, sys.executable)
    for name in names:
        done = place.run([name, "-c", _LOOK, local, spec.name])
        try:
            # Shells that greet, even where nobody reads it, do so first.
            found = json.loads(done.out.splitlines()[-1])
            major, minor, micro = found["version"]
        except (ValueError, LookupError, TypeError):
            continue
        if not lowest <= (major, minor) <= highest:
            continue
        site = Site(place, name, (major, minor, micro), found["folder"], found["free"])
        if site.free < spec.disk + GB and find_record(spec.name) is None:
            raise StudioError(f"{site.in_words(spec)} Make room for it, with 1 GB to spare.")
        return site
    looked = f"'{python}' is none" if python else f"looked for {', '.join(names)}"
    raise StudioError(
        f"The environment of {spec.title} needs Python {spec.python_range} on {place.words}; {looked}. Install it, or "
        "name one with --python."
    )


def create(
    spec: RuntimeSpec,
    site: Site,
    *,
    weights: str | None = None,
    progress: Progress = no_progress,
    cancelled: Callable[[], bool] = never,
    say: Say = lambda words: None,
) -> RuntimeRecord:
    """Make a runtime, go on with one whose making was interrupted, or renew and repair one.

    What fails or is cancelled while it is made for the first time leaves nothing behind but pip's own cache, so that
    the next attempt is quicker. What was installed stays when only one of those installed alone fails, and when a
    repair does: the next attempt goes on. ``weights``: see :class:`RuntimeRecord`. Raises Cancelled, and StudioError.
    """
    old = find_record(spec.name)
    if old is not None and old.host != site.place.host:
        raise StudioError(
            f"The environment of {spec.title} is on {old.place.words}; remove that one first: "
            f"esn-studio runtime remove {spec.name}"
        )
    record = old or RuntimeRecord(spec.name, site.place.host, site.folder, "")
    record = replace(record, weights=weights or record.weights)
    if old is not None and old.ready and old.pins == spec.digest and _works(spec, old):
        record = renewed(record)
        record.save()
        progress(1.0)
        return record
    record = replace(record, ready=False)
    record.save()
    try:
        say("making the environment")
        version = _bare(spec, site, record, cancelled)
        progress(_MADE)
        _install(spec, record, progress, cancelled, say)
        say("looking at what was made")
        record = library.send(replace(record, python=version, pins=spec.digest))
        wrong = problem_of(spec, greet(record, spec.adapter))
        if wrong is not None:
            raise StudioError(wrong)
    except _Unfinished:
        raise
    except BaseException:
        if old is None:
            with suppress(StudioError):  # what went wrong before is what has to be said
                delete(record)
        raise
    record = replace(record, ready=True)
    record.save()
    progress(1.0)
    return record


def remove(spec: RuntimeSpec) -> RuntimeRecord:
    """Delete a runtime; what was known of it. Raises StudioError, also when there is none."""
    record = find_record(spec.name)
    if record is None:
        folder = runtime_folder(spec.name)
        if not folder.exists():
            raise StudioError(f"The environment of {spec.title} is not made; there is nothing to remove.")
        record = RuntimeRecord(spec.name, None, str(folder), "")
    delete(record)
    return record


def delete(record: RuntimeRecord) -> None:
    """Delete an environment and what is known of it; its model's weights stay. Raises StudioError."""
    if record.host is not None:
        folders = [f"{record.folder}/env", f"{record.folder}/code"]
        done = record.place.run(["rm", "-rf", "--", *folders], seconds=INSTALL_SECONDS)
        if done.code != 0:
            raise StudioError(f"'{record.folder}' on {record.host} cannot be deleted: {done.last_words}.")
        record.place.run(["rmdir", "--", record.folder])
    folder = runtime_folder(record.name)
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as problem:
        raise StudioError(f"'{folder}' cannot be deleted: {atomic.reason(problem)}.") from problem


def _works(spec: RuntimeSpec, record: RuntimeRecord) -> bool:
    try:
        return problem_of(spec, greet(renewed(record), spec.adapter)) is None
    except StudioError:
        return False


def _bare(spec: RuntimeSpec, site: Site, record: RuntimeRecord, cancelled: Callable[[], bool]) -> str:
    """An environment with pip in it; returns the version of its Python."""
    version = ".".join(map(str, site.version))
    asked = [record.interpreter, "-m", "pip", "--version"]
    if record.place.run(asked, cancelled=cancelled).code == 0 and record.python in ("", version):
        return version
    made = record.place.run(
        [site.python, "-m", "venv", "--clear", f"{record.folder}/env"], seconds=INSTALL_SECONDS, cancelled=cancelled
    )
    if made.code != 0:
        raise StudioError(
            f"'{site.python}' cannot make an environment on {site.place.words}: {made.last_words}; on Debian its "
            f"package python{site.version[0]}.{site.version[1]}-venv may be missing."
        )
    return version


def _install(
    spec: RuntimeSpec, record: RuntimeRecord, progress: Progress, cancelled: Callable[[], bool], say: Say
) -> None:
    counted = 0

    def heard(line: str) -> None:
        nonlocal counted
        if found := _FETCHING.match(line):
            counted += 1
            share = min(1.0, counted / len(spec.requirements))
            progress(_MADE + (_COLLECTED - _MADE) * share)
            say(f"fetching {found[1]}")
        elif line.startswith("Installing collected packages"):
            progress(_COLLECTED)
            say("installing")

    if spec.requirements:
        done = _pip(record, spec.requirements, heard, cancelled)
        if done.code != 0:
            raise StudioError(f"The environment of {spec.title} cannot be made; pip says: {_pip_reason(done)}.")
    for number, requirement in enumerate(spec.alone):
        progress(_INSTALLED - (_INSTALLED - _COLLECTED) / 2 ** (number + 1))
        name = requirement.partition(" ")[0]
        say(f"installing {name}")
        done = _pip(record, ["--no-deps", "--no-build-isolation", requirement], None, cancelled)
        if done.code != 0:
            hint = f" {spec.hint}" if spec.hint else ""
            raise _Unfinished(
                f"The environment of {spec.title} is made but for {name}; pip says: {_pip_reason(done)}.{hint} What is "
                f"installed stays; go on with: esn-studio runtime create {spec.name}"
            )
    progress(_INSTALLED)


def _pip(
    record: RuntimeRecord,
    words: Sequence[str],
    on_line: Callable[[str], None] | None,
    cancelled: Callable[[], bool],
) -> Finished:
    return record.place.run(
        [record.interpreter, "-m", "pip", "install", "--no-input", "--progress-bar", "off", *words],
        environment={"PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONNOUSERSITE": "1"},
        seconds=INSTALL_SECONDS,
        on_line=on_line,
        cancelled=cancelled,
    )


def _pip_reason(done: Finished) -> str:
    lines = done.err.decode("utf-8", "replace").splitlines()
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    return errors[-1][:300].rstrip(".") if errors else done.last_words
