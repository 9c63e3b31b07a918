"""Projects: a folder with ``project.json`` and the sound of every take and source, kept bit for bit.

Everything in the folder is named relative to it, so it can be moved. Masks stay where they are; they are named by path
and fingerprint. Reading trusts nothing: what is wrong with a project is one sentence.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from studio.atomic import reason
from studio.audio.clip import Clip
from studio.audio.files import load_clip
from studio.errors import StudioError
from studio.esn.mask import EsnMask
from studio.paths import masks_dir
from studio.session.records import read_take, text, whole
from studio.session.take import Take

SUFFIX = ".esnstudio"
DOCUMENT = "project.json"
FORMAT = "esn-studio project"
FORMAT_VERSION = 1

_LARGEST_DOCUMENT = 1 << 28
_WRONG = (KeyError, TypeError, ValueError, AttributeError, OverflowError, StudioError)


@dataclass(frozen=True, eq=False)
class ProjectSource:
    """A recording: its clip, the title it is shown by, its transcript, and whether it is a demo line.

    One that is not ``listed`` was closed, and is kept for its takes.
    """

    clip: Clip
    title: str
    reference: str | None = None
    demo: bool = False
    listed: bool = True


@dataclass(frozen=True, eq=False)
class NumberedTake:
    """A take by the number people know it by."""

    number: int
    take: Take


@dataclass(frozen=True)
class MaskReference:
    """A mask by where it was read from and what is in it."""

    path: str
    fingerprint: str


@dataclass(frozen=True, eq=False)
class Project:
    """What a project holds.

    Every take's source is among ``sources``, of which ``source`` (an index) is open. ``panel`` are the values of the
    steering panel, as JSON; ``mask`` is the one in use. ``lanes`` names takes by number.
    """

    takes: tuple[NumberedTake, ...] = ()
    sources: tuple[ProjectSource, ...] = ()
    source: int | None = None
    panel: Mapping[str, Any] = field(default_factory=dict)
    mask: MaskReference | None = None
    lanes: Mapping[str, int] = field(default_factory=dict)
    locks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Opened:
    """A project that was read: where its masks were found, by fingerprint, and what is wrong, a sentence for each.

    ``unread`` are the records of takes and sources whose sound is missing or damaged, to be kept as they are.
    ``files`` says which file holds a clip, relative to the folder.
    """

    project: Project
    masks: Mapping[str, Path]
    problems: tuple[str, ...]
    unread: Mapping[str, list[dict[str, Any]]]
    files: Mapping[Clip, str]


def project_folder(path: Path) -> Path:
    """The project's folder when ``path`` is it, or the document in it."""
    return path.parent if path.name == DOCUMENT else path


def read_project(path: Path) -> Opened:
    """Read the project at ``path`` (its folder, or ``project.json`` in it).

    Takes whose sound or source cannot be read, and masks that are not found, are left out and named among the
    problems. Raises StudioError when the project as a whole cannot be read.
    """
    folder = project_folder(path)
    document = read_document(folder)
    try:
        return _Reader(folder, document).read()
    except _WRONG as error:
        raise StudioError(
            f"The project '{folder.name}' is damaged ({type(error).__name__}: {str(error)[:120]}); open a copy of it."
        ) from error


def read_document(folder: Path) -> dict[str, Any]:
    """``project.json`` of a folder; raises StudioError when there is none, or none this version can read."""
    document = folder / DOCUMENT
    if not folder.is_dir():
        wrong = "is not a project folder" if folder.exists() else "does not exist"
        raise StudioError(f"'{folder}' {wrong}; choose a folder whose name ends in {SUFFIX}.")
    try:
        if not document.is_file():
            raise StudioError(f"'{folder.name}' holds no {DOCUMENT}, so it is no project of ESN Studio.")
        if document.stat().st_size > _LARGEST_DOCUMENT:
            raise StudioError(f"'{document}' is far too large to be a project of ESN Studio.")
        content: Any = json.loads(document.read_bytes(), parse_constant=_refuse)
    except OSError as error:
        raise StudioError(f"'{document}' cannot be read: {reason(error)}.") from error
    except (ValueError, RecursionError) as error:
        raise StudioError(f"'{document}' is damaged or cut short; open a copy of the project.") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise StudioError(f"'{document}' was not written by ESN Studio; choose another project.")
    version = content.get("version")
    if not isinstance(version, int) or version < 1:
        raise StudioError(f"'{document}' is damaged: its version is {str(version)[:40]!r}.")
    if version > FORMAT_VERSION:
        raise StudioError(
            f"The project '{folder.name}' was written by a newer ESN Studio (format {version}; this one reads up to "
            f"{FORMAT_VERSION}); update ESN Studio to open it."
        )
    return content


