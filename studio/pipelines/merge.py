"""Making one job of several: parts of one plan, or the same settings over different parts of a corpus."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from studio import __version__, atomic
from studio.corpora.base import fingerprint_of
from studio.corpora.splits import FILE as SPLIT_FILE
from studio.emotions import EMOTIONS
from studio.errors import StudioError
from studio.pipelines.drawing import STATISTICS
from studio.pipelines.evidence import statistics_of
from studio.pipelines.recipe import load_recipe, save_recipe
from studio.pipelines.records import (
    CONVERSIONS,
    CORPUS,
    FORMAT,
    SETTINGS,
    Attempt,
    JobError,
    differing_settings,
    entry_lines,
    read_attempts,
    read_document,
    read_entries,
    settings_digest,
    settings_of,
    to_lines,
)
from studio.pipelines.verdicts import VERDICTS, load_verdicts, verdict_lines

_FINGERPRINT = "corpus_fingerprint"


def merge_jobs(sources: Sequence[Path], target: Path) -> None:
    """Make a job in ``target``, which must not be there yet, of all that the jobs in ``sources`` have found.

    The jobs may be unfinished, but must have the same settings (model, module, judge, WER threshold, seed, batch,
    split). Merging is associative and commutative: any grouping and order gives the same folder, byte for byte.

    Two kinds of parts merge:

    - parts of one plan (the same corpus; ``IdentifySettings.part``, or copies of a job that went on apart). The merged
      folder is a job over that corpus like any other. Its statistics and masks are byte-identical to those of one job
      over all of it, at any cap up to the smallest of the parts': batches belong to the plan, a part stopped at its
      cap holds at least the first c successes of its own batches, and what is drawn is the first c of them all.
    - jobs over different recordings. Their batches are not those one job over both would have had, so masks are
      byte-identical to its masks where a conversion does not depend on its neighbours in a batch: always when the
      model converts one at a time (``batch`` 1), otherwise up to the rounding that padding brings. The merged job can
      be selected from, reviewed and merged again, but not gone on with.

    A conversion may be in several jobs if all agree on it. Verdicts of people merge too: accepted is what nobody
    rejected. What was asked for (``recipe``) is kept if it was the same of all. ``target`` appears whole or not at
    all. Raises JobError in a sentence when the jobs do not fit together.
    """
    if not sources:
        raise JobError("Name the jobs to merge.")
    if target.exists():
        raise JobError(f"'{target}' exists already; choose a new folder for the merged job.")
    jobs = [_read(Path(source)) for source in sources]
    for other in jobs[1:]:
        _require_alike(jobs[0], other)
    if len({job.fingerprint for job in jobs}) > 1:
        jobs = [_as_part(job) for job in jobs]
    _require_distinct_recordings(jobs)
    attempts, homes = _union(jobs)
    document = _document(jobs)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        for folder in ("shards", "audio"):
            (partial / folder).mkdir(parents=True)
        for attempt in attempts:
            for name in (attempt.shard, attempt.audio):
                if name is not None:
                    _place(homes[attempt.id].path / name, partial / name)
        atomic.write_json(partial / SETTINGS, document)
        atomic.write_bytes(partial / CORPUS, entry_lines(frozenset().union(*(job.entries for job in jobs))))
        atomic.write_bytes(partial / CONVERSIONS, to_lines(attempts))
        _save_recipe(jobs, partial)
        verdicts = _agreed(job.verdicts for job in jobs)
        if verdicts:
            atomic.write_bytes(partial / VERDICTS, verdict_lines(verdicts))
        if any(each.success for each in attempts):
            seed = document["settings"].get("seed", 0)
            statistics_of(partial, document, attempts, document["cap"], seed).save(partial / STATISTICS)
        partial.replace(target)
    except OSError as error:
        raise JobError(f"'{target}' cannot be written: {atomic.reason(error)}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@dataclass(frozen=True)
class _Job:
    path: Path
    document: dict[str, Any]
    attempts: tuple[Attempt, ...]
    entries: frozenset[str]
    verdicts: dict[str, bool]

    @property
    def settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = self.document["settings"]
        return settings

    @property
    def fingerprint(self) -> str:
        return str(self.settings.get(_FINGERPRINT))

    @property
    def parts(self) -> list[str]:
        parts: list[str] = self.document.get("parts") or [self.fingerprint]
        return parts


def _read(path: Path) -> _Job:
    document = read_document(path)
    settings_of(document, path)
    attempts = []
    for attempt in read_attempts(path):
        if not all(name is None or _is_inside(name) for name in (attempt.shard, attempt.audio)):
            raise JobError(f"'{path / CONVERSIONS}' is damaged: it names files outside of the job's folder.")
        if attempt.shard is not None and not (path / attempt.shard).is_file():
            raise JobError(f"'{path / attempt.shard}' is missing; run that job once more, which makes it again.")
        heard = attempt.audio is not None and (path / attempt.audio).is_file()
        attempts.append(attempt if heard else replace(attempt, audio=None))
    return _Job(path, document, tuple(attempts), frozenset(read_entries(path)), load_verdicts(path))


def _is_inside(name: str) -> bool:
    parts = Path(name).parts
    return len(parts) == 2 and parts[0] in ("shards", "audio") and parts[1] != ".."


def _require_alike(first: _Job, other: _Job) -> None:
    differing = [name for name in differing_settings(first.settings, other.settings) if name != _FINGERPRINT]
    if differing:
        raise JobError(
            f"'{first.path}' and '{other.path}' were made with different settings "
            f"({', '.join(differing).replace('_', ' ')}) and cannot be merged."
        )


def _as_part(job: _Job) -> _Job:
    """The job with batches that say which part of the corpus they are of."""
    if job.document.get("parts"):
        return job
    mark = f"@{job.fingerprint[:12]}"
    return replace(job, attempts=tuple(replace(each, batch=each.batch + mark) for each in job.attempts))


def _union(jobs: Sequence[_Job]) -> tuple[list[Attempt], dict[str, _Job]]:
    """All attempts in the order of the plan, and by attempt the job whose files are taken."""
    found: dict[str, Attempt] = {}
    homes: dict[str, _Job] = {}
    for job in jobs:
        for attempt in job.attempts:
            held = found.setdefault(attempt.id, attempt)
            home = homes.setdefault(attempt.id, job)
            if home is not job and not _agree(home, held, job, attempt):
                raise JobError(
                    f"'{home.path}' and '{job.path}' both converted {attempt.key} to {attempt.emotion}, with different "
                    "results or in different batches; merge jobs over different parts."
                )
            # Where the corpus lay, and whether audio was kept, may differ; taken is the same in any order.
            if (attempt.audio is None, attempt.source) < (held.audio is None, held.source):
                found[attempt.id], homes[attempt.id] = attempt, job

    def place(attempt: Attempt) -> tuple[int, int, str]:
        number = attempt.batch.partition("@")[0].rpartition("-")[2]
        emotion = EMOTIONS.index(attempt.emotion) if attempt.emotion in EMOTIONS else len(EMOTIONS)
        return int(number) if number.isdecimal() else 0, emotion, attempt.batch

    rank = {identifier: rank for rank, identifier in enumerate(found)}
    # Inside a batch the attempts keep their order, which any of the jobs holds.
    return sorted(found.values(), key=lambda each: (*place(each), rank[each.id])), homes


def _agree(one: _Job, held: Attempt, other: _Job, attempt: Attempt) -> bool:
    if held != replace(attempt, source=held.source, audio=held.audio):
        return False
    return held.shard is None or (one.path / held.shard).read_bytes() == (other.path / held.shard).read_bytes()


def _require_distinct_recordings(jobs: Sequence[_Job]) -> None:
    entries: dict[str, tuple[str, _Job]] = {}
    for job in jobs:
        for entry in job.entries:
            key = entry.partition("\t")[0]
            held, other = entries.setdefault(key, (entry, job))
            if held != entry:
                raise JobError(
                    f"'{other.path}' and '{job.path}' call different recordings {key}, so their corpora are no parts "
                    "of one and cannot be merged."
                )


def _document(jobs: Sequence[_Job]) -> dict[str, Any]:
    parts = sorted({part for job in jobs for part in job.parts})
    settings = dict(jobs[0].settings)
    if len(parts) > 1:
        settings[_FINGERPRINT] = fingerprint_of({entry for job in jobs for entry in job.entries})
    caps = [job.document["cap"] for job in jobs if type(job.document.get("cap")) is int]
    dates = [job.document["date"] for job in jobs if isinstance(job.document.get("date"), str)]
    return {
        "format": FORMAT,
        "tool_version": __version__,
        "digest": settings_digest(settings),
        "settings": settings,
        "date": min(dates, default=None),
        "cap": min(caps, default=None),
    } | ({"parts": parts} if len(parts) > 1 else {})


def _save_recipe(jobs: Sequence[_Job], folder: Path) -> None:
    """Without it the folder serves as well, but the window cannot open it."""
    try:
        asked = {replace(load_recipe(job.path), share=(1, 1)) for job in jobs}
        splits = {(job.path / SPLIT_FILE).read_bytes() for job in jobs}
    except (StudioError, OSError):
        return
    if len(asked) == len(splits) == 1:
        save_recipe(asked.pop(), folder)
        atomic.write_bytes(folder / SPLIT_FILE, splits.pop())


def _agreed(verdicts: Iterable[dict[str, bool]]) -> dict[str, bool]:
    agreed: dict[str, bool] = {}
    for each in verdicts:
        for attempt_id, accepted in each.items():
            agreed[attempt_id] = accepted and agreed.get(attempt_id, True)
    return dict(sorted(agreed.items()))


def _place(source: Path, target: Path) -> None:
    """A second name for a file that is never written to again, or a copy where the disk has no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
