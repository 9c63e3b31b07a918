"""The player on a real sound server: what was captured there against what was to be heard."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.signal import correlate

from studio.audio.files import load_clip
from tests.pulse import RATE, NullSink, running_sink

Signal = npt.NDArray[np.float64]


ATTEMPTS = 6


@dataclass(frozen=True)
class Performance:
    """A scene of ``play_aloud``: what was captured, what the player had handed to the device, what the scene saw."""

    heard: Signal
    handed: Signal
    seen: dict[str, Any]


def perform(sink: NullSink, scene: str, folder: Path) -> Performance:
    """Play a scene; again, when the machine was too busy for all that was handed over to come through whole."""
    for _ in range(ATTEMPTS):
        command = [sys.executable, "-m", "tests.audio.play_aloud", scene, str(folder)]
        with sink.recording() as recording:
            done = subprocess.run(command, env=sink.env, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            heard = recording.read_all().astype(np.float64)
        handed = sent(folder, "handed")
        sounding = np.flatnonzero(np.abs(handed) > 0.001)
        handed = handed[sounding[0] : sounding[-1]]
        place, _ = find(handed, heard)
        if np.abs(heard[place : place + len(handed)] - handed).max() < 0.02:
            return Performance(heard, handed, json.loads(done.stdout))
    pytest.fail(f"in {ATTEMPTS} attempts what was handed to the device never came through whole")


def sent(folder: Path, name: str) -> Signal:
    return load_clip(folder / f"{name}.wav").at_rate(RATE).samples.astype(np.float64)


def find(part: Signal, heard: Signal) -> tuple[int, float]:
    """Where ``part`` is in ``heard``, and how well it correlates there."""
    place = int(np.argmax(correlate(heard, part, mode="valid", method="fft")))
    return place, float(np.corrcoef(heard[place : place + len(part)], part)[0, 1])


def test_what_is_sent_is_heard(null_sink: NullSink, tmp_path: Path) -> None:
    played = perform(null_sink, "play", tmp_path)
    heard, seen = played.heard, played.seen
    assert seen["playing"] is True
    assert seen["available"] is True
    assert 0.01 < seen["latency"] < 0.2
    assert seen["after"] is False
    assert seen["position"] == pytest.approx(1.5, abs=0.001)
    place, likeness = find(sent(tmp_path, "A"), heard)
    assert likeness > 0.99
    around = np.concatenate([heard[:place], heard[place + round(1.5 * RATE) + 50 :]])
    assert np.abs(around).max() < 0.001


def test_a_swap_is_heard_at_the_same_position(null_sink: NullSink, tmp_path: Path) -> None:
    played = perform(null_sink, "swap", tmp_path)
    heard, swapped = played.heard, played.seen["swapped_at"]
    first, second = sent(tmp_path, "A"), sent(tmp_path, "B")
    before = slice(round(0.05 * RATE), round((swapped - 0.05) * RATE))
    after = slice(round((swapped + 0.2) * RATE), round(1.95 * RATE))
    start, likeness = find(first[before], heard)
    resumed, second_likeness = find(second[after], heard)
    assert likeness > 0.99
    assert second_likeness > 0.99
    assert abs((resumed - after.start) - (start - before.start)) <= RATE * 0.001
    louder = np.std(heard[start : start + (before.stop - before.start)]) / np.std(first[before])
    softer = np.std(heard[resumed : resumed + (after.stop - after.start)]) / np.std(second[after])
    assert 20 * np.log10(softer / louder) == pytest.approx(-6.0, abs=0.2)


def test_no_click_anywhere(null_sink: NullSink, tmp_path: Path) -> None:
    played = perform(null_sink, "tones", tmp_path)
    assert played.seen["held"] > 1.35
    # A sine of 310 Hz at 0.5 bends by 0.0008 a sample at most, its fades by little more; a jump would show as itself.
    for signal in (played.handed, played.heard):
        bend = np.abs(np.diff(signal, n=2))
        assert bend.max() < 3 * 0.5 * (2 * np.pi * 310 / RATE) ** 2
        assert np.abs(signal).max() == pytest.approx(0.5, abs=0.02)


def test_a_rendering_is_heard_while_it_arrives(null_sink: NullSink, tmp_path: Path) -> None:
    played = perform(null_sink, "stream", tmp_path)
    heard, seen = played.heard, played.seen
    assert seen["waiting"] is True
    dry = seen["dry_at"]
    assert 0.7 < dry < 0.75
    assert seen["position"] == pytest.approx(1.5, abs=0.001)
    whole = sent(tmp_path, "A")
    cut = round(dry * RATE)
    start, likeness = find(whole[round(0.02 * RATE) : cut - 500], heard)
    resumed, second_likeness = find(whole[cut + 1000 : -1000], heard)
    assert likeness > 0.99
    assert second_likeness > 0.99
    assert resumed > start + cut, "the pause is silence in between, not something skipped"


def test_a_device_that_goes_away_is_said_and_found_again(tmp_path: Path) -> None:
    with running_sink() as sink:
        command = [sys.executable, "-m", "tests.audio.play_aloud", "lost", str(tmp_path)]
        done = subprocess.run(command, env=sink.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen == {
        "available": False,
        "reason": "The sound output went away; connect it again, then press play.",
        "playing": False,
        "said": "No sound output was found; connect headphones or speakers, then press play again.",
        "again": True,
        "kept": True,
    }


def test_without_a_sound_server_these_tests_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    sentence = "pulseaudio and parec not found; install with: apt-get install"
    with pytest.raises(pytest.fail.Exception, match=sentence), running_sink():
        pass
