"""The sound card, through PortAudio, loaded when first needed; every failure is a PlayerUnavailable."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from studio.errors import StudioError

BLOCK_FRAMES = 512
LATENCY_SECONDS = 0.08
"""Buffered ahead: short enough for a swap to feel immediate, long enough to ride out a busy interpreter."""

SETTLE_BLOCKS = 6
"""Silence at the start of a stream: sound servers swallow the first few hundredths of a second."""

Fill = Callable[[npt.NDArray[np.float32], bool], None]
"""Fills float32 [frames, channels] in place; the flag says that the block before came too late."""


class PlayerUnavailable(StudioError):
    """Nothing can be heard: no PortAudio, no output device, or the device refused or went away."""


@dataclass(frozen=True)
class OutputDevice:
    """The default output device: its own ``rate`` in Hz and the ``channels`` (1 or 2) to open it with."""

    name: str
    rate: int
    channels: int


def find_output(*, afresh: bool = False) -> OutputDevice:
    """The default output device. ``afresh`` makes PortAudio look again (it lists devices only once, when loaded).

    Looking again ends every open stream of this process. Raises PlayerUnavailable.
    """
    sounddevice = _portaudio()
    try:
        if afresh:
            # The only way to a new list; the library offers it under no public name.
            sounddevice._terminate()
            sounddevice._initialize()
        found = sounddevice.query_devices(kind="output")
    except (sounddevice.PortAudioError, ValueError) as error:
        raise PlayerUnavailable(
            "No sound output was found; connect headphones or speakers, then press play again."
        ) from error
    return OutputDevice(found["name"], round(found["default_samplerate"]), min(2, found["max_output_channels"]))


class OutputStream:
    """An open stream on ``device``; ``fill`` and ``on_lost`` are called from its thread once it was started.

    ``on_lost`` is called when the stream ends without having been closed. Raises PlayerUnavailable.
    """

    def __init__(self, device: OutputDevice, fill: Fill, on_lost: Callable[[], None]) -> None:
        self._sounddevice = _portaudio()
        self._device = device
        self._fill = fill
        self._on_lost = on_lost
        self._closing = threading.Event()
        self._settling = 0
        with self._refusal_said():
            self._stream = self._sounddevice.OutputStream(
                samplerate=device.rate,
                blocksize=BLOCK_FRAMES,
                channels=device.channels,
                dtype="float32",
                latency=LATENCY_SECONDS,
                callback=self._callback,
                finished_callback=self._finished,
            )

    def start(self) -> None:
        """Start it, if it is not running; raises PlayerUnavailable."""
        with self._refusal_said():
            if not self._stream.active:
                self._settling = SETTLE_BLOCKS
                self._stream.start()

    @property
    def latency(self) -> float:
        """Seconds between a sample being filled in and being heard, as far as the system knows."""
        return float(self._stream.latency)

    def close(self) -> None:
        """Stop at once and give the device back."""
        self._closing.set()
        # A device that is gone answers with errors that are of no use to anyone.
        self._stream.abort(ignore_errors=True)
        self._stream.close(ignore_errors=True)

    def _callback(self, out: npt.NDArray[np.float32], frames: int, time: Any, status: Any) -> None:
        if self._settling > 0:
            self._settling -= 1
            out.fill(0.0)
        else:
            self._fill(out, bool(status.output_underflow))

    def _finished(self) -> None:
        if not self._closing.is_set():
            self._on_lost()

    @contextmanager
    def _refusal_said(self) -> Iterator[None]:
        try:
            yield
        except self._sounddevice.PortAudioError as error:
            raise PlayerUnavailable(
                f"The sound output '{self._device.name}' cannot be used ({_cause(error)}); "
                "check the system's sound settings, then press play again."
            ) from error


def _portaudio() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise PlayerUnavailable("Sound needs the Python package sounddevice; install it and start again.") from error
    except OSError as error:
        raise PlayerUnavailable(
            "Sound needs the PortAudio library, which is missing; install it (on Debian and Ubuntu: "
            "apt install libportaudio2) and start again."
        ) from error
    return sounddevice


def _cause(error: Exception) -> str:
    """PortAudio's own words without its error number."""
    return str(error.args[0]).split(" [")[0] if error.args else type(error).__name__
