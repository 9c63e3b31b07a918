"""A real sound system for tests: a PulseAudio server of our own with a null sink, and what was heard on it.

PortAudio chooses its devices when it is first used, so a test that plays into the sink does so in a subprocess that is
given ``null_sink.env``; the capture can run in the test itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO

import numpy as np
import numpy.typing as npt
import pytest

RATE = 48_000
SINK = "nullsink"
_INSTALL = "apt-get install -y --no-install-recommends pulseaudio pulseaudio-utils libasound2-plugins libportaudio2"
_SAMPLE_BYTES = 4
_PATIENCE_SECONDS = 20.0

Samples = npt.NDArray[np.float32]


def _parec(env: dict[str, str], stdout: int, sink: str = SINK) -> subprocess.Popen[bytes]:
    """``parec`` listening to a sink, mono float32; the short latency makes the sink tick like a sound card."""
    command = ["parec", "-d", f"{sink}.monitor", "--raw", "--format=float32le", "--channels=1"]
    return subprocess.Popen([*command, f"--rate={RATE}", "--latency-msec=20"], env=env, stdout=stdout)


class Recording:
    """What the sink plays from the moment this is entered, as mono float32 at 48 kHz."""

    def __init__(self, env: dict[str, str], sink: str = SINK) -> None:
        self._env = env
        self._sink = sink
        self._heard = bytearray()
        self._more = threading.Condition()

    def __enter__(self) -> Recording:
        self._parec = _parec(self._env, subprocess.PIPE, self._sink)
        assert self._parec.stdout is not None
        self._thread = threading.Thread(target=self._listen, args=[self._parec.stdout], name="parec")
        self._thread.start()
        self.read(0.02)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._parec.terminate()
        self._parec.wait()
        self._thread.join()
        assert self._parec.stdout is not None
        self._parec.stdout.close()

    def read(self, seconds: float) -> Samples:
        """The next ``seconds`` not read before, waiting until they have been heard."""
        wanted = round(seconds * RATE) * _SAMPLE_BYTES
        with self._more:
            assert self._more.wait_for(lambda: len(self._heard) >= wanted, _PATIENCE_SECONDS), "parec hears nothing"
            samples = np.frombuffer(bytes(self._heard[:wanted]), dtype="<f4").astype(np.float32)
            del self._heard[:wanted]
        return samples

    def read_all(self) -> Samples:
        """Everything heard and not read yet."""
        return self.read(len(self._heard) // _SAMPLE_BYTES / RATE)

    def _listen(self, stream: IO[bytes]) -> None:
        while chunk := os.read(stream.fileno(), 1 << 14):
            with self._more:
                self._heard += chunk
                self._more.notify_all()


class NullSink:
    """A sound server that plays into nothing and can be listened to.

    ``env`` is the environment a process needs to play there.
    """

    def __init__(self, runtime: Path) -> None:
        # A home of its own keeps the user's sound settings out of the test, and the test out of them.
        self.env = os.environ | {
            "XDG_RUNTIME_DIR": str(runtime),
            "HOME": str(runtime),
            "PULSE_SERVER": f"unix:{runtime}/pulse/native",
        }

    def start(self) -> None:
        """Start the server; returns once it accepts connections."""
        command = ["pulseaudio", "-n", "-D", "--exit-idle-time=-1", "--load=module-native-protocol-unix"]
        command += [f"--load=module-null-sink sink_name={SINK} rate={RATE}"]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"pulseaudio did not start: {done.stderr}"
        # Nobody listening, a null sink takes its sound in lumps of up to two seconds, which no sound card does.
        self._listener = _parec(self.env, subprocess.DEVNULL)

    def stop(self) -> None:
        """Stop the server, as if the sound card had been pulled out."""
        self._listener.terminate()
        self._listener.wait()
        subprocess.run(["pulseaudio", "--kill"], env=self.env, capture_output=True, check=False)

    def recording(self, sink: str = SINK) -> Recording:
        """Listen for as long as the ``with`` block lasts; what plays from then on can be read."""
        return Recording(self.env, sink)

    def add(self, sink: str) -> None:
        """Plug in another sink."""
        load_sink(sink, self.env)

    def record(self, seconds: float) -> Samples:
        """What the sink plays during the next ``seconds``."""
        with self.recording() as recording:
            return recording.read(seconds)


def load_sink(sink: str = SINK, env: dict[str, str] | None = None) -> None:
    """Plug a sink into the server that ``env``, or this process's environment, points to."""
    command = ["pactl", "load-module", "module-null-sink", f"sink_name={sink}", f"rate={RATE}"]
    subprocess.run(command, env=env, check=True, capture_output=True)


def unload_sink(sink: str = SINK) -> None:
    """Pull a sink out of the server that this process's environment points to."""
    listed = subprocess.run(["pactl", "list", "short", "modules"], check=True, capture_output=True, text=True).stdout
    module = next(line.split("\t")[0] for line in listed.splitlines() if f"sink_name={sink} " in f"{line} ")
    subprocess.run(["pactl", "unload-module", module], check=True, capture_output=True)


@contextmanager
def running_sink() -> Iterator[NullSink]:
    """A null sink of its own, for a test that takes the sound card away."""
    missing = [program for program in ("pulseaudio", "parec") if shutil.which(program) is None]
    if missing:
        pytest.fail(f"{' and '.join(missing)} not found; install with: {_INSTALL}")
    # Not below pytest's temporary folder: a socket's path may have only 107 characters.
    with tempfile.TemporaryDirectory(prefix="esn-pulse-", ignore_cleanup_errors=True) as runtime:
        sink = NullSink(Path(runtime))
        sink.start()
        try:
            yield sink
        finally:
            sink.stop()


@pytest.fixture(scope="session")
def null_sink() -> Iterator[NullSink]:
    """The session's null sink; fails with the line to install when PulseAudio is missing."""
    with running_sink() as sink:
        yield sink


def silent_env() -> dict[str, str]:
    """An environment in which no sound device is found, whatever the machine has."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PULSE_", "ALSA_", "PIPEWIRE_"))}
    nowhere = "/nonexistent"
    return env | {"XDG_RUNTIME_DIR": nowhere, "HOME": nowhere, "PULSE_SERVER": f"unix:{nowhere}"}
