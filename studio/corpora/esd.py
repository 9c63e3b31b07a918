"""The Emotional Speech Database (Zhou et al., 2022) as its users have it.

``<root>/0011/Angry/0011_000351.wav``, sometimes with one more level train, test or evaluation, sometimes inside the
folders that the archive unpacked to, and transcripts in ``<root>/0011/0011.txt``: id, text and emotion separated by
tabs, with slips. Recordings 1-350 are neutral, 351-700 angry, 701-1050 happy, 1051-1400 sad, 1401-1750 surprise, the
same 350 lines each time.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from studio.corpora.base import (
    Corpus,
    CorpusError,
    Problem,
    ProblemKind,
    Utterance,
    audio_files,
    require_folder,
    unreadable,
)
from studio.corpora.transcripts import read_text
from studio.emotions import other_emotion, parse_emotion

LAYOUT = "esd"
LINES = 350
"""Lines per speaker and emotion."""

_SPEAKER = re.compile(r"\d{4}")
_RECORDING = re.compile(r"(?P<speaker>\d{4})_(?P<number>\d{6})")
_ENTRY = re.compile(r"\W*(?P<name>\d{4}_\d{6})(?P<rest>.*)")
_PARTS = {"train", "test", "evaluation", "eval", "dev", "val"}
_DEPTH = 3
"""How many folders an archive may put around the speakers' folders."""


def recognises(root: Path) -> bool:
    """Whether ``root`` looks like ESD: a speaker folder with a recording named after it in an emotion folder."""
    return any(
        parse_emotion(folder.name) and _holds_recording(folder)
        for speaker in _speaker_folders(root)
        for folder in _below_parts(speaker)
    )


def read(root: Path) -> list[Utterance]:
    """All utterances by speaker, line and emotion; raises CorpusError when ``root`` holds none."""
    corpus = scan(root)
    if not corpus.utterances:
        raise CorpusError(
            f"'{root}' holds no ESD recordings; expected are files like 0011/Neutral/0011_000001.wav in it."
        )
    return list(corpus.utterances)


def scan(root: Path) -> Corpus:
    """Utterances, and what was left out or could not be read. Raises CorpusError when ``root`` is no folder."""
    require_folder(root)
    folders: dict[str, list[Path]] = {}
    for folder in _speaker_folders(root):
        folders.setdefault(folder.name, []).append(folder)
    utterances: list[Utterance] = []
    problems: list[Problem] = []
    left_out: Counter[str] = Counter()
    passed_over = 0
    for speaker, own in folders.items():
        texts, found = _transcripts(speaker, own)
        problems += found
        for folder in own:
            files, unread = audio_files(folder)
            problems += unread
            for path in files:
                match = _RECORDING.fullmatch(path.stem)
                label = _emotion_folder(path, folder)
                if match is None or label is None:
                    passed_over += 1
                    continue
                emotion = parse_emotion(label)
                if emotion is None:
                    left_out[other_emotion(label)] += 1
                    continue
                line = (int(match["number"]) - 1) % LINES + 1
                utterances.append(Utterance(match["speaker"], line, emotion, path, texts.get(path.stem)))
    utterances.sort(key=lambda each: (each.speaker, each.utterance, each.emotion, each.path))
    return Corpus(LAYOUT, root, tuple(utterances), dict(left_out), tuple(problems), passed_over)


def _speaker_folders(root: Path) -> list[Path]:
    """Speakers' folders in ``root``, or in folders in it (archives unpack to folders of their own), or it is one."""
    if _SPEAKER.fullmatch(root.name) and any(parse_emotion(folder.name) for folder in _below_parts(root)):
        return [root]
    around = [root]
    for _ in range(_DEPTH):
        around = [below for folder in around for below in _folders(folder)]
        speakers = [folder for folder in around if _SPEAKER.fullmatch(folder.name)]
        if speakers:
            return speakers
    return []


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []


def _below_parts(speaker: Path) -> list[Path]:
    """Folders of ``speaker``, with those inside train, test and evaluation in place of these."""
    return [
        below for folder in _folders(speaker) for below in (_folders(folder) if _is_part(folder.name) else [folder])
    ]


def _is_part(name: str) -> bool:
    return name.lower() in _PARTS


def _holds_recording(folder: Path) -> bool:
    inside = [folder, *(below for below in _folders(folder) if _is_part(below.name))]
    try:
        return any(_RECORDING.fullmatch(path.stem) for place in inside for path in place.iterdir())
    except OSError:
        return False


def _emotion_folder(path: Path, speaker: Path) -> str | None:
    """The name of the folder that says the emotion; None for a file directly in the speaker's folder."""
    above = [name for name in path.relative_to(speaker).parts[:-1] if not _is_part(name)]
    return above[-1] if above else None


def _transcripts(speaker: str, folders: list[Path]) -> tuple[dict[str, str], list[Problem]]:
    """Text by recording id from ``<speaker>/<speaker>.txt``, else any text files beside it, and what went wrong."""
    named = [folder / f"{speaker}.txt" for folder in folders]
    files = [path for path in named if _exists(path)] or [path for folder in folders for path in _text_files(folder)]
    if not files:
        sentence = f"Speaker {speaker} has no transcripts: '{named[0]}' is missing."
        return {}, [Problem(named[0], ProblemKind.MISSING, sentence)]
    texts, problems = {}, []
    for path in files:
        try:
            content = read_text(path)
        except OSError as error:
            problems.append(unreadable(path, error))
            continue
        for line in content.splitlines():
            name, text = _entry(line)
            if text:
                texts[name] = text
    return texts, problems


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _text_files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".txt")
    except OSError:
        return []


def _entry(line: str) -> tuple[str, str]:
    """Id and text of one transcript line, both empty where there are none.

    Where a tab is missing, as happens, blanks separate; an emotion at the end counts as such only after a tab, or
    where no tab is in the line at all.
    """
    match = _ENTRY.match(line)
    if match is None:
        return "", ""
    name, rest = match["name"], match["rest"]
    cells = [cell.strip() for cell in rest.split("\t") if cell.strip()]
    if len(cells) > 1:
        return name, cells[0]
    text = rest.strip()
    if "\t" not in rest:
        before, _, label = text.rpartition(" ")
        text = before.strip() if parse_emotion(label) and before.strip() else text
    return name, text
