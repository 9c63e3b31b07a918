"""An utterance, a corpus of them, and what tells two corpora apart."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

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


@dataclass(frozen=True)
class Corpus:
    """What a reader found.

    ``left_out`` counts recordings by the name of an emotion that is none of the five; ``problems`` are sentences about
    what could not be read. Neither is fatal.
    """

    layout: str
    root: Path
    utterances: tuple[Utterance, ...]
    left_out: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    problems: tuple[str, ...] = ()


class CorpusError(StudioError):
    """A folder that is no corpus, or holds nothing that can be used."""


def audio_files(root: Path) -> tuple[list[Path], list[str]]:
    """Every sound file below ``root`` by its suffix, sorted, and a sentence per folder that cannot be read.

    Hidden files and folders are passed over (macOS leaves ``._name.wav`` companions beside copied files).
    """
    found: list[Path] = []
    problems: list[str] = []

    def unreadable(error: OSError) -> None:
        problems.append(f"'{error.filename}' cannot be read: {(error.strerror or 'unknown reason').lower()}.")

    for folder, below, names in os.walk(root, onerror=unreadable):
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


def require_folder(root: Path) -> None:
    """Raises CorpusError unless ``root`` is a folder."""
    if not root.exists():
        raise CorpusError(f"There is no corpus folder '{root}'; check the path.")
    if not root.is_dir():
        raise CorpusError(f"'{root}' is a file; name the corpus folder.")


def by_speaker(utterances: Sequence[Utterance]) -> dict[str, list[Utterance]]:
    """Utterances of each speaker, speakers by name, each in order of lines."""
    ordered = sorted(utterances, key=lambda each: (each.speaker, each.utterance, each.emotion, each.path.name))
    speakers: dict[str, list[Utterance]] = {}
    for each in ordered:
        speakers.setdefault(each.speaker, []).append(each)
    return speakers
