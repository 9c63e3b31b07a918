"""Spoken neutral lines -> analysed lines on disk, once, in parallel and in a fixed order.

Expected layout: ``<voices>/<speaker>/<speaker>_<line number>.ogg`` and one transcript file ``<voices>/lines.txt`` or a
module ``lines.py`` with ``lines(n)``, line n being entry n - 1.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save_file

from studio.audio.files import load_clip
from studio.errors import StudioError
from studio.lalm.embedded import features, vocoder
from studio.lalm.embedded.training.splices import Bounds, word_bounds

TRAINING_SPEAKERS = tuple(f"{number:04d}" for number in range(11, 19))
"""0019 and 0020 are never trained on."""

NETWORK_LINES = range(351, 741)
JUDGE_LINES = range(741, 801)
"""The judge's renderings come from lines the network never saw."""

FloatArray = npt.NDArray[np.float32]
Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Line:
    """One analysed line: ``mel`` power [T, 64] and ``coded`` [T, 25] every 10 ms, ``hertz`` and ``level`` (dB) [T5].

    ``words`` [W, 2]: first and last frame (10 ms) of each word, empty where they were not found.
    """

    speaker: str
    number: int
    text: str
    mel: FloatArray
    coded: FloatArray
    hertz: FloatArray
    level: FloatArray
    words: Bounds

    @property
    def frames(self) -> int:
        """Length in 5 ms frames."""
        return len(self.hertz)


def read_transcripts(voices: Path) -> list[str]:
    """The corpus lines in order; raises StudioError when the folder has none."""
    listing, module = voices / "lines.txt", voices / "lines.py"
    if listing.exists():
        return listing.read_text("utf-8").splitlines()
    spec = importlib.util.spec_from_file_location("corpus_lines", module) if module.exists() else None
    if spec is None or spec.loader is None:
        raise StudioError(f"{voices} has neither lines.txt nor lines.py; give the folder of the spoken lines.")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return list(loaded.lines(800))


def line_path(voices: Path, speaker: str, number: int) -> Path:
    """Where a speaker's line lies."""
    return voices / speaker / f"{speaker}_{number:06d}.ogg"


def analyse_file(path: Path, text: str) -> dict[str, Array]:
    """The arrays of :class:`Line` for one recording of ``text``."""
    signal, _ = vocoder.normalise(load_clip(path).at_rate(vocoder.RATE).samples)
    return analyse(signal) | {"words": word_bounds(signal, text)}


def analyse(signal: Array) -> dict[str, Array]:
    """The arrays of :class:`Line` for a normalised signal, but its words."""
    analysis = vocoder.analyse(signal)
    coded = vocoder.code(analysis)[::2]
    mel = features.mel_power(signal)[: len(coded)]
    return {
        "mel": mel.astype(np.float32),
        "coded": coded[: len(mel)],
        "hertz": analysis.hertz.astype(np.float32),
        "level": (10 * np.log10(analysis.envelope.mean(1))).astype(np.float32),
    }


def prepare(voices: Path, work: Path, workers: int) -> None:
    """Analyse every training line that is not on disk yet, one file per speaker."""
    transcripts = read_transcripts(voices)
    for speaker in TRAINING_SPEAKERS:
        target = work / "lines" / f"{speaker}.safetensors"
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        numbers = [*NETWORK_LINES, *JUDGE_LINES]
        paths = [line_path(voices, speaker, number) for number in numbers]
        with ProcessPoolExecutor(workers) as pool:
            texts = [transcripts[number - 1] for number in numbers]
            results = list(pool.map(analyse_file, paths, texts, chunksize=8))
        arrays = {
            f"{number}.{key}": value
            for number, found in zip(numbers, results, strict=True)
            for key, value in found.items()
        }
        partial = target.with_suffix(".partial")
        save_file(arrays, partial)
        partial.replace(target)


def load_lines(voices: Path, work: Path, numbers: Sequence[int]) -> list[Line]:
    """The prepared lines of all training speakers with the given numbers, in order."""
    transcripts = read_transcripts(voices)
    found = []
    for speaker in TRAINING_SPEAKERS:
        arrays = load_file(work / "lines" / f"{speaker}.safetensors")
        for number in numbers:
            parts = {key: arrays[f"{number}.{key}"] for key in ("mel", "coded", "hertz", "level", "words")}
            found.append(Line(speaker, number, transcripts[number - 1], **parts))
    return found
