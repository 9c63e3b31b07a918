"""The player where nothing needs to be heard; ``test_playback`` is the one that listens."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from studio.audio.clip import Clip
from studio.audio.player import Player
from tests.pulse import silent_env

WITHOUT_SOUND = """
import json
import numpy as np
from studio.audio.clip import Clip
from studio.audio.player import Player, SoundUnavailable
from studio.errors import StudioError

player = Player()
player.set_clip("A", Clip(np.zeros(16_000, np.float32), 16_000))
player.set_source("A")
player.seek(0.5)
player.loop((0.25, None))
said = []
for attempt in range(2):
    try:
        player.play()
    except StudioError as error:
        assert isinstance(error, SoundUnavailable)
        said.append(str(error))
player.stop()
print(json.dumps({
    "available": player.available, "reason": player.reason, "said": said, "position": player.position,
    "playing": player.playing, "seconds": player.seconds("A"), "level": player.level,
}))
player.close()
"""

WITHOUT_PORTAUDIO = (
    """
import ctypes.util
found = ctypes.util.find_library
ctypes.util.find_library = lambda name: None if name == "portaudio" else found(name)
"""
    + WITHOUT_SOUND
)


def run(code: str) -> dict[str, object]:
    done = subprocess.run([sys.executable, "-c", code], env=silent_env(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (WITHOUT_SOUND, "No sound output was found; connect headphones or speakers, then press play again."),
        (
            WITHOUT_PORTAUDIO,
            "Sound needs the PortAudio library, which is missing; install it (on Debian and Ubuntu: "
            "apt install libportaudio2) and start again.",
        ),
    ],
)
def test_without_sound_everything_but_sound_works(code: str, sentence: str) -> None:
    assert run(code) == {
        "available": False,
        "reason": sentence,
        "said": [sentence, sentence],
        "position": 0.5,
        "playing": False,
        "seconds": 1.0,
        "level": 0.0,
    }


def clip(seconds: float, rate: int = 16_000) -> Clip:
    return Clip(np.full(round(seconds * rate), 0.5, np.float32), rate)


def test_sources_come_grow_and_go() -> None:
    player = Player()
    assert player.seconds("A") == 0.0
    player.set_clip("A", clip(1.5))
    assert player.seconds("A") == 1.5
    player.append("B", clip(0.25).samples, 16_000)
    player.append("B", clip(0.5).samples, 16_000)
    assert player.seconds("B") == 0.75
    player.finish("B")
    player.finish("nothing of that name")
    player.append("B", clip(0.1).samples, 16_000)
    assert player.seconds("B") == pytest.approx(0.1), "after the end a new rendering begins"
    player.append("B", clip(0.1, 24_000).samples, 24_000)
    assert player.seconds("B") == pytest.approx(0.1), "another rate is another rendering"
    player.append("A", clip(0.1).samples, 16_000)
    assert player.seconds("A") == pytest.approx(0.1), "a rendering replaces a clip"
    player.clear("A")
    player.clear("A")
    assert player.seconds("A") == 0.0


def test_the_position_belongs_to_all_sources() -> None:
    player = Player()
    player.set_clip("source", clip(2.0))
    player.set_clip("A", clip(2.0, 24_000))
    player.set_source("source")
    player.seek(1.25)
    player.set_source("A")
    assert (player.source, player.position) == ("A", 1.25)
    player.set_clip("A", clip(3.0, 44_100))
    assert player.position == 1.25
    player.seek(-1.0)
    assert player.position == 0.0
