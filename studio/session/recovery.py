"""Work that was never saved: kept as projects under the user's data until it is saved or grows old."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from studio.errors import StudioError
from studio.paths import user_data_dir
from studio.pipelines.locks import FolderLock
from studio.session.project import SUFFIX, read_document

KEPT = 10
"""How many unsaved sessions are kept; older ones are deleted when another begins."""


@dataclass(frozen=True)
class Recoverable:
    """Unsaved work: where it is, when it was last written (local time), and how many takes it holds."""

    path: Path
    saved: datetime
    takes: int

    @property
    def question(self) -> str:
        """``7 takes of 14:03``, with the day where it was not today."""
        today = self.saved.date() == datetime.now().astimezone().date()
        moment = f"{self.saved:%H:%M}" if today else f"{self.saved:%Y-%m-%d %H:%M}"
        return f"{self.takes} take{'' if self.takes == 1 else 's'} of {moment}"


def recovery_dir() -> Path:
    """Where unsaved work lies (not created here)."""
    return user_data_dir() / "recovery"


def new_session() -> Path:
    """A folder for work that has no name yet (not created here)."""
    return recovery_dir() / f"{datetime.now():%Y%m%d-%H%M%S-%f}-{os.getpid()}{SUFFIX}"


def is_unsaved(path: Path) -> bool:
    """Whether ``path`` is unsaved work rather than a project with a place of its own."""
    return path.parent == recovery_dir()


def recoverable() -> list[Recoverable]:
    """Unsaved work that no window holds and that has takes, the newest first."""
    found = []
    for path in _sessions():
        try:
            document = read_document(path)
            saved = datetime.fromisoformat(document["saved"]).astimezone()
            takes = len(document["takes"])
        except (StudioError, KeyError, TypeError, ValueError):
            continue
        if takes and not is_held(path):
            found.append(Recoverable(path, saved, takes))
    return found


def discard(path: Path) -> None:
    """Delete unsaved work that is not needed any more; a folder elsewhere is left alone."""
    if is_unsaved(path):
        shutil.rmtree(path, ignore_errors=True)


def prune() -> None:
    """Delete all but the newest unsaved sessions; those a window holds stay."""
    for path in _sessions()[KEPT:]:
        if not is_held(path):
            discard(path)


def _sessions() -> list[Path]:
    return sorted(recovery_dir().glob(f"*{SUFFIX}"), reverse=True)


def is_held(path: Path) -> bool:
    """Whether some window has the project open."""
    lock = FolderLock(path)
    try:
        if not lock.acquire():
            return True
    except OSError:
        return False
    lock.release()
    return False
