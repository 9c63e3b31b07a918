"""Ctrl-C while libsndfile calls back, from where no exception finds its way out."""

from __future__ import annotations

import io
import signal
from pathlib import Path

import numpy as np
import pytest

from studio.audio import files
from studio.audio.clip import Clip
from studio.audio.containers import ForgivingReader
from studio.audio.files import encode, load_clip, save_flac, save_wav


class InterruptedWriter(io.BytesIO):
    """Ctrl-C is pressed while libsndfile calls back to write."""

    def write(self, data: bytes) -> int:  # type: ignore[override]
        signal.raise_signal(signal.SIGINT)
        return super().write(data)


class InterruptedReader(ForgivingReader):
    """Ctrl-C is pressed while libsndfile calls back to read."""

    def read(self, count: int) -> bytes:
        signal.raise_signal(signal.SIGINT)
        return super().read(count)


def test_an_interrupt_inside_of_libsndfile_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = Clip(np.zeros(16_000, dtype=np.float32), 16_000)
    path = tmp_path / "a.flac"
    save_flac(path, clip)
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(io, "BytesIO", InterruptedWriter)
        with pytest.raises(KeyboardInterrupt):
            encode(clip, "FLAC", "PCM_16", "a")
        with pytest.raises(KeyboardInterrupt):
            save_flac(path, clip)
    assert path.read_bytes() == before
    with monkeypatch.context() as patch:
        patch.setattr(files, "ForgivingReader", InterruptedReader)
        patch.setattr(files, "READS_FILES", False)
        with pytest.raises(KeyboardInterrupt):
            load_clip(path)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert len(load_clip(path).samples) == 16_000


def test_what_is_read_is_whole_when_the_interrupt_is_heard_and_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = Clip(np.linspace(-0.5, 0.5, 16_000, dtype=np.float32), 16_000)
    save_wav(tmp_path / "a.wav", clip, "FLOAT")
    heard: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        monkeypatch.setattr(files, "ForgivingReader", InterruptedReader)
        monkeypatch.setattr(files, "READS_FILES", False)
        assert np.array_equal(load_clip(tmp_path / "a.wav").samples, clip.samples)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert heard
