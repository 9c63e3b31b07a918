"""Plays into the null sink from a process of its own: ``python -m tests.audio.play_aloud SCENE FOLDER``.

A scene prints what it saw as one line of JSON. The sources it played and what the player handed to the device are left
in the folder as WAV: a busy machine drops samples between there and the ear, and a test must tell the two apart.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from studio.audio.clip import Clip, FloatArray
from studio.audio.device import BLOCK_FRAMES, SETTLE_BLOCKS, output_names
from studio.audio.files import save_wav
from studio.audio.player import Player, SoundUnavailable
from tests.pulse import load_sink, unload_sink

Seen = dict[str, object]

RATE = 16_000
PATIENCE = 20.0
LOOP = (0.5, 0.9)
"""Seconds; as many whole samples at 44.1 as at 48 kHz, for the sound server may work at another rate."""
SERVER = ("pulseaudio", "-n", "-D", "--exit-idle-time=-1")
PLACES = (0.3, 1.1, 0.7)


def noise(seed: int, seconds: float) -> Clip:
    """Noise below 2 kHz: correlates with itself at one place only and survives resampling."""
    count = round(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    spectrum[np.fft.rfftfreq(count, 1 / RATE) > 2_000] = 0
    samples = np.fft.irfft(spectrum, count)
    return Clip((0.5 * samples / np.abs(samples).max()).astype(np.float32), RATE)


def tone(hertz: float, seconds: float) -> Clip:
    return Clip((0.5 * np.cos(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32), RATE)


class TappedPlayer(Player):
    """A player that keeps what it handed to the device."""

    def __init__(self, on_stopped: Callable[[], None]) -> None:
        super().__init__(on_stopped)
        # With what the device is given before it asks the player, so that resampling falls on the same points in time.
        self.handed: list[FloatArray] = [np.zeros(SETTLE_BLOCKS * BLOCK_FRAMES, np.float32)]

    def _fill(self, out: FloatArray, late: bool) -> None:
        super()._fill(out, late)
        self.handed.append(out[:, 0].copy())

    def handed_clip(self) -> Clip:
        return Clip(np.concatenate(self.handed), self._mixer.rate)


class Stage:
    """A player, its sources on disk, and waiting for what it does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stopped = threading.Event()
        self.player = TappedPlayer(self._stopped.set)

    def put(self, name: str, clip: Clip) -> None:
        save_wav(self.folder / f"{name}.wav", clip, "FLOAT")
        self.player.set_clip(name, clip)

    def until(self, happened: Callable[[], bool]) -> None:
        """Wait until ``happened``, looking every few milliseconds."""
        looks = threading.Event()
        for _ in range(round(PATIENCE / 0.002)):
            if happened():
                return
            looks.wait(0.002)
        raise TimeoutError("nothing happened")

    def until_stopped(self) -> None:
        if not self._stopped.wait(PATIENCE):
            raise TimeoutError("playback did not stop")
        self._stopped.clear()

    def until_heard(self) -> None:
        """Wait until what was played has left the device: a little silence, played out."""
        self.player.clear("silence")
        self.player.set_clip("silence", Clip(np.zeros(RATE // 2, np.float32), RATE))
        self.player.set_source("silence")
        self.player.seek(0)
        self.player.play()
        self.until_stopped()


def play(stage: Stage) -> Seen:
    """A clip from start to end."""
    player = stage.player
    player.warm_up()
    stage.put("A", noise(1, 1.5))
    player.set_source("A")
    player.play()
    stage.until(lambda: player.level > 0.1)
    seen: Seen = {"playing": player.playing, "available": player.available, "latency": player.latency}
    stage.until_stopped()
    seen |= {"position": player.position, "after": player.playing}
    stage.until_heard()
    return seen


def swap(stage: Stage) -> Seen:
    """From A to B in the middle."""
    player = stage.player
    stage.put("A", noise(1, 2.0))
    stage.put("B", noise(2, 2.0))
    player.set_gain("B", -6.0)
    player.set_source("A")
    player.play()
    stage.until(lambda: player.position > 0.9)
    player.set_source("B")
    swapped_at = player.position
    stage.until_stopped()
    stage.until_heard()
    return {"swapped_at": swapped_at}


def tones(stage: Stage) -> Seen:
    """Two tones swapped, sought, stopped, resumed and looped: every place where a click could be."""
    player = stage.player
    stage.put("A", tone(200, 3.0))
    stage.put("B", tone(310, 3.0))
    player.set_source("A")
    player.play()
    stage.until(lambda: player.position > 0.3)
    player.set_source("B")
    stage.until(lambda: player.position > 0.5)
    player.seek(1.2031)
    stage.until(lambda: player.position > 1.35)
    player.stop()
    stage.until(lambda: player.level == 0.0)
    held = player.position
    player.play()
    player.loop((1.4007, 1.5))
    stage.until(lambda: player.position > 1.49)
    stage.until(lambda: player.position < 1.45)
    stage.until(lambda: player.position > 1.49)
    player.loop(None)
    player.set_gain("B", -12.0)
    stage.until(lambda: player.position > 1.7)
    player.stop()
    stage.until(lambda: player.level == 0.0)
    stage.until_heard()
    return {"held": held}


def stream(stage: Stage) -> Seen:
    """A rendering heard while it arrives, with a pause in its middle."""
    player = stage.player
    whole = noise(3, 1.5)
    save_wav(stage.folder / "A.wav", whole, "FLOAT")
    pieces = np.array_split(whole.samples, 6)
    player.set_source("A")
    player.append("A", pieces[0], RATE)
    player.play()
    for piece in pieces[1:3]:
        player.append("A", piece, RATE)
    stage.until(lambda: player.position > 0.6)
    stage.until(lambda: player.level == 0.0)
    dry_at, waiting = player.position, player.playing
    for piece in pieces[3:]:
        player.append("A", piece, RATE)
    player.finish("A")
    stage.until_stopped()
    seen: Seen = {"dry_at": dry_at, "waiting": waiting, "position": player.position}
    stage.until_heard()
    return seen


def loop(stage: Stage) -> Seen:
    """A stretch four times over."""
    player = stage.player
    stage.put("A", noise(1, 2.0))
    player.set_source("A")
    player.loop(LOOP)
    player.seek(LOOP[0])
    player.play()
    for _ in range(4):
        stage.until(lambda: player.position > LOOP[1] - 0.1)
        stage.until(lambda: player.position < LOOP[1] - 0.2)
    player.stop()
    stage.until(lambda: player.level == 0.0)
    player.loop(None)
    stage.until_heard()
    return {}


def scrub(stage: Stage) -> Seen:
    """The mouse at three places, one after another, while nothing plays."""
    player = stage.player
    stage.put("A", noise(1, 2.0))
    player.set_source("A")
    player.warm_up()
    for place in PLACES:
        player.scrub(place)
        stage.until(lambda: player.level > 0.05)
        stage.until(lambda: player.level == 0.0)
    seen: Seen = {"position": player.position, "playing": player.playing, "running": player.running}
    stage.until_heard()
    return seen


def killed(stage: Stage) -> Seen:
    """The sound server dies while playing, and comes back."""
    return lost(
        stage,
        lambda: subprocess.run(["pulseaudio", "--kill"], check=True),
        lambda: subprocess.run(
            [*SERVER, "--load=module-native-protocol-unix", "--load=module-null-sink sink_name=nullsink rate=48000"],
            check=True,
            capture_output=True,
        ),
    )


def unplugged(stage: Stage) -> Seen:
    """The only sink is pulled out while playing, and plugged in again."""
    return lost(stage, unload_sink, load_sink)


def lost(stage: Stage, take_away: Callable[[], object], bring_back: Callable[[], object]) -> Seen:
    player = stage.player
    stage.put("A", noise(1, 8.0))
    player.set_source("A")
    player.play()
    stage.until(lambda: player.position > 0.2)
    take_away()
    stage.until_stopped()
    seen: Seen = {"available": player.available, "reason": player.reason, "playing": player.playing}
    held = player.position
    try:
        player.play()
    except SoundUnavailable as error:
        seen["said"] = str(error)
    bring_back()
    player.play()
    seen |= {"again": player.available, "kept": player.position >= held > 0.2}
    stage.until(lambda: player.position > held + 0.1)
    return seen


def moved(stage: Stage) -> Seen:
    """The sink that plays is pulled out while there is a second one."""
    player = stage.player
    stage.put("A", noise(1, 4.0))
    player.set_source("A")
    player.play()
    stage.until(lambda: player.position > 0.5)
    unload_sink()
    stage.until_stopped()
    seen: Seen = {"available": player.available, "position": player.position}
    stage.until_heard()
    return seen


def chosen(stage: Stage) -> Seen:
    """From one output to another and back while playing; then one that is not there."""
    player = stage.player
    stage.put("A", noise(1, 6.0))
    player.set_source("A")
    player.choose_output("second")
    player.play()
    seen: Seen = {"outputs": output_names(), "first": player.output}
    stage.until(lambda: player.position > 1.0)
    player.choose_output("")
    seen |= {"playing": player.playing, "default": player.output}
    at = player.position
    stage.until(lambda: player.position > at + 0.5)
    player.choose_output("headphones")
    seen |= {"missing": player.output, "available": player.available, "still": player.playing}
    stage.until(lambda: player.position > at + 1.0)
    player.stop()
    player.look_again()
    seen["again"] = player.available
    return seen


SCENES = {scene.__name__: scene for scene in (play, swap, tones, stream, loop, scrub, killed, unplugged, moved, chosen)}

if __name__ == "__main__":
    scene = SCENES[sys.argv[1]]
    stage = Stage(Path(sys.argv[2]))
    seen = scene(stage)
    stage.player.close()
    save_wav(stage.folder / "handed.wav", stage.player.handed_clip(), "FLOAT")
    print(json.dumps(seen))  # noqa: T201
