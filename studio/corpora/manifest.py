"""A list of recordings: CSV or TSV with a header, or JSON lines; columns path, speaker, emotion, text, utterance."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from studio.atomic import reason
from studio.corpora.base import Corpus, CorpusError, Problem, ProblemKind, Utterance, is_file
from studio.corpora.transcripts import read_text
from studio.emotions import other_emotion, parse_emotion

LAYOUT = "manifest"
SUFFIXES = (".csv", ".tsv", ".jsonl")
NAME = "manifest"
"""A folder is read by the manifest of this name in it."""

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "path": ("path", "file", "filename", "audio", "wav"),
    "speaker": ("speaker", "speaker_id", "actor"),
    "emotion": ("emotion", "label"),
    "text": ("text", "transcript", "sentence"),
    "utterance": ("utterance", "utterance_id", "utterance id", "line", "id"),
}


def recognises(root: Path) -> bool:
    """Whether ``root`` is a manifest or a folder with one."""
    return _file(root) is not None


def scan(root: Path) -> Corpus:
    """Utterances, and what was left out or could not be read.

    Paths are relative to the manifest. Utterances of one id are one line; without ids, those of one text; without
    either, each is a line of its own. Without an emotion a recording counts as neutral, without a speaker as unknown.
    Raises CorpusError when there is no manifest, or it names no recordings.
    """
    file = _file(root)
    if file is None:
        raise CorpusError(f"'{root}' is no manifest: a .csv, .tsv or .jsonl file is needed, or a folder with one.")
    try:
        content = read_text(file)
    except OSError as error:
        raise CorpusError(f"'{file}' cannot be read: {reason(error)}.") from error
    problems: list[Problem] = []

    def missing(path: Path, detail: str) -> None:
        problems.append(Problem(path, ProblemKind.MISSING, detail))

    left_out: Counter[str] = Counter()
    kept: list[tuple[str, str, str, Path, str | None]] = []
    for number, entry in _entries(file, content):
        if entry is None or not entry.get("path"):
            missing(file, f"'{file.name}' line {number} names no recording.")
            continue
        path = file.parent / entry["path"]
        label = entry.get("emotion") or "neutral"
        emotion = parse_emotion(label)
        if emotion is None:
            left_out[other_emotion(label)] += 1
        elif not is_file(path):
            missing(path, f"'{file.name}' line {number}: there is no recording '{entry['path']}'.")
        else:
            text = entry.get("text") or None
            line = entry.get("utterance") or text or f"{number:08d}"
            kept.append((entry.get("speaker") or "unknown", line, emotion, path, text))
    if not kept and not problems and not left_out:
        raise CorpusError(f"'{file}' names no recordings; it needs a header with at least the column 'path'.")
    numbers = _numbers({line for _, line, _, _, _ in kept})
    utterances = sorted(
        (Utterance(speaker, numbers[line], emotion, path, text) for speaker, line, emotion, path, text in kept),
        key=lambda each: (each.speaker, each.utterance, each.emotion, each.path),
    )
    return Corpus(LAYOUT, root, tuple(utterances), dict(left_out), tuple(problems))


def _file(root: Path) -> Path | None:
    if is_file(root):
        return root if root.suffix.lower() in SUFFIXES else None
    found = [root / f"{NAME}{suffix}" for suffix in SUFFIXES]
    return next((path for path in found if is_file(path)), None)


def _entries(file: Path, content: str) -> Iterator[tuple[int, dict[str, str] | None]]:
    """Line number and known columns of each entry; None for one that cannot be read."""
    if file.suffix.lower() == ".jsonl":
        for number, line in enumerate(content.splitlines(), start=1):
            if line.strip():
                yield number, _json_entry(line)
        return
    delimiter = "\t" if file.suffix.lower() == ".tsv" else _delimiter(content)
    try:
        reader = csv.DictReader(io.StringIO(content, newline=""), delimiter=delimiter)
        for row in reader:
            yield reader.line_num, _known((key, value) for key, value in row.items() if isinstance(key, str))
    except csv.Error as error:
        raise CorpusError(f"'{file}' cannot be read as a table: {error}.") from error


def _delimiter(content: str) -> str:
    header = content.partition("\n")[0]
    return max(",;\t", key=header.count)


def _json_entry(line: str) -> dict[str, str] | None:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return _known(document.items()) if isinstance(document, dict) else None


def _known(items: Iterable[tuple[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in items:
        for name, accepted in _COLUMNS.items():
            if key.strip().lower() in accepted and value is not None:
                found[name] = str(value).strip()
    return found


def _numbers(lines: set[str]) -> dict[str, int]:
    """Ids that are numbers stand for themselves; anything else is numbered in order."""
    if all(line.isdecimal() for line in lines):
        return {line: int(line) for line in lines}
    return {line: number for number, line in enumerate(sorted(lines), start=1)}
