"""The player: named sources of which one is heard, through one output stream that stays open.

What is heard when is decided in ``mixer``, the sound card is in ``device``; on a machine without one, everything but
sound works.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from studio.audio.clip import Clip, FloatArray
from studio.audio.device import Device, OutputStream, SoundUnavailable, find_output
from studio.audio.mixer import Mixer
from studio.audio.sources import Source

__all__ = ["Player", "SoundUnavailable"]

RATE_WITHOUT_DEVICE = 48_000


class Player:
    """Plays named clips, one at a time and in step: choosing another keeps the position and cross-fades.

    Times are seconds. Methods may be called from any thread and return at once, except those of the device (meant for
    a background thread) and the first ``play``, which load PortAudio and open it. ``on_stopped`` is called, from
    the sound thread, when playback stops by itself: at the end, or (``available`` is then False) because the device
    went away; it must return immediately. One player per process; close it when done.
    """

    def __init__(self, on_stopped: Callable[[], None] | None = None) -> None:
        self._on_stopped = on_stopped
        self._mixer = Mixer(RATE_WITHOUT_DEVICE)
        self._sources: dict[str, Source] = {}
        self._gains: dict[str, float] = {}
        self._selected = ""
        self._stream: OutputStream | None = None
        self._reason: str | None = None
        self._wanted = ""
        self._output = ""
        self._underflows = 0
        # Opening a device takes a while; what only changes the mixer must not wait for it. Where both are held, the
        # device's is taken first. The sound thread takes neither while it plays.
        self._device_lock = threading.Lock()
        self._state_lock = threading.Lock()

    # Sources

    def set_clip(self, name: str, clip: Clip) -> None:
        """Make ``clip`` the source ``name``; if it is being heard, cross-fade to it at the same position."""
        with self._state_lock:
            source = self._new_source(name, clip.rate)
            source.append(clip.samples)
            source.finish()
            self._select()

    def append(self, name: str, samples: FloatArray, rate: int) -> None:
        """Add the next samples of a source that is still being rendered.

        The first call, and the first after ``finish``, ``set_clip`` or ``clear``, starts the source anew. It can be
        played meanwhile: when samples run short there is silence, and the position waits for more.
        """
        with self._state_lock:
            source = self._sources.get(name)
            if source is None or source.finished or source.rate != rate:
                source = self._new_source(name, rate)
            source.append(samples)
            self._select()

    def finish(self, name: str) -> None:
        """Say that a source filled by ``append`` is complete."""
        with self._state_lock:
            source = self._sources.get(name)
            if source is not None:
                source.finish()

    def clear(self, name: str) -> None:
        """Remove a source; if it is being heard, the position waits in silence."""
        with self._state_lock:
            self._sources.pop(name, None)
            self._select()

    def set_gain(self, name: str, decibels: float) -> None:
        """Level of a source, present or to come; a change while it sounds is smooth."""
        with self._state_lock:
            self._gains[name] = 10.0 ** (decibels / 20.0)
            source = self._sources.get(name)
            if source is not None:
                source.buffer.gain = self._gains[name]

    def set_source(self, name: str, stretch: float = 1.0) -> None:
        """Hear ``name`` from now on, at ``stretch`` times the position; a name without samples is a silent wait."""
        with self._state_lock:
            self._selected = name
            self._select(None if stretch == 1.0 else round(self._mixer.position * stretch))

    @property
    def source(self) -> str:
        """Name of the source that is heard."""
        return self._selected

    def seconds(self, name: str) -> float:
        """Length of a source so far; 0 when there is none."""
        with self._state_lock:
            source = self._sources.get(name)
            return source.seconds if source is not None else 0.0

    # Transport

    def play(self) -> None:
        """Play on from ``position``, or from the start after the end.

        Raises SoundUnavailable when nothing can be heard, after having looked for a device anew.
        """
        with self._device_lock:
            try:
                self._open().start()
            except SoundUnavailable as error:
                self._reason = str(error)
                raise
            with self._state_lock:
                self._mixer.play()

    def stop(self) -> None:
        """Fade out; the position stays."""
        with self._state_lock:
            self._mixer.stop()

    def seek(self, seconds: float) -> None:
        """Go to ``seconds`` (0 when negative), playing or not."""
        with self._state_lock:
            self._mixer.seek(round(seconds * self._mixer.rate))

    def scrub(self, seconds: float) -> None:
        """Go to ``seconds`` as ``seek`` does; while stopped, one short grain from there is heard."""
        with self._state_lock:
            self._mixer.seek(round(seconds * self._mixer.rate), scrub=True)

    def loop(self, region: tuple[float, float | None] | None) -> None:
        """Repeat from region[0] to region[1] seconds (None: the end of what plays), or, with None, do not repeat."""
        with self._state_lock:
            rate = self._mixer.rate
            frames = None
            if region is not None:
                start, stop = region
                frames = round(start * rate), None if stop is None else round(stop * rate)
            self._mixer.loop(frames)

    @property
    def position(self) -> float:
        """Where playback stands, in seconds; while playing, what is heard is ``latency`` behind it."""
        mixer = self._mixer
        return mixer.position / mixer.rate

    @property
    def playing(self) -> bool:
        """Whether playback is on (also while it waits for samples still being rendered)."""
        return self._mixer.playing

    @property
    def level(self) -> float:
        """Peak magnitude of the block played last, 0..1, for a meter."""
        return self._mixer.level

    # Device

    @property
    def available(self) -> bool:
        """Whether sound can be heard, as far as known; the first question opens the device."""
        return not self.reason

    @property
    def reason(self) -> str:
        """Why nothing can be heard, one sentence; empty when ``available``."""
        if self._reason is None:
            self.warm_up()
        return self._reason or ""

    @property
    def latency(self) -> float:
        """Seconds from the player to the ear; 0 without an open device."""
        stream = self._stream
        return stream.latency if stream is not None else 0.0

    @property
    def underflows(self) -> int:
        """How many blocks came too late for the device so far."""
        return self._underflows

    @property
    def running(self) -> bool:
        """Whether the stream is open and goes on, so that nothing need be waited for."""
        stream = self._stream
        return stream is not None and stream.running

    @property
    def output(self) -> str:
        """Name of the device that is open; empty without one."""
        return self._output

    def warm_up(self) -> None:
        """Load PortAudio and start the stream, so that the first ``play`` is instant; failure shows in ``reason``."""
        with self._device_lock:
            self._try_start()

    def look_again(self) -> None:
        """List devices afresh and open the stream anew, so that it follows the system's default.

        Nothing happens while something plays, for that would be interrupted.
        """
        with self._device_lock:
            if not self.playing:
                self._drop_stream()
                self._try_start(afresh=True)

    def choose_output(self, name: str) -> None:
        """Play through the device of that name from now on, or, with an empty name, through the system's default.

        While it is not connected the default is used. What plays goes on playing; failure shows in ``reason``.
        """
        with self._device_lock:
            playing = self.playing
            self._wanted = name
            self._drop_stream()
            if self._try_start() and playing:
                with self._state_lock:
                    self._mixer.play()

    def close(self) -> None:
        """Stop and give the device back; a later ``play`` opens it again."""
        with self._device_lock:
            self._drop_stream()

    # Inside

    def _new_source(self, name: str, rate: int) -> Source:
        source = Source(rate, self._mixer.rate, self._gains.get(name, 1.0))
        self._sources[name] = source
        return source

    def _select(self, frame: int | None = None) -> None:
        source = self._sources.get(self._selected)
        self._mixer.select(source.buffer if source is not None else None, frame)

    def _try_start(self, *, afresh: bool = False) -> bool:
        """Start the stream; whether that worked. The device's lock is held."""
        try:
            self._open(afresh=afresh).start()
        except SoundUnavailable as error:
            self._reason = str(error)
            return False
        return True

    def _open(self, *, afresh: bool = False) -> OutputStream:
        """The open stream, a new one where there is none or the last one failed; raises SoundUnavailable."""
        if self._stream is None or self._reason:
            self._drop_stream()
            device = find_output(self._wanted, afresh=afresh or bool(self._reason))
            self._fit(device)
            self._stream = OutputStream(device, self._fill, self._lost)
            self._output = device.name
            self._reason = ""
        return self._stream

    def _drop_stream(self) -> None:
        stream, self._stream, self._output = self._stream, None, ""
        if stream is not None:
            stream.close()
        with self._state_lock:
            self._mixer.stop()

    def _fit(self, device: Device) -> None:
        """Bring sources, position and loop to the device's rate; the new mixer starts without a sounding voice."""
        fitted: dict[Source, Source] = {}
        if device.rate != self._mixer.rate:
            with self._state_lock:
                whole = [source for source in self._sources.values() if source.finished]
            # An hour takes a while to resample; nobody who only asks for something else waits for it.
            fitted = {source: source.at_device_rate(device.rate) for source in whole}
        with self._state_lock:
            if device.rate != self._mixer.rate:
                for name, source in self._sources.items():
                    if source in fitted:
                        self._sources[name] = fitted[source]
                        fitted[source].buffer.gain = source.buffer.gain
                    else:
                        source.refit(device.rate)
            self._mixer = self._mixer.at_rate(device.rate)
            self._select()

    def _fill(self, out: npt.NDArray[np.float32], late: bool) -> None:
        mixer = self._mixer
        ends = mixer.ends
        out[:] = mixer.render(len(out))[:, np.newaxis]
        self._underflows += late
        if mixer.ends != ends:
            self._tell_stopped()

    def _lost(self) -> None:
        # The stream's thread is about to end and plays no more: waiting for the lock costs nobody a sample.
        with self._state_lock:
            was_playing = self._mixer.playing
            self._mixer.stop()
            self._reason = "The sound output went away; connect it again, then press play."
        if was_playing:
            self._tell_stopped()

    def _tell_stopped(self) -> None:
        if self._on_stopped is not None:
            self._on_stopped()
