"""The folder of an identification job: everything a later selection, cap or resumption needs, nothing twice.

``job.json`` says what is converted and with what; ``conversions.jsonl`` grows by one line per conversion, a batch at a
time; ``shards/`` holds the gate counts of each success as a statistics file; ``audio/`` what was generated.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import reduce
from pathlib import Path
from typing import Any, Self

from studio import __version__, atomic
from studio.errors import StudioError
from studio.esn.errors import StatisticsError
from studio.esn.statistics import EmotionStatistics, GateStatistics, in_order
from studio.pipelines.locks import FolderLock
from studio.pipelines.plan import drawing_key

FORMAT = 1
_SETTINGS, _CONVERSIONS = "job.json", "conversions.jsonl"


class JobError(StudioError):
    """A job folder that cannot be used."""


@dataclass(frozen=True)
class Attempt:
    """One conversion and its verdict; one line of ``conversions.jsonl``.

    ``batch`` names the batch and ``rows`` says how many attempts it has. ``key`` and ``source`` name the utterance,
    ``emotion`` the target. ``judged`` holds the judge's probabilities. ``reason`` says why it is no success, in a few
    words. ``shard`` and ``audio`` are paths inside the job folder; only successes have a shard.
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


class JobFolder:
    """A job's folder, opened for writing by one process at a time; use as a context manager.

    ``settings`` are the ones results depend on: a folder made with others is refused, the same go on where the job
    was left. ``date`` is that of the first run; ``cap`` may be another one each time.
    Raises JobError when the folder belongs to another job or process, or is damaged.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], *, date: str, cap: int) -> None:
        self.path = path
        self._settings = dict(settings)
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
            with (self.path / _CONVERSIONS).open("ab") as stream:
                stream.write(_lines(attempts))
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise JobError(f"'{self.path / _CONVERSIONS}' cannot be written: {atomic.reason(error)}.") from error
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
        if (self.path / _SETTINGS).exists():
            self.document = _read_document(self.path)
            self._require_same()
            if self.document.get("cap") != self._cap:
                self.document["cap"] = self._cap
                atomic.write_json(self.path / _SETTINGS, self.document)
        else:
            if (self.path / _CONVERSIONS).exists():
                raise JobError(f"'{self.path}' holds conversions but no '{_SETTINGS}'; choose another folder.")
            self.document = {
                "format": FORMAT,
                "tool_version": __version__,
                "digest": _digest(self._settings),
                "settings": self._settings,
                "date": self._date,
                "cap": self._cap,
            }
            atomic.write_json(self.path / _SETTINGS, self.document)
        attempts, lost = _read_lines(self.path)
        present = [each for each in attempts if each.shard is None or (self.path / each.shard).is_file()]
        self.attempts = _whole_batches(present)
        if lost or len(self.attempts) < len(attempts):
            atomic.write_bytes(self.path / _CONVERSIONS, _lines(self.attempts))

    def _require_same(self) -> None:
        if self.document.get("digest") == _digest(self._settings):
            return
        held = self.document.get("settings")
        held = held if isinstance(held, dict) else {}
        differing = [name for name, value in self._settings.items() if held.get(name) != value]
        raise JobError(
            f"'{self.path}' belongs to a job with other settings ({', '.join(differing).replace('_', ' ')}); "
            "choose another folder, or delete this one to start over."
        )


def load_job_statistics(folder: Path, cap: int | None = None, seed: int | None = None) -> EmotionStatistics:
    """Statistics over the successes of a job, finished or not, at most ``cap`` per emotion drawn with ``seed``.

    Without ``cap`` and ``seed`` the job's own. The draw takes the first successes in the order of ``drawing_key``, so
    the same job, cap and seed always give the same statistics. Raises JobError when the folder is no job or nothing
    succeeded, StatisticsError when a shard is damaged.
    """
    folder = Path(folder)
    document = _read_document(folder)
    settings = document.get("settings")
    if not isinstance(settings, dict):
        raise JobError(f"'{folder / _SETTINGS}' is damaged: it has no settings.")
    cap = document.get("cap") if cap is None else cap
    seed = settings.get("seed", 0) if seed is None else seed
    if not (cap is None or (type(cap) is int and cap >= 1)) or type(seed) is not int:
        raise JobError(f"The successes of '{folder}' cannot be capped at {cap!r} with seed {seed!r}.")
    return statistics_of(folder, document, read_attempts(folder), cap, seed)


def statistics_of(
    folder: Path, document: Mapping[str, Any], attempts: Sequence[Attempt], cap: int | None, seed: int
) -> EmotionStatistics:
    """Merge the shards of the successes that are drawn; ``document`` is the job's, see ``load_job_statistics``."""
    drawn = draw(attempts, cap, seed)
    if not drawn:
        raise JobError(f"No conversion in '{folder}' succeeded, so there are no statistics to select neurons from.")
    by_emotion = {
        emotion: reduce(GateStatistics.merge, (_load_shard(folder, success) for success in successes))
        for emotion, successes in drawn.items()
    }
    metadata = {key: document["settings"].get(key) for key in _CARRIED} | {
        "date": document.get("date"),
        "cap": cap,
        "seed": seed,
        "success_counts": {
            emotion: len(drawn.get(emotion, ())) for emotion in in_order(each.emotion for each in attempts)
        },
    }
    return EmotionStatistics(next(iter(by_emotion.values())).widths, by_emotion, metadata)


