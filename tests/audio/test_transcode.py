"""M4A files, read by way of ffmpeg."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from studio.audio.files import AudioFileError, load_clip
from studio.audio.soundness import examine

RATE = 16_000
_INSTALL = "ffmpeg not found; install with: apt-get install -y --no-install-recommends ffmpeg"


def m4a(path: Path, seconds: float = 1.0, *arguments: str, channels: int = 1) -> np.ndarray:
    """Write a swelling tone as M4A; its samples."""
    if shutil.which("ffmpeg") is None:
        pytest.fail(_INSTALL)
    time = np.arange(round(seconds * RATE)) / RATE
    samples = 0.4 * np.sin(2 * np.pi * 220 * time) * np.sin(2 * np.pi * 1.3 * time)
    plain = path.with_suffix(".plain.wav")
    soundfile.write(plain, np.stack([samples] * channels, axis=1), RATE)
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-i", str(plain), "-c:a", "aac", "-b:a", "96k", *arguments, str(path)],
        check=True,
    )
    return samples


def refusal(path: Path, max_seconds: float | None = None) -> str:
    with pytest.raises(AudioFileError) as caught:
        load_clip(path, max_seconds)
    return str(caught.value)


@pytest.mark.parametrize("channels", [1, 2])
def test_the_sound_is_that_of_the_file(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "memo – 1.m4a"
    samples = m4a(path, 2.0, channels=channels)
    clip = load_clip(path, max_seconds=2.5)
    assert (clip.rate, clip.name) == (RATE, "memo – 1")
    inner = slice(RATE // 10, round(1.9 * RATE))
    assert np.corrcoef(clip.samples[inner], samples[inner])[0, 1] > 0.99
    assert clip.seconds == pytest.approx(2.0, abs=0.1)


def test_corpus_checks_read_it_too(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    m4a(path)
    assert examine(path).seconds == pytest.approx(1.0, abs=0.1)


def test_what_is_too_long_is_refused_without_decoding_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "long.m4a"
    m4a(path, 30.0)
    assert refusal(path, 20.0) == "'long.m4a' is too long; this model takes up to 20 s. Trim it and open it again."


@pytest.mark.parametrize("arguments", [(), ("-movflags", "+faststart")], ids=["index last", "index first"])
def test_what_is_cut_short_is_refused(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    path = tmp_path / "half.m4a"
    m4a(path, 5.0, *arguments)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert refusal(path) == "'half.m4a' is damaged or holds no sound; copy or export it again."


def test_a_film_without_sound_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "silent.mp4"
    path.write_bytes(b"\0\0\0\x18ftypisom" + bytes(200))
    assert "holds no sound" in refusal(path)


def test_without_ffmpeg_one_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "memo.m4a"
    m4a(path)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert refusal(path) == (
        "'memo.m4a' is an M4A file, and the program ffmpeg that reads those is not installed; "
        "install ffmpeg, or convert the file to WAV."
    )
