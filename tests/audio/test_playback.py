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
from tests.audio.play_aloud import LOOP, PLACES
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


def likest_piece(whole: Signal, span: tuple[float, float], heard: Signal) -> float:
    """How well the likest tenth of a second of a span is found; a busy machine drops samples in some, not in all."""
    starts = range(round(span[0] * RATE), round(span[1] * RATE), RATE // 10)
    return max(find(whole[start : start + RATE // 10], heard)[1] for start in starts)


def watch(sink: NullSink, scene: str, folder: Path) -> dict[str, Any]:
    """What a scene saw that is played once."""
    command = [sys.executable, "-m", "tests.audio.play_aloud", scene, str(folder)]
    done = subprocess.run(command, env=sink.env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def steepest(signal: Signal) -> float:
    """The largest step from one sample to the next."""
    return float(np.abs(np.diff(signal)).max())


def longest_silence(signal: Signal) -> int:
    """The longest run of samples that are zero to 16 bits."""
    edges = np.flatnonzero(np.concatenate([[True], np.abs(signal) > 1 / 32768, [True]]))
    return int(np.diff(edges).max()) - 1


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
    # Neither click nor gap: no step larger than those of the two takes, and no silence in between.
    at = start + round((swapped - 0.05) * RATE)
    across = heard[at : at + round(0.25 * RATE)]
    steps = [steepest(heard[start : start + before.stop - before.start]), steepest(heard[resumed:][:30_000])]
    assert steepest(across) <= max(steps)
    assert longest_silence(across) < 8
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


def test_a_loop_is_exact_to_the_sample(null_sink: NullSink, tmp_path: Path) -> None:
    played = perform(null_sink, "loop", tmp_path)
    handed = load_clip(tmp_path / "handed.wav")
    begin = int(np.flatnonzero(np.abs(handed.samples) > 0.001)[0])
    for signal, rate, start, tolerance in (
        (handed.samples.astype(np.float64), handed.rate, begin, 0.0),
        # The server rounds to 16 bits, which may fall either way.
        (played.heard, RATE, find(played.handed, played.heard)[0], 2 / 32768),
    ):
        period = round((LOOP[1] - LOOP[0]) * rate)
        first, second, third = (signal[start + period // 2 + n * period :][:period] for n in range(3))
        assert np.std(first) > 0.05
        np.testing.assert_allclose(second, first, rtol=0, atol=tolerance)
        np.testing.assert_allclose(third, first, rtol=0, atol=tolerance)


def test_scrubbing_is_heard_place_by_place(null_sink: NullSink, tmp_path: Path) -> None:
    played = perform(null_sink, "scrub", tmp_path)
    assert played.seen == {"position": pytest.approx(PLACES[-1]), "playing": False, "running": True}
    whole = sent(tmp_path, "A")
    found = []
    for place in PLACES:
        begin = round((place + 0.015) * RATE)
        at, likeness = find(whole[begin : begin + round(0.05 * RATE)], played.heard)
        assert likeness > 0.99
        found.append(at)
    assert found == sorted(found)
    bend = steepest(whole)
    assert steepest(played.heard) <= 1.1 * bend


@pytest.mark.parametrize("scene", ["killed", "unplugged"])
def test_a_device_that_goes_away_is_said_and_found_again(scene: str, tmp_path: Path) -> None:
    with running_sink() as sink:
        seen = watch(sink, scene, tmp_path)
    said = seen.pop("said")
    assert seen == {
        "available": False,
        "reason": "The sound output went away; connect it again, then press play.",
        "playing": False,
        "again": True,
        "kept": True,
    }
    assert said.endswith("then press play again.")
    assert said.count(". ") == 0
    assert ("No sound output was found" in said) or ("cannot be used" in said)


def test_a_sink_that_is_pulled_out_leaves_the_sound_to_the_other(tmp_path: Path) -> None:
    with running_sink() as sink:
        sink.add("second")
        with sink.recording("second") as recording:
            seen = watch(sink, "moved", tmp_path)
            heard = recording.read_all().astype(np.float64)
    assert seen == {"available": True, "position": pytest.approx(4.0, abs=0.001)}
    whole = sent(tmp_path, "A")
    assert likest_piece(whole, (1.0, 3.7), heard) > 0.99


def test_another_output_can_be_chosen_while_playing(tmp_path: Path) -> None:
    with running_sink() as sink:
        sink.add("second")
        asoundrc = Path(sink.env["HOME"]) / ".asoundrc"
        asoundrc.write_text("pcm.second { type pulse device second }\n")
        with sink.recording("second") as other, sink.recording() as usual:
            seen = watch(sink, "chosen", tmp_path)
            heard = {"second": other.read_all().astype(np.float64), "default": usual.read_all().astype(np.float64)}
    assert "second" in seen.pop("outputs")
    assert seen == {
        "first": "second",
        "playing": True,
        "default": "default",
        "missing": "default",
        "available": True,
        "still": True,
        "again": True,
    }
    whole = sent(tmp_path, "A")
    spans = {"second": (0.2, 0.9), "default": (1.15, 1.45)}
    for output, elsewhere in (("second", "default"), ("default", "second")):
        assert likest_piece(whole, spans[output], heard[output]) > 0.99
        assert likest_piece(whole, spans[elsewhere], heard[output]) < 0.6


def test_without_a_sound_server_these_tests_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    sentence = "pulseaudio and parec not found; install with: apt-get install"
    with pytest.raises(pytest.fail.Exception, match=sentence), running_sink():
        pass
