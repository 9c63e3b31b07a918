"""What a job's folder says: its settings, and the record of every conversion."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from studio import atomic
from studio.errors import StudioError

FORMAT = 1
SETTINGS, CORPUS, CONVERSIONS = "job.json", "corpus.jsonl", "conversions.jsonl"
HEARD_AS = "heard as "
"""Begins the reason of a rejection by the judge; its name for what it heard follows."""


class JobError(StudioError):
    """A job folder that cannot be used."""


@dataclass(frozen=True)
class Attempt:
    """One conversion and its verdict; one line of ``conversions.jsonl``.

    ``batch`` names the batch and ``rows`` says how many attempts it has. ``key`` and ``source`` name the utterance,
    ``emotion`` the target. ``judged`` holds the judge's probabilities. ``reason`` says why it is no success, in a few
    words. ``shard`` and ``audio`` are paths inside the job folder. Every success has a shard; so has a conversion that
    was rejected, unless the job keeps successes only or nothing can be heard in it.
    """

    batch: str
    rows: int
    key: str
    source: str
    emotion: str
    text: str
    wer: float | None
    judged: dict[str, float]
    success: bool
    reason: str
    truncated: bool = False
    shard: str | None = None
    audio: str | None = None

    @property
    def id(self) -> str:
        """Names the attempt inside its job, and in every job it is merged into."""
        return f"{self.emotion}/{self.key}"


def rejections_of(attempts: Iterable[Attempt]) -> dict[str, dict[str, int]]:
    """How many attempts were rejected, by emotion and by kind of reason, the most frequent kind first.

    Kinds are ``heard as NAME`` (whatever the judge calls an emotion, also one outside the five), ``words lost`` and
    ``not judged`` (no usable source or sound, or a judge that could not tell).
    """
    found: dict[str, Counter[str]] = {}
    for each in attempts:
        if not each.success:
            found.setdefault(each.emotion, Counter())[_kind(each)] += 1
    return {emotion: dict(kinds.most_common()) for emotion, kinds in found.items()}


def _kind(rejected: Attempt) -> str:
    if not rejected.judged:
        return "not judged"
    return rejected.reason if rejected.reason.startswith(HEARD_AS) else "words lost"


def read_attempts(folder: Path) -> list[Attempt]:
    """All attempts of the batches that are complete; raises JobError when a line is damaged."""
    return whole_batches(read_lines(folder)[0])


def read_lines(folder: Path) -> tuple[list[Attempt], bool]:
    """Every attempt, and whether a last line was cut short (by a process that was killed while writing it)."""
    path = folder / CONVERSIONS
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return [], False
    except OSError as error:
        raise JobError(f"'{path}' cannot be read: {atomic.reason(error)}.") from error
    *lines, rest = content.split(b"\n")
    attempts = []
    for number, line in enumerate(lines, start=1):
        try:
            attempts.append(_attempt(json.loads(line)))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise JobError(f"'{path}' is damaged in line {number}; delete the job folder and start over.") from error
    return attempts, bool(rest)


def to_lines(attempts: Iterable[Attempt]) -> bytes:
    """The attempts as they stand in the file."""
    lines = (json.dumps(asdict(attempt), ensure_ascii=False) + "\n" for attempt in attempts)
    # A file name that is no text holds lone surrogates; their backslash escape is JSON's own.
    return "".join(lines).encode("utf-8", "backslashreplace")


def whole_batches(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The attempts of batches that have all their rows."""
    present = Counter(attempt.batch for attempt in attempts)
    return [attempt for attempt in attempts if present[attempt.batch] == attempt.rows]


def read_document(folder: Path) -> dict[str, Any]:
    """The contents of ``job.json``; raises JobError when there is none, or it is damaged or of a newer format."""
    path = folder / SETTINGS
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise JobError(f"'{folder}' is no identification job: it has no '{SETTINGS}'.") from None
    except OSError as error:
        raise JobError(f"'{path}' cannot be read: {atomic.reason(error)}.") from error
    except (ValueError, RecursionError) as error:
        raise JobError(f"'{path}' is damaged; delete the job folder and start over.") from error
    if not isinstance(document, dict) or not isinstance(document.get("format"), int):
        raise JobError(f"'{path}' is no identification job's.")
    if document["format"] > FORMAT:
        raise JobError(f"'{path}' has format {document['format']}, newer than this version reads; update ESN Studio.")
    return document


def settings_of(document: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The settings in ``job.json`` that results depend on; raises JobError when there are none."""
    settings = document.get("settings")
    if not isinstance(settings, dict):
        raise JobError(f"'{folder / SETTINGS}' is damaged: it has no settings.")
    return settings


def settings_digest(settings: Mapping[str, Any]) -> str:
    """SHA-256, as hex, that two jobs share when their settings are the same."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def differing_settings(some: Mapping[str, Any], others: Mapping[str, Any]) -> list[str]:
    """Names of the settings that are not the same."""
    return [name for name in {**some, **others} if some.get(name) != others.get(name)]


def entry_lines(entries: Iterable[str]) -> bytes:
    """``corpus.jsonl``: what of each recording enters the corpus fingerprint, sorted."""
    return "".join(json.dumps(entry) + "\n" for entry in sorted(entries)).encode()


def read_entries(folder: Path) -> list[str]:
    """The entries in ``corpus.jsonl``; raises JobError when the file is damaged or not there."""
    path = folder / CORPUS
    try:
        entries = [json.loads(line) for line in path.read_bytes().splitlines()]
    except OSError as error:
        raise JobError(f"'{path}' cannot be read: {atomic.reason(error)}.") from error
    except (ValueError, RecursionError):
        entries = [None]
    if not all(isinstance(entry, str) for entry in entries):
        raise JobError(f"'{path}' is damaged; run the identification once more, which converts nothing again.")
    return entries


_ATTEMPT_FIELDS = {field.name for field in fields(Attempt)}


def _attempt(document: Any) -> Attempt:
    attempt = Attempt(**{name: document[name] for name in document if name in _ATTEMPT_FIELDS})
    if not (isinstance(attempt.key, str) and isinstance(attempt.emotion, str) and isinstance(attempt.success, bool)):
        raise TypeError("an attempt names its utterance, emotion and verdict")
    if attempt.success and not isinstance(attempt.shard, str):
        raise TypeError("a success has a shard")
    return attempt
