"""The recorder: a microphone's level for a meter, and what it hears as a clip."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from studio.audio.clip import Clip, FloatArray
from studio.audio.device import BLOCK_FRAMES, Device, SoundUnavailable, cause_of, find_input, portaudio

LONGEST_SECONDS = 300.0
"""A recording ends by itself here: it is one line that is wanted, not a forgotten microphone."""


class Recorder:
    """An open microphone: ``level`` is alive at once, samples are kept from ``record`` on.

    ``name`` chooses it, empty or not connected the system's default. ``on_ended`` is called, from the sound thread,
    when it ends by itself: at ``longest`` seconds, or (``lost`` is then True) because the device went away; it must
    return immediately. Raises SoundUnavailable. Close it when done.
    """

    def __init__(
        self, name: str = "", *, longest: float = LONGEST_SECONDS, on_ended: Callable[[], None] | None = None
    ) -> None:
        self._device: Device = find_input(name)
        self._longest = round(longest * self._device.rate)
        self._on_ended = on_ended
        self._blocks: list[FloatArray] = []
        self._frames = 0
        self._recording = False
        self._closing = threading.Event()
        self._level = 0.0
        self._clipped = False
        self.lost = False
        sounddevice = portaudio()
        try:
            self._stream = sounddevice.InputStream(
                device=self._device.index,
                samplerate=self._device.rate,
                blocksize=BLOCK_FRAMES,
                channels=self._device.channels,
                dtype="float32",
                callback=self._callback,
                finished_callback=self._finished,
            )
            self._stream.start()
        except sounddevice.PortAudioError as error:
            raise SoundUnavailable(
                f"The microphone '{self._device.name}' cannot be used ({cause_of(error)}); "
                "check the system's sound settings, or choose another."
            ) from error

    @property
    def name(self) -> str:
        """Name of the microphone."""
        return self._device.name

    @property
    def level(self) -> float:
        """Peak magnitude of the block heard last, 0..1."""
        return self._level

    @property
    def clipped(self) -> bool:
        """Whether full scale was reached since ``record``."""
        return self._clipped

    @property
    def seconds(self) -> float:
        """Length of what was kept so far."""
        return self._frames / self._device.rate

    @property
    def recording(self) -> bool:
        """Whether what is heard is kept."""
        return self._recording

    def record(self) -> None:
        """Keep what is heard from now on; what was kept before is forgotten."""
        self._recording = False
        self._blocks, self._frames, self._clipped = [], 0, False
        self._recording = True

    def stop(self) -> Clip:
        """Stop keeping; what was kept, mono at the device's rate (empty when nothing was)."""
        self._recording = False
        samples = np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.float32)
        return Clip(samples[: self._longest], self._device.rate)

    def close(self) -> None:
        """Give the microphone back; what was kept can still be had from ``stop``."""
        self._recording = False
        self._closing.set()
        self._stream.abort(ignore_errors=True)
        self._stream.close(ignore_errors=True)

    def _callback(self, heard: npt.NDArray[np.float32], frames: int, time: Any, status: Any) -> None:
        mono: FloatArray = heard.mean(axis=1, dtype=np.float32)
        self._level = float(np.max(np.abs(mono), initial=0.0))
        if not self._recording:
            return
        self._clipped |= self._level >= 1.0
        self._blocks.append(mono)
        self._frames = min(self._frames + len(mono), self._longest)
        if self._frames == self._longest:
            self._recording = False
            self._tell_ended()

    def _finished(self) -> None:
        if not self._closing.is_set():
            self.lost, self._recording, self._level = True, False, 0.0
            self._tell_ended()

    def _tell_ended(self) -> None:
        if self._on_ended is not None:
            self._on_ended()
