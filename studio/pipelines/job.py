"""The folder of an identification job: everything a later selection, cap or resumption needs, nothing twice.

``job.json`` says what is converted and with what, ``corpus.jsonl`` from which recordings; ``conversions.jsonl`` grows
by one line per conversion, a batch at a time; ``shards/`` holds the gate counts of each conversion as a statistics
file; ``audio/`` what was generated.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from studio import __version__, atomic
from studio.esn.statistics import EmotionStatistics, GateStatistics
from studio.pipelines.locks import FolderLock
from studio.pipelines.records import (
    CONVERSIONS,
    CORPUS,
    FORMAT,
    SETTINGS,
    Attempt,
    JobError,
    differing_settings,
    entry_lines,
    read_document,
    read_lines,
    settings_digest,
    settings_of,
    to_lines,
    whole_batches,
)


class JobFolder:
    """A job's folder, opened for writing by one process at a time; use as a context manager.

    ``settings`` are the ones results depend on: a folder made with others is refused, the same go on where the job
    was left. ``entries`` are those of the corpus (``corpus_entries``). ``date`` is that of the first run; ``cap`` may
    be another one each time. Raises JobError when the folder belongs to another job or process, or is damaged.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], entries: Sequence[str], *, date: str, cap: int) -> None:
        self.path = path
        self._settings = dict(settings)
        self._entries = entries
        self._date = date
        self._cap = cap
        self._lock = FolderLock(path)
        self.attempts: list[Attempt] = []
        self.document: dict[str, Any] = {}

    def __enter__(self) -> Self:
        try:
            for folder in ("shards", "audio"):
                (self.path / folder).mkdir(parents=True, exist_ok=True)
            if not self._lock.acquire():
                raise JobError(f"'{self.path}' is in use by another job that is running; stop it or wait for it.")
        except OSError as error:
            raise JobError(f"'{self.path}' cannot be used as a job folder: {atomic.reason(error)}.") from error
        try:
            self._open()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *problem: object) -> None:
        self._lock.release()

    @property
    def finished(self) -> set[str]:
        """Names of the batches that need not be converted again."""
        return {attempt.batch for attempt in self.attempts}

    def append(self, attempts: Sequence[Attempt]) -> None:
        """Add a whole batch; its shards and audio must lie in the folder already."""
        try:
            with (self.path / CONVERSIONS).open("ab") as stream:
                stream.write(to_lines(attempts))
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise JobError(f"'{self.path / CONVERSIONS}' cannot be written: {atomic.reason(error)}.") from error
        self.attempts += attempts

    def save_shard(self, key: str, emotion: str, statistics: GateStatistics) -> str:
        """Write the counts of one success; returns the path inside the folder."""
        name = f"shards/{_file_name(key, emotion)}.stats.safetensors"
        EmotionStatistics(statistics.widths, {emotion: statistics}).save(self.path / name)
        return name

    def audio_name(self, key: str, emotion: str) -> str:
        """Path inside the folder for what was generated."""
        return f"audio/{_file_name(key, emotion)}.flac"

    def _open(self) -> None:
        if (self.path / SETTINGS).exists():
            self.document = read_document(self.path)
            self._require_same()
            if self.document.get("cap") != self._cap:
                self.document["cap"] = self._cap
                atomic.write_json(self.path / SETTINGS, self.document)
        else:
            if (self.path / CONVERSIONS).exists():
                raise JobError(f"'{self.path}' holds conversions but no '{SETTINGS}'; choose another folder.")
            self.document = {
                "format": FORMAT,
                "tool_version": __version__,
                "digest": settings_digest(self._settings),
                "settings": self._settings,
                "date": self._date,
                "cap": self._cap,
            }
            atomic.write_json(self.path / SETTINGS, self.document)
        if not (self.path / CORPUS).exists():
            atomic.write_bytes(self.path / CORPUS, entry_lines(self._entries))
        attempts, lost = read_lines(self.path)
        present = [each for each in attempts if each.shard is None or (self.path / each.shard).is_file()]
        self.attempts = whole_batches(present)
        if lost or len(self.attempts) < len(attempts):
            atomic.write_bytes(self.path / CONVERSIONS, to_lines(self.attempts))

    def _require_same(self) -> None:
        if self.document.get("parts"):
            raise JobError(
                f"'{self.path}' was merged from jobs over different recordings and cannot be gone on with; go on with "
                "those jobs and merge them again."
            )
        held = settings_of(self.document, self.path)
        if settings_digest(held) == settings_digest(self._settings):
            return
        differing = differing_settings(held, self._settings)
        raise JobError(
            f"'{self.path}' belongs to a job with other settings ({', '.join(differing).replace('_', ' ')}); "
            "choose another folder, or delete this one to start over."
        )


def _file_name(key: str, emotion: str) -> str:
    """Readable, safe on every file system, and different for different keys."""
    stem = key.rpartition("/")[2]
    readable = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_-") else "_" for letter in stem)
    mark = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{readable[:60]}-{mark}-{emotion}"
