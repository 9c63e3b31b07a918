"""Recordings made with a microphone, on disk."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from studio.audio.clip import Clip
from studio.audio.files import load_clip
from studio.errors import StudioError
from studio.session.recordings import recordings_dir, save_recording
from tests.toy import tone

WHEN = datetime(2026, 11, 20, 14, 31, 7)


def test_a_recording_is_named_after_its_time_and_nothing_is_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.session.recordings.user_data_dir", lambda: tmp_path / "data")
    first, second = save_recording(tone(), now=WHEN), save_recording(tone(level=0.1), now=WHEN)
    assert first == recordings_dir() / "Recording 2026-11-20 14.31.07.wav"
    assert second.name == "Recording 2026-11-20 14.31.07 (2).wav"
    np.testing.assert_allclose(load_clip(first).samples, tone().samples, atol=1e-6)


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(StudioError, match="for recordings cannot be made"):
        save_recording(tone(), blocked / "recordings")
    with pytest.raises(StudioError, match="no samples"):
        save_recording(Clip(np.zeros(0, np.float32), 16_000), tmp_path)
