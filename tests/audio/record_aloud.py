"""Records from the null sink's monitor, in a process of its own: ``python -m tests.audio.record_aloud SCENE FOLDER``.

A scene prints what it saw as one line of JSON and leaves what it recorded in the folder as WAV.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from studio.audio.device import find_input, input_names
from studio.audio.files import save_wav
from studio.audio.recorder import Recorder
from tests.audio.play_aloud import noise
from tests.pulse import unload_sink

Seen = dict[str, object]
PATIENCE = 20.0


def until(happened: Callable[[], bool]) -> None:
    """Wait until ``happened``, looking every few milliseconds."""
    looks = threading.Event()
    for _ in range(round(PATIENCE / 0.002)):
        if happened():
            return
        looks.wait(0.002)
    raise TimeoutError("nothing happened")


def play(path: Path) -> None:
    """Play a file into the sink; returns when it has been heard."""
    subprocess.run(["paplay", str(path)], check=True)


def clip(folder: Path) -> Seen:
    """A known clip, played while recording; and once before, which is not kept."""
    played = folder / "played.wav"
    save_wav(played, noise(5, 1.0))
    recorder = Recorder()
    play(played)
    before = recorder.seconds
    recorder.record()
    peaks = [0.0]
    playing = threading.Thread(target=play, args=[played])
    playing.start()

    def heard_out() -> bool:
        peaks.append(recorder.level)
        return not playing.is_alive()

    until(heard_out)
    playing.join()
    recorded = recorder.stop()
    recorder.close()
    save_wav(folder / "recorded.wav", recorded, "FLOAT")
    return {
        "before": before,
        "loudest": max(peaks),
        "seconds": recorded.seconds,
        "name": recorder.name,
        "names": input_names(),
        "recording": recorder.recording,
        "missing": find_input("no such microphone").name,
    }


def limit(folder: Path) -> Seen:
    """Nobody presses stop."""
    ended = threading.Event()
    recorder = Recorder(longest=0.3, on_ended=ended.set)
    recorder.record()
    heard = ended.wait(PATIENCE)
    seconds = recorder.stop().seconds
    recorder.record()
    again = recorder.seconds
    recorder.close()
    return {"ended": heard, "seconds": seconds, "again": again, "lost": recorder.lost}


def lost(folder: Path) -> Seen:
    """The microphone is pulled out while recording."""
    ended = threading.Event()
    recorder = Recorder(on_ended=ended.set)
    recorder.record()
    until(lambda: recorder.seconds > 0.1)
    unload_sink()
    heard = ended.wait(PATIENCE)
    kept = recorder.stop().seconds > 0.05
    recorder.close()
    return {"ended": heard, "lost": recorder.lost, "kept": kept, "level": recorder.level}


if __name__ == "__main__":
    scene = {"clip": clip, "limit": limit, "lost": lost}[sys.argv[1]]
    print(json.dumps(scene(Path(sys.argv[2]))))  # noqa: T201
