"""Sound cards, through PortAudio, loaded when first needed; every failure is a SoundUnavailable."""

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


class SoundUnavailable(StudioError):
    """No PortAudio, no device, or the device refused or went away."""


@dataclass(frozen=True)
class Device:
    """A sound card: its own ``rate`` in Hz, the ``channels`` (1 or 2) to open it with; ``index`` None: the default."""

    name: str
    rate: int
    channels: int
    index: int | None = None


def find_output(name: str = "", *, afresh: bool = False) -> Device:
    """The output device of that name; the default one when ``name`` is empty or not connected.

    ``afresh`` makes PortAudio look again (it lists devices only once, when loaded), which ends every open stream of
    this process. Raises SoundUnavailable.
    """
    found = _find("output", name, afresh=afresh)
    if found is None:
        raise SoundUnavailable("No sound output was found; connect headphones or speakers, then press play again.")
    return found


def find_input(name: str = "", *, afresh: bool = False) -> Device:
    """The microphone of that name, found as ``find_output`` finds outputs; raises SoundUnavailable."""
    found = _find("input", name, afresh=afresh)
    if found is None:
        raise SoundUnavailable("No microphone was found; connect one, then look again.")
    return found


def output_names() -> list[str]:
    """Names of the output devices as last listed; raises SoundUnavailable without PortAudio."""
    return [device["name"] for device in _listed("output")]


def input_names() -> list[str]:
    """Names of the microphones as last listed; raises SoundUnavailable without PortAudio."""
    return [device["name"] for device in _listed("input")]


def _find(kind: str, name: str, *, afresh: bool) -> Device | None:
    sounddevice = portaudio()
    try:
        if afresh:
            # The only way to a new list; the library offers it under no public name.
            sounddevice._terminate()
            sounddevice._initialize()
        named = next((device for device in _listed(kind) if device["name"] == name), None)
        found = named or sounddevice.query_devices(kind=kind)
    except (sounddevice.PortAudioError, ValueError):
        return None
    channels = min(2, found[f"max_{kind}_channels"])
    return Device(
        found["name"], round(found["default_samplerate"]), channels, None if named is None else named["index"]
    )


def _listed(kind: str) -> list[dict[str, Any]]:
    """The devices that play (``output``) or record (``input``), each once: those of the system's first interface."""
    sounddevice = portaudio()
    try:
        devices, interfaces = sounddevice.query_devices(), sounddevice.query_hostapis()
    except sounddevice.PortAudioError:
        return []
    first = next((index for index, each in enumerate(interfaces) if each["devices"]), 0)
    names: dict[str, dict[str, Any]] = {}
    for device in devices:
        if device["hostapi"] == first and device[f"max_{kind}_channels"] > 0:
            names.setdefault(device["name"], device)
    return list(names.values())


class OutputStream:
    """An open stream on ``device``; ``fill`` and ``on_lost`` are called from its thread once it was started.

    ``on_lost`` is called when the stream ends without having been closed. Raises SoundUnavailable.
    """

    def __init__(self, device: Device, fill: Fill, on_lost: Callable[[], None]) -> None:
        self._sounddevice = portaudio()
        self._device = device
        self._fill = fill
        self._on_lost = on_lost
        self._closing = threading.Event()
        self._settling = 0
        with self._refusal_said():
            self._stream = self._sounddevice.OutputStream(
                device=device.index,
                samplerate=device.rate,
                blocksize=BLOCK_FRAMES,
                channels=device.channels,
                dtype="float32",
                latency=LATENCY_SECONDS,
                callback=self._callback,
                finished_callback=self._finished,
            )

    @property
    def running(self) -> bool:
        """Whether it was started and goes on."""
        return bool(self._stream.active)

    def start(self) -> None:
        """Start it, if it is not running; raises SoundUnavailable."""
        with self._refusal_said():
            if not self.running:
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
            raise SoundUnavailable(
                f"The sound output '{self._device.name}' cannot be used ({cause_of(error)}); "
                "check the system's sound settings, then press play again."
            ) from error


def portaudio() -> Any:
    """The library's Python module; raises SoundUnavailable where it is missing."""
    try:
        import sounddevice
    except ImportError as error:
        raise SoundUnavailable("Sound needs the Python package sounddevice; install it and start again.") from error
    except OSError as error:
        raise SoundUnavailable(
            "Sound needs the PortAudio library, which is missing; install it (on Debian and Ubuntu: "
            "apt install libportaudio2) and start again."
        ) from error
    return sounddevice


def cause_of(error: Exception) -> str:
    """PortAudio's own words without its error number."""
    return str(error.args[0]).split(" [")[0] if error.args else type(error).__name__