def draw(attempts: Iterable[Attempt], cap: int | None, seed: int) -> dict[str, list[Attempt]]:
    """The successes of each emotion that has some: in drawing order, at most ``cap`` (None: all)."""
    successes: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        if attempt.success:
            successes.setdefault(attempt.emotion, []).append(attempt)
    return {
        emotion: sorted(own, key=lambda each: drawing_key(seed, emotion, each.key))[:cap]
        for emotion, own in successes.items()
    }


def read_attempts(folder: Path) -> list[Attempt]:
    """All attempts of the batches that are complete; raises JobError when a line is damaged."""
    return _whole_batches(_read_lines(folder)[0])


_CARRIED = (
    "model_id", "model_revision", "config_digest", "module", "judge", "wer_threshold", "corpus_fingerprint", "split"
)  # fmt: skip
_ATTEMPT_FIELDS = {field.name for field in fields(Attempt)}


def _read_lines(folder: Path) -> tuple[list[Attempt], bool]:
    """Every attempt, and whether a last line was cut short (by a process that was killed while writing it)."""
    path = folder / _CONVERSIONS
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


def _lines(attempts: Iterable[Attempt]) -> bytes:
    return "".join(json.dumps(asdict(attempt), ensure_ascii=False) + "\n" for attempt in attempts).encode()


def _attempt(document: Any) -> Attempt:
    attempt = Attempt(**{name: document[name] for name in document if name in _ATTEMPT_FIELDS})
    if not (isinstance(attempt.key, str) and isinstance(attempt.emotion, str) and isinstance(attempt.success, bool)):
        raise TypeError("an attempt names its utterance, emotion and verdict")
    if attempt.success and not isinstance(attempt.shard, str):
        raise TypeError("a success has a shard")
    return attempt


def _whole_batches(attempts: Sequence[Attempt]) -> list[Attempt]:
    present = Counter(attempt.batch for attempt in attempts)
    return [attempt for attempt in attempts if present[attempt.batch] == attempt.rows]


def _read_document(folder: Path) -> dict[str, Any]:
    path = folder / _SETTINGS
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise JobError(f"'{folder}' is no identification job: it has no '{_SETTINGS}'.") from None
    except OSError as error:
        raise JobError(f"'{path}' cannot be read: {atomic.reason(error)}.") from error
    except (ValueError, RecursionError) as error:
        raise JobError(f"'{path}' is damaged; delete the job folder and start over.") from error
    if not isinstance(document, dict) or not isinstance(document.get("format"), int):
        raise JobError(f"'{path}' is no identification job's.")
    if document["format"] > FORMAT:
        raise JobError(f"'{path}' has format {document['format']}, newer than this version reads; update ESN Studio.")
    return document


def _load_shard(folder: Path, success: Attempt) -> GateStatistics:
    path = folder / str(success.shard)
    statistics = EmotionStatistics.load(path).by_emotion.get(success.emotion)
    if statistics is None:
        raise StatisticsError(f"'{path}' holds no counts for {success.emotion}.")
    return statistics


def _digest(settings: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def _file_name(key: str, emotion: str) -> str:
    """Readable, safe on every file system, and different for different keys."""
    stem = key.rpartition("/")[2]
    readable = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_-") else "_" for letter in stem)
    mark = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{readable[:60]}-{mark}-{emotion}"
