"""A project on disk: written a take at a time, held by one window."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import studio
from studio.atomic import reason, write_json
from studio.audio.clip import Clip
from studio.errors import StudioError
from studio.pipelines.locks import FolderLock
from studio.session.lossless import save_lossless
from studio.session.project import (
    DOCUMENT,
    FORMAT,
    FORMAT_VERSION,
    MaskReference,
    NumberedTake,
    Opened,
    Project,
    ProjectSource,
    project_folder,
    read_project,
)
from studio.session.records import take_record


class ProjectFolder:
    """Writes a project into ``path``; only what is new since the last save is written.

    Nothing is created before the first ``save``. From then on, or from ``open``, the folder is locked until ``close``.
    Not for several threads at once.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: FolderLock | None = None
        # Weak: sound of a take that was deleted for good does not stay in memory because it is on disk.
        self._files: WeakKeyDictionary[Clip, str] = WeakKeyDictionary()
        self._digests: WeakKeyDictionary[Clip, str] = WeakKeyDictionary()
        self._written: set[str] = set()
        self._unread: dict[str, list[dict[str, Any]]] = {"takes": [], "sources": []}

    @classmethod
    def open(cls, path: Path) -> tuple[ProjectFolder, Opened]:
        """Open the project at ``path`` to go on with it.

        Raises StudioError as ``read_project`` does, and when another window holds it.
        """
        folder = cls(project_folder(path))
        if (folder.path / DOCUMENT).is_file():
            folder._hold()
        try:
            opened = read_project(folder.path)
        except BaseException:
            folder.close()
            raise
        folder._files = WeakKeyDictionary(opened.files)
        folder._written = set(opened.files.values())
        folder._unread = {kind: list(records) for kind, records in opened.unread.items()}
        return folder, opened

    def create(self) -> None:
        """Make the folder; raises StudioError when something of that name is there, or it cannot be made."""
        try:
            self.path.mkdir(parents=True)
        except FileExistsError as error:
            raise StudioError(f"'{self.path}' exists already; choose another name.") from error
        except OSError as error:
            raise StudioError(f"'{self.path}' cannot be made: {reason(error)}; choose another place.") from error
        self._hold()

    def save(self, project: Project) -> None:
        """Write what is new, then ``project.json`` in one go: a crash leaves the state before or after, none between.

        Raises StudioError when the folder cannot be written or another window holds it.
        """
        if self._lock is None:
            self.create()
        elif not self.path.is_dir():
            raise StudioError(
                f"The project '{self.path.name}' is not in '{self.path.parent}' any more, so nothing is saved; put it "
                "back there, or save it as another."
            )
        sources = [self._source(source) for source in project.sources]
        takes = [self._take(numbered) for numbered in project.takes]
        numbers = {record["number"] for record in takes}
        takes += [record for record in self._unread["takes"] if record["number"] not in numbers]
        document = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "tool": {"name": "ESN Studio", "version": studio.__version__},
            "saved": datetime.now(UTC).isoformat(timespec="seconds"),
            "sources": sources + self._unread["sources"],
            "source": None if project.source is None else self._digest(project.sources[project.source].clip),
            "masks": self._masks(project),
            "mask": None if project.mask is None else project.mask.fingerprint,
            "panel": dict(project.panel),
            "lanes": dict(project.lanes),
            "locks": list(project.locks),
            "takes": takes,
        }
        write_json(self.path / DOCUMENT, document)

    def sweep(self, project: Project) -> None:
        """Delete the sound of takes and sources this folder held and ``project`` does not."""
        kept = {source.clip for source in project.sources} | {each.take.audio for each in project.takes}
        files = {self._files[clip] for clip in kept if clip in self._files}
        for file in self._written - files:
            (self.path / file).unlink(missing_ok=True)
        self._written &= files

    def close(self) -> None:
        """Let the folder go; may be called again."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _hold(self) -> None:
        lock = FolderLock(self.path)
        try:
            held = lock.acquire()
        except OSError as error:
            raise StudioError(f"'{self.path}' cannot be written to: {reason(error)}.") from error
        if not held:
            raise StudioError(f"The project '{self.path.name}' is open in another window; close it there first.")
        self._lock = lock

    def _source(self, source: ProjectSource) -> dict[str, Any]:
        about = {"title": source.title, "reference": source.reference, "demo": source.demo, "listed": source.listed}
        return about | self._clip(source.clip, "sources", self._digest(source.clip)[:16])

    def _take(self, numbered: NumberedTake) -> dict[str, Any]:
        take = numbered.take
        audio = self._clip(take.audio, "takes", f"{numbered.number:04d}-{take.id[:8]}")
        return {"number": numbered.number, "source": self._digest(take.source), "audio": audio} | take_record(take)

    def _clip(self, clip: Clip, kind: str, stem: str) -> dict[str, Any]:
        file = self._write(clip, kind, stem) if len(clip.samples) else ""
        return {"name": clip.name, "file": file, "sha256": self._digest(clip), "rate": clip.rate}

    def _write(self, clip: Clip, kind: str, stem: str) -> str:
        """The clip's file, relative to the folder, written if it is not there."""
        file = self._files.get(clip)
        if file is not None and (self.path / file).exists():
            return file
        folder = self.path / kind
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise StudioError(f"'{folder}' cannot be made: {reason(error)}.") from error
        file = save_lossless(folder, stem, clip).relative_to(self.path).as_posix()
        self._files[clip] = file
        self._written.add(file)
        return file

    def _digest(self, clip: Clip) -> str:
        if clip not in self._digests:
            self._digests[clip] = clip.fingerprint()
        return self._digests[clip]

    def _masks(self, project: Project) -> dict[str, dict[str, Any]]:
        made_with = [each.take.settings for each in project.takes]
        references = [
            MaskReference(settings.mask_path, settings.mask_sha)
            for settings in made_with
            if settings.mask_path is not None and settings.mask_sha is not None
        ]
        references += [project.mask] if project.mask is not None else []
        return {
            each.fingerprint: {"path": each.path, "relative": self._relative(Path(each.path))} for each in references
        }

    def _relative(self, path: Path) -> str | None:
        try:
            return Path(os.path.relpath(path, self.path)).as_posix()
        except ValueError:
            # On another drive there is no way from here to there.
            return None
