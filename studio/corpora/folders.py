"""A plain folder per emotion: ``<root>/happy/*.wav`` or ``<root>/<speaker>/happy/*.wav``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from studio.corpora.base import Corpus, Problem, Utterance, audio_files, require_folder, unreadable
from studio.corpora.transcripts import read_text
from studio.emotions import other_emotion, parse_emotion

LAYOUT = "folders"
NOBODY = "unknown"
"""Speaker where no folder names one."""


def recognises(root: Path) -> bool:
    """Whether a sound file below ``root`` lies in a folder named after one of the five emotions."""
    return any(_emotion_folder(path, root) is not None for path in audio_files(root)[0])


def scan(root: Path) -> Corpus:
    """Utterances, and what was left out or could not be read. Raises CorpusError when ``root`` is no folder.

    Recordings of one name are taken for one line, whoever speaks it in whatever emotion; a text file of that name
    beside a recording is its transcript.
    """
    require_folder(root)
    files, problems = audio_files(root)
    numbers = {stem: number for number, stem in enumerate(sorted({path.stem for path in files}), start=1)}
    left_out: Counter[str] = Counter()
    utterances = []
    for path in files:
        above = path.relative_to(root).parts[:-1]
        named = _emotion_folder(path, root)
        if named is None:
            left_out[other_emotion(above[-1]) if above else "no emotion folder"] += 1
            continue
        place, emotion = named
        others = [part for number, part in enumerate(above) if number != place]
        text, problem = _transcript(path)
        problems += [problem] if problem else []
        utterances.append(Utterance("/".join(others) or NOBODY, numbers[path.stem], emotion, path, text))
    utterances.sort(key=lambda each: (each.speaker, each.utterance, each.emotion, each.path))
    return Corpus(LAYOUT, root, tuple(utterances), dict(left_out), tuple(problems))


def _emotion_folder(path: Path, root: Path) -> tuple[int, str] | None:
    """Which of the folders between ``root`` and the file names an emotion, the innermost first, and the emotion."""
    found = None
    for place, part in enumerate(path.relative_to(root).parts[:-1]):
        # Single letters are speakers' initials more often than emotions.
        emotion = parse_emotion(part) if len(part) > 1 else None
        if emotion is not None:
            found = place, emotion
    return found


def _transcript(path: Path) -> tuple[str | None, Problem | None]:
    """Text beside a recording, and a problem if it cannot be read."""
    beside = path.with_suffix(".txt")
    try:
        return read_text(beside).strip() or None, None
    except FileNotFoundError:
        return None, None
    except OSError as error:
        return None, unreadable(beside, error)
