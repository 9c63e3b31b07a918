"""An utterance, a corpus of them, and what tells two corpora apart."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from studio.atomic import reason
from studio.audio.files import SUFFIXES
from studio.errors import StudioError


@dataclass(frozen=True)
class Utterance:
    """One recorded line.

    ``utterance`` numbers the line that is spoken, alike across speakers and emotions where the corpus is parallel;
    ``emotion`` is one of the five; ``text`` is the transcript, None where the corpus has none.
    """

    speaker: str
    utterance: int
    emotion: str
    path: Path
    text: str | None

    @property
    def key(self) -> str:
        """Names the recording inside its corpus, wherever the corpus lies."""
        return f"{self.speaker}/{self.utterance:06d}/{self.emotion}/{self.path.stem}"


class ProblemKind(StrEnum):
    """What can be wrong with a file of a corpus."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    NO_TRANSCRIPT = "no-transcript"
    TOO_SHORT = "too-short"
    TOO_LONG = "too-long"
    SILENT = "silent"
    CLIPPED = "clipped"
    DUPLICATE = "duplicate"


@dataclass(frozen=True)
class Problem:
    """Something wrong with ``path``, none of it fatal; ``detail`` is a sentence that names it."""

    path: Path
    kind: ProblemKind
    detail: str


@dataclass(frozen=True)
class Corpus:
    """What a reader found.

    ``left_out`` counts recordings by the name of an emotion that is none of the five; ``problems`` say what could not
    be read; ``passed_over`` counts sound files whose names mean nothing in this layout. None of it is fatal.
    """

    layout: str
    root: Path
    utterances: tuple[Utterance, ...]
    left_out: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    problems: tuple[Problem, ...] = ()
    passed_over: int = 0


class CorpusError(StudioError):
    """A folder that is no corpus, or holds nothing that can be used."""


def audio_files(root: Path) -> tuple[list[Path], list[Problem]]:
    """Every sound file below ``root`` by its suffix, sorted, and the folders that cannot be read.

    Hidden files and folders are passed over (macOS leaves ``._name.wav`` companions beside copied files).
    """
    found: list[Path] = []
    problems: list[Problem] = []

    def note(error: OSError) -> None:
        problems.append(unreadable(Path(error.filename), error))

    for folder, below, names in os.walk(root, onerror=note):
        below[:] = sorted(name for name in below if not name.startswith("."))
        found += [
            Path(folder, name) for name in sorted(names) if not name.startswith(".") and name.lower().endswith(SUFFIXES)
        ]
    return found, problems


def corpus_fingerprint(utterances: Iterable[Utterance]) -> str:
    """SHA-256, as hex, over speakers, line numbers, emotions, transcripts and the bytes of the recordings.

    Neither where the corpus lies nor the order of ``utterances`` enters it. A recording that cannot be read enters as
    such.
    """
    return fingerprint_of(corpus_entries(utterances))


def corpus_entries(utterances: Iterable[Utterance]) -> list[str]:
    """What of each utterance enters the fingerprint, sorted: its key, its transcript and the hash of its recording."""
    entries = []
    for each in utterances:
        try:
            with each.path.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError:
            content = "unreadable"
        entries.append("\t".join((each.key, each.text or "", content)))
    return sorted(entries)


def fingerprint_of(entries: Iterable[str]) -> str:
    """The fingerprint of the corpus that has these ``corpus_entries``."""
    return hashlib.sha256("\n".join(sorted(entries)).encode("utf-8", "surrogateescape")).hexdigest()


def unreadable(path: Path, error: OSError) -> Problem:
    """The problem that ``path`` cannot be read, in the system's words."""
    return Problem(path, ProblemKind.UNREADABLE, f"'{path}' cannot be read: {reason(error)}.")


def require_folder(root: Path) -> None:
    """Raises CorpusError unless ``root`` is a folder that can be read."""
    try:
        with os.scandir(root):
            return
    except FileNotFoundError:
        raise CorpusError(f"There is no corpus folder '{root}'; check the path.") from None
    except NotADirectoryError:
        raise CorpusError(f"'{root}' is a file; name the corpus folder.") from None
    except OSError as error:
        raise CorpusError(f"The corpus folder '{root}' cannot be read: {reason(error)}.") from error


def is_file(path: Path) -> bool:
    """Whether ``path`` is a file, as far as that may be known."""
    try:
        return path.is_file()
    except OSError:
        return False


def by_speaker(utterances: Sequence[Utterance]) -> dict[str, list[Utterance]]:
    """Utterances of each speaker, speakers by name, each in order of lines."""
    ordered = sorted(utterances, key=lambda each: (each.speaker, each.utterance, each.emotion, each.path.name))
    speakers: dict[str, list[Utterance]] = {}
    for each in ordered:
        speakers.setdefault(each.speaker, []).append(each)
    return speakers
