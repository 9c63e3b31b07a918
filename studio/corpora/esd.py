"""The Emotional Speech Database (Zhou et al., 2022) as its users have it.

``<root>/0011/Angry/0011_000351.wav``, sometimes with one more level train, test or evaluation, and transcripts in
``<root>/0011/0011.txt``: id, text and emotion separated by tabs. Recordings 1-350 are neutral, 351-700 angry, 701-1050
happy, 1051-1400 sad, 1401-1750 surprise, the same 350 lines each time.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from studio.atomic import reason
from studio.corpora.base import Corpus, CorpusError, Utterance, audio_files, require_folder
from studio.corpora.transcripts import read_text
from studio.emotions import parse_emotion

LAYOUT = "esd"
LINES = 350
"""Lines per speaker and emotion."""

_SPEAKER = re.compile(r"\d{4}")
_RECORDING = re.compile(r"(?P<speaker>\d{4})_(?P<number>\d{6})")
_PARTS = {"train", "test", "evaluation"}


def recognises(root: Path) -> bool:
    """Whether ``root`` looks like ESD: a speaker folder with a recording named after it in an emotion folder."""
    return any(
        parse_emotion(folder.name) and _holds_recording(folder)
        for speaker in _speaker_folders(root)
        for folder in _folders(speaker)
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
    utterances: list[Utterance] = []
    problems: list[str] = []
    left_out: Counter[str] = Counter()
    for folder in _speaker_folders(root):
        texts, found = _transcripts(folder)
        files, unreadable = audio_files(folder)
        problems += found + unreadable
        for path in files:
            match = _RECORDING.fullmatch(path.stem)
            label = _emotion_folder(path, folder)
            if match is None or label is None:
                continue
            emotion = parse_emotion(label)
            if emotion is None:
                left_out[label] += 1
                continue
            line = (int(match["number"]) - 1) % LINES + 1
            utterances.append(Utterance(match["speaker"], line, emotion, path, texts.get(path.stem)))
    utterances.sort(key=lambda each: (each.speaker, each.utterance, each.emotion, each.path))
    return Corpus(LAYOUT, root, tuple(utterances), dict(left_out), tuple(problems))


def _speaker_folders(root: Path) -> list[Path]:
    """Speaker folders in ``root``, or one level below it (archives unpack to a folder of their own)."""
    here = [folder for folder in _folders(root) if _SPEAKER.fullmatch(folder.name)]
    if here:
        return here
    return [speaker for folder in _folders(root) for speaker in _folders(folder) if _SPEAKER.fullmatch(speaker.name)]


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError:
        return []


def _holds_recording(folder: Path) -> bool:
    try:
        names = [path.stem for path in (*folder.iterdir(), *(f for part in _PARTS for f in (folder / part).glob("*")))]
    except OSError:
        return False
    return any(_RECORDING.fullmatch(name) for name in names)


def _emotion_folder(path: Path, speaker: Path) -> str | None:
    """The name of the folder that says the emotion; None for a file directly in the speaker's folder."""
    above = [name for name in path.relative_to(speaker).parts[:-1] if name.lower() not in _PARTS]
    return above[-1] if above else None


def _transcripts(folder: Path) -> tuple[dict[str, str], list[str]]:
    """Text by recording id from ``<speaker>/<speaker>.txt``, and a sentence if that cannot be read."""
    path = folder / f"{folder.name}.txt"
    try:
        content = read_text(path)
    except FileNotFoundError:
        return {}, [f"Speaker {folder.name} has no transcripts: '{path}' is missing."]
    except OSError as error:
        return {}, [f"'{path}' cannot be read: {reason(error)}."]
    texts = {}
    for line in content.splitlines():
        name, text = _entry(line)
        if text and _RECORDING.fullmatch(name):
            texts[name] = text
    return texts, []


def _entry(line: str) -> tuple[str, str]:
    """Id and text of one transcript line; some files separate with blanks in place of tabs."""
    parts = [part.strip() for part in line.split("\t")]
    if len(parts) >= 2:
        return parts[0], parts[1]
    name, _, rest = line.strip().partition(" ")
    text, _, label = rest.strip().rpartition(" ")
    return name, text.strip() if parse_emotion(label) and text.strip() else rest.strip()
