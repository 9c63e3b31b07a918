"""The window with a real sound server, and without any."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import correlate

from studio.audio.files import load_clip
from tests.pulse import RATE, NullSink, running_sink, silent_env

ATTEMPTS = 4


def play(scene: str, folder: Path, env: dict[str, str]) -> dict[str, Any]:
    """Run a scene in a process of its own."""
    command = [sys.executable, "-m", "tests.gui.scenes", scene, str(folder)]
    offscreen = env | {"QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(command, env=offscreen, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


def likeness(part: npt.NDArray[np.float32], heard: npt.NDArray[np.float32]) -> float:
    """How well ``part`` is found somewhere in ``heard``, 0..1; what is shorter than the part cannot hold it."""
    if len(heard) < len(part):
        return 0.0
    sums = np.concatenate([[0.0], np.cumsum(np.square(heard, dtype=np.float64))])
    energy = np.sqrt(np.maximum(sums[len(part) :] - sums[: -len(part)], 0.0))
    found = correlate(heard.astype(np.float64), part.astype(np.float64), mode="valid", method="fft")
    shares = found / np.maximum(energy * np.linalg.norm(part), 1e-6)
    return float(shares.max())


def test_the_first_minute_is_heard(null_sink: NullSink, tmp_path: Path) -> None:
    with null_sink.recording() as recording:
        seen = play("first_minute", tmp_path, null_sink.env)
        heard = recording.read_all()
    take = {lane: load_clip(tmp_path / f"{lane}.wav").at_rate(RATE).samples for lane in "AB"}
    gain = dict(zip("AB", (10 ** (decibels / 20) for decibels in seen["gains"]), strict=True))
    margin = round(0.4 * RATE)
    # Nothing else that was played goes on with B where A stood.
    likest = 0.0
    for swap in (round(seconds * RATE) for seconds in seen["swapped_at"]):
        across = [gain["A"] * take["A"][swap - margin : swap], gain["B"] * take["B"][swap : swap + margin]]
        likest = max(likest, likeness(np.concatenate(across), heard))
    assert likest > 0.8
    assert seen["heard_by_itself"] == ["A", "B"], "each take plays as it is made"
    assert seen["heard_after_swap"] == "B"
    assert seen["errors"] == []
    document = json.loads((tmp_path / "B.json").read_text())
    assert document["settings"]["strengths"]["angry"] > 0.9
    assert document["synthetic_speech"] is True


def test_a_single_file_is_heard_whole_and_the_lanes_come_back(null_sink: NullSink, tmp_path: Path) -> None:
    with null_sink.recording() as recording:
        seen = play("single_clip", tmp_path, null_sink.env)
        heard = recording.read_all()
    assert likeness(load_clip(Path(seen["file"])).at_rate(RATE).samples, heard) > 0.8
    assert seen["source"] == seen["heard"] == "source"
    assert seen["errors"] == []


def test_an_output_that_goes_away_is_opened_anew_or_said(tmp_path: Path) -> None:
    with running_sink() as sink:
        seen = play("unplugged", tmp_path, sink.env)
    assert (seen["playing"], seen["first_said"]) == (True, None)
    assert seen["then_playing"] is False
    says = seen["then_says"]
    assert says.startswith(("No sound output was found", "The sound output 'default' cannot be used"))
    assert says.endswith("then look again.")
    assert seen["heard"] == "B", "everything but sound goes on"
    assert seen["errors"] == []


def test_a_recording_from_the_microphone_becomes_a_source(null_sink: NullSink, tmp_path: Path) -> None:
    likest = 0.0
    # A busy machine drops samples on the way; one of these comes through whole.
    for attempt in range(ATTEMPTS):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        seen = play("microphone", folder, null_sink.env | {"XDG_DATA_HOME": str(folder)})
        recorded = load_clip(Path(seen["file"]))
        line = load_clip(folder / "line.wav").at_rate(recorded.rate).samples
        likest = likeness(line, recorded.samples)
        if likest > 0.99:
            break
    assert likest > 0.99
    assert Path(seen["file"]).is_relative_to(folder / "esn-studio" / "recordings")
    assert seen["after_cancel"] == [], "what is cancelled is not kept"
    assert seen["microphones"][0] == "System default"
    assert len(seen["microphones"]) > 1
    assert seen["quiet"] == 0.0
    assert seen["loudest"] > 0.5
    assert (seen["stop_says"], seen["sources"], seen["errors"]) == ("Stop", 2, [])
    before, closed, undone = seen["listed"]
    assert (len(before), closed, undone) == (2, before[:1], before), "closed by mistake, it comes back"


def test_a_render_is_heard_before_it_ends(null_sink: NullSink, tmp_path: Path) -> None:
    seen = play("first_sound", tmp_path, null_sink.env)
    assert any(seen["before_the_end"]), "one of three may be late on a busy machine, not all"
    assert seen["errors"] == []


def test_conversions_are_heard_one_after_another_in_the_review(null_sink: NullSink, tmp_path: Path) -> None:
    seen = play("review", tmp_path, null_sink.env)
    assert seen["shown"]
    assert seen["heard"] == [seen["newest"], *seen["shown"]], "the newest of the log; then a verdict plays the next"
    assert seen["silent"], "nothing comes after the last"
    assert seen["accepted"] == len(seen["shown"])


def test_without_a_sound_device_everything_else_works(tmp_path: Path) -> None:
    seen = play("silent", tmp_path, silent_env())
    assert seen["play_enabled"] is False
    assert "sound" in seen["play_says"].lower()
    assert seen["status_says"] == seen["play_says"]
    assert seen["playing"] is False
    assert seen["heard"] in ("A", "B")
    assert seen["exported"] > 10_000
    assert seen["errors"] == []
