"""The recorder on a real sound server, whose sink's monitor is the microphone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.signal import correlate

from studio.audio.files import load_clip
from studio.audio.recorder import LONGEST_SECONDS
from tests.pulse import NullSink, running_sink, silent_env

ATTEMPTS = 6

WITHOUT_MICROPHONE = """
from studio.audio.recorder import Recorder
from studio.errors import StudioError
try:
    Recorder()
except StudioError as error:
    print(error)
"""


def record(sink: NullSink, scene: str, folder: Path) -> dict[str, Any]:
    """What a scene of ``record_aloud`` saw."""
    command = [sys.executable, "-m", "tests.audio.record_aloud", scene, str(folder)]
    done = subprocess.run(command, env=sink.env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def likeness(folder: Path) -> float:
    """How well what was played is found in what was recorded."""
    recorded = load_clip(folder / "recorded.wav")
    played = load_clip(folder / "played.wav").at_rate(recorded.rate).samples.astype(np.float64)
    heard = recorded.samples.astype(np.float64)
    place = int(np.argmax(correlate(heard, played, mode="valid", method="fft")))
    return float(np.corrcoef(heard[place : place + len(played)], played)[0, 1])


def test_what_the_microphone_hears_is_recorded(null_sink: NullSink, tmp_path: Path) -> None:
    # A busy machine drops samples on the way; one of these comes through whole.
    for _ in range(ATTEMPTS):
        seen = record(null_sink, "clip", tmp_path)
        if likeness(tmp_path) > 0.99:
            break
    assert likeness(tmp_path) > 0.99
    assert seen["before"] == 0.0, "nothing is kept before it is asked for"
    assert 0.3 < seen["loudest"] <= 1.0
    assert seen["seconds"] > 1.0
    assert seen["recording"] is False
    assert seen["name"] in seen["names"]
    assert seen["missing"] == seen["name"], "one that is not connected gives way to the default"


def test_a_recording_ends_by_itself_at_its_limit(null_sink: NullSink, tmp_path: Path) -> None:
    assert record(null_sink, "limit", tmp_path) == {"ended": True, "seconds": 0.3, "again": 0.0, "lost": False}
    assert LONGEST_SECONDS == 300.0


def test_a_microphone_that_is_pulled_out_leaves_what_it_heard(tmp_path: Path) -> None:
    with running_sink() as sink:
        assert record(sink, "lost", tmp_path) == {"ended": True, "lost": True, "kept": True, "level": 0.0}


@pytest.mark.parametrize("hidden", [False, True])
def test_without_a_microphone_one_sentence_says_so(hidden: bool) -> None:
    hide = "import ctypes.util\nctypes.util.find_library = lambda name: None\n" if hidden else ""
    command = [sys.executable, "-c", hide + WITHOUT_MICROPHONE]
    done = subprocess.run(command, env=silent_env(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    sentence = (
        "Sound needs the PortAudio library" if hidden else "No microphone was found; connect one, then look again."
    )
    assert done.stdout.startswith(sentence)