def find_mask(reference: MaskReference, folder: Path, relative: str | None = None) -> Path | None:
    """Where the mask is now: where it was, as far from the project as it was, or among the masks; None if nowhere."""
    candidates = [Path(reference.path)]
    if relative:
        candidates.append(folder / relative)
    candidates.append(masks_dir() / Path(reference.path).name)
    for candidate in candidates:
        try:
            if candidate.is_file() and EsnMask.load(candidate).fingerprint() == reference.fingerprint:
                return candidate
        except (StudioError, OSError):
            continue
    return None


class _Reader:
    """Reads one project; a clip that several takes share is read once."""

    def __init__(self, folder: Path, document: Mapping[str, Any]) -> None:
        self._folder = folder
        self._document = document
        self._files: dict[Clip, str] = {}
        self._unread: dict[str, list[dict[str, Any]]] = {"takes": [], "sources": []}
        self._left_out: list[str] = []
        self._reason = ""

    def read(self) -> Opened:
        document = self._document
        sources = self._sources(document["sources"])
        takes = self._takes(document["takes"], sources)
        numbers = {take.number for take in takes}
        masks, problems = self._masks(document["masks"], takes)
        if self._left_out:
            problems.insert(0, self._lost())
        in_use = document["mask"]
        opened = document["source"]
        project = Project(
            takes=tuple(takes),
            sources=tuple(sources.values()),
            source=list(sources).index(opened) if opened in sources else None,
            panel=dict(document["panel"]),
            mask=None if in_use is None else MaskReference(text(document["masks"][in_use]["path"]), text(in_use)),
            lanes={lane: number for lane, number in document["lanes"].items() if whole(number) in numbers},
            locks=tuple(text(lane) for lane in document["locks"]),
        )
        return Opened(project, masks, tuple(problems), self._unread, self._files)

    def _sources(self, records: Iterable[dict[str, Any]]) -> dict[str, ProjectSource]:
        sources: dict[str, ProjectSource] = {}
        for record in records:
            name = text(record["sha256"])
            reference = None if record["reference"] is None else text(record["reference"])
            title, demo, listed = text(record["title"]), bool(record["demo"]), bool(record.get("listed", True))
            clip = self._clip(record)
            if clip is None:
                self._unread["sources"].append(record)
            else:
                sources[name] = ProjectSource(clip, title, reference, demo, listed)
        return sources

    def _takes(self, records: Iterable[dict[str, Any]], sources: Mapping[str, ProjectSource]) -> list[NumberedTake]:
        takes: dict[int, NumberedTake] = {}
        for record in records:
            number = whole(record["number"])
            if number < 1 or number in takes:
                raise ValueError(f"take number {number}")
            source = sources.get(text(record["source"]))
            audio = self._clip(record["audio"]) if source is not None else None
            if source is None or audio is None:
                self._unread["takes"].append(record)
                self._left_out.append(str(number))
            else:
                takes[number] = NumberedTake(number, read_take(record, source.clip, audio))
        return [takes[number] for number in sorted(takes)]

    def _clip(self, record: Mapping[str, Any]) -> Clip | None:
        """The clip a record names; None when it is missing or not what it was."""
        name, file, digest = text(record["name"]), text(record["file"]), text(record["sha256"])
        if not file:
            # A model may answer with no sound at all; no sound file holds that.
            return Clip(np.zeros(0, dtype=np.float32), max(1, whole(record["rate"])), name)
        path = (self._folder / file).resolve()
        if not path.is_relative_to(self._folder.resolve()):
            raise ValueError(f"'{file[:80]}' lies outside the project")
        try:
            read = load_clip(path)
        except StudioError as error:
            self._reason = self._reason or str(error)
            return None
        clip = Clip(read.samples, read.rate, name)
        if clip.fingerprint() != digest:
            self._reason = self._reason or f"'{path.name}' is not what was saved."
            return None
        self._files[clip] = file
        return clip

    def _lost(self) -> str:
        which = "Take" if len(self._left_out) == 1 else "Takes"
        verb = "was" if len(self._left_out) == 1 else "were"
        return f"{which} {', '.join(self._left_out)} of '{self._folder.name}' {verb} left out: {self._reason}"

    def _masks(
        self, records: Mapping[str, Mapping[str, Any]], takes: list[NumberedTake]
    ) -> tuple[dict[str, Path], list[str]]:
        found: dict[str, Path] = {}
        problems = []
        for fingerprint, record in records.items():
            reference = MaskReference(text(record["path"]), fingerprint)
            relative = None if record["relative"] is None else text(record["relative"])
            place = find_mask(reference, self._folder, relative)
            if place is not None:
                found[fingerprint] = place
                continue
            made = sum(each.take.settings.mask_sha == fingerprint for each in takes)
            count = "1 take that was" if made == 1 else f"{made} takes that were"
            problems.append(
                f"The mask '{Path(reference.path).name}' is not there as it was; the {count} made with it can be "
                "heard, but not rendered again."
            )
        return found, problems


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")
