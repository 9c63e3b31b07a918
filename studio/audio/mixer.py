"""The mixing core of the player: which samples are heard next. Pure numpy; knows no device and no clock.

Two threads meet here without a lock. The controlling side replaces one immutable ``_Intent``; the rendering side reads
it once per block and moves towards it with cross-fades. Everything else belongs to the rendering side. Controlling
calls must come from one thread at a time; ``SampleBuffer`` may grow meanwhile.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from studio.audio.clip import FloatArray

FADE_SECONDS = 0.010
"""Length of every fade: swap, seek, play, stop, loop wrap, underrun."""

GAIN_SECONDS = 0.020
"""Time a gain takes to change by 1 (full scale)."""

RESUME_SECONDS = 0.1
"""After an underrun, how much must be waiting before playback goes on: one gap is better than a stutter."""


GRAIN_SECONDS = 0.08
"""What is heard at each place while scrubbing."""


class SampleBuffer:
    """The samples of one source at the mixer's rate; grows while it is being rendered to.

    ``gain`` is linear and may be set at any time. ``finished`` says that no more samples will come.
    """

    def __init__(self, samples: FloatArray | None = None, *, finished: bool = True, gain: float = 1.0) -> None:
        data = np.zeros(0, np.float32) if samples is None else np.ascontiguousarray(samples, dtype=np.float32)
        self.gain = gain
        self._state = (data, len(data), finished)

    def __len__(self) -> int:
        return self._state[1]

    @property
    def finished(self) -> bool:
        """Whether the source is complete."""
        return self._state[2]

    def append(self, samples: FloatArray) -> None:
        """Add samples at the end; the rendering side sees all of them or none."""
        data, length, finished = self._state
        if finished:
            raise ValueError("a finished source cannot grow")
        needed = length + len(samples)
        if needed > len(data):
            grown = np.zeros(max(needed, 2 * len(data)), np.float32)
            grown[:length] = data[:length]
            data = grown
        # Samples beyond ``length`` are not read until the new length is published below.
        data[length:needed] = samples
        self._state = (data, needed, False)

    def finish(self) -> None:
        """Say that no more samples will come."""
        data, length, _ = self._state
        self._state = (data, length, True)

    def view(self) -> tuple[FloatArray, int, bool]:
        """(samples, how many of them are valid, finished), consistent with each other."""
        return self._state


@dataclass(frozen=True)
class _Intent:
    """What the controlling side wants. Tickets tell a repeated wish from an old one."""

    buffer: SampleBuffer | None = None
    playing: bool = False
    play_ticket: int = 0
    loop: tuple[int, int | None] | None = None
    seek_to: int = 0
    seek_ticket: int = 0
    scrubs: bool = False


@dataclass
class _Voice:
    """One sounding stretch of a buffer; ``phase`` 0..fade is where it stands in its fade, up or down."""

    buffer: SampleBuffer
    position: int
    gain: float
    phase: int = 0
    rising: bool = True


class Mixer:
    """Plays one buffer at a time, mono, at ``rate`` Hz; every change of what is heard is cross-faded."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._fade = max(1, round(FADE_SECONDS * rate))
        # sin^2: a rising and a falling fade add up to 1, so identical sources swap without a trace.
        self._curve = (np.sin(np.linspace(0.0, np.pi / 2.0, self._fade + 1)) ** 2).astype(np.float32)
        self._gain_step = 1.0 / (GAIN_SECONDS * rate)
        self._resume = max(2 * self._fade, round(RESUME_SECONDS * rate))
        self._grain = max(2 * self._fade, round(GRAIN_SECONDS * rate))
        self._grain_left = 0
        self._intent = _Intent()
        self._position = 0
        self._seek_done = 0
        self._ended_ticket = 0
        self._voice: _Voice | None = None
        self._tails: list[_Voice] = []
        self._starving = False
        self._level = 0.0
        self._ends = 0

    @property
    def position(self) -> int:
        """The frame played next, or, while stopped, the frame ``play`` will start from."""
        intent = self._intent
        return self._position if intent.seek_ticket == self._seek_done else intent.seek_to

    @property
    def playing(self) -> bool:
        """Whether playback is wanted and has not come to its end (true while it waits for samples)."""
        return self._wants_sound(self._intent)

    @property
    def level(self) -> float:
        """Peak magnitude of the last block, linear."""
        return self._level

    @property
    def ends(self) -> int:
        """How many times playback has come to the end of its source by itself."""
        return self._ends

    def select(self, buffer: SampleBuffer | None, frame: int | None = None) -> None:
        """Play ``buffer`` from now on, at the same position or from ``frame``; with None the position waits, silent."""
        intent = replace(self._intent, buffer=buffer)
        if frame is not None:
            intent = replace(intent, seek_to=max(0, frame), seek_ticket=intent.seek_ticket + 1, scrubs=False)
        self._intent = intent

    def play(self) -> None:
        """Play from the current position, or from the start when the source had come to its end."""
        if self.playing:
            return
        intent = self._intent
        if intent.buffer is not None and intent.buffer.finished and self.position >= len(intent.buffer):
            self.seek(0 if intent.loop is None else intent.loop[0])
        self._intent = replace(self._intent, playing=True, play_ticket=intent.play_ticket + 1)

    def stop(self) -> None:
        """Fade out and stay where we are."""
        self._intent = replace(self._intent, playing=False)

    def seek(self, frame: int, *, scrub: bool = False) -> None:
        """Go on from ``frame`` (0 when negative); while stopped, ``scrub`` plays one grain from there.

        A grain is heard out before the next one, which is that of the newest place, begins.
        """
        intent = self._intent
        self._intent = replace(intent, seek_to=max(0, frame), seek_ticket=intent.seek_ticket + 1, scrubs=scrub)

    def loop(self, region: tuple[int, int | None] | None) -> None:
        """Repeat the frames from region[0] up to region[1] (None: to the end of whatever plays); None plays once.

        Playback that stands behind the region goes on to the end of the source and then returns to the region.
        Where a source is shorter than the region, silence fills it, so that sources of unlike length stay in step.
        A region is at least two fades long.
        """
        self._intent = replace(self._intent, loop=None if region is None else (max(0, region[0]), region[1]))

    def at_rate(self, rate: int) -> Mixer:
        """A silent mixer for another rate that stands at the same time and has the same loop; it has no buffer."""
        ratio = rate / self.rate
        other = Mixer(rate)
        other.seek(round(self.position * ratio))
        loop = self._intent.loop
        if loop is not None:
            start, stop = loop
            other.loop((round(start * ratio), None if stop is None else round(stop * ratio)))
        return other

    def render(self, frames: int) -> FloatArray:
        """The next ``frames`` samples, float32 within -1..1."""
        intent = self._intent
        out = np.zeros(frames, np.float32)
        for tail in self._tails:
            self._mix(tail, out)
        self._tails = [tail for tail in self._tails if tail.phase > 0]
        wanted = self._wants_sound(intent)
        moved = intent.seek_ticket != self._seek_done
        if moved and intent.scrubs and self._grain_left > 0 and not wanted:
            moved = False
        elif moved or wanted:
            # Playing on takes over from a grain where that began, which is where the position still stands.
            moved = moved or self._grain_left > 0
            self._grain_left = self._grain if intent.scrubs and not wanted else 0
        if self._voice is not None and (
            moved or self._voice.buffer is not intent.buffer or not (wanted or self._grain_left)
        ):
            self._release(out)
        if moved:
            self._position = intent.seek_to
            self._seek_done = intent.seek_ticket
        if intent.buffer is not None and wanted:
            self._advance(intent, intent.buffer, out)
        elif intent.buffer is not None and self._grain_left > 0:
            self._scrub(intent.buffer, out)
        else:
            self._grain_left = 0
        np.clip(out, -1.0, 1.0, out=out)
        self._level = max(float(out.max()), -float(out.min())) if frames else 0.0
        return out

    def _wants_sound(self, intent: _Intent) -> bool:
        return intent.playing and self._ended_ticket != intent.play_ticket

    def _advance(self, intent: _Intent, buffer: SampleBuffer, out: FloatArray) -> None:
        """Play on from the position, through loop wraps, until the block is full, the source ends or runs dry."""
        _, length, finished = buffer.view()
        end = float(length) if finished else math.inf
        loop = _resolve(intent.loop, length, finished, 2 * self._fade)
        # The last fade of what has arrived so far is kept back: should no more come in time, it is what fades out.
        dry = math.inf if finished else float(length - self._fade)
        offset = 0
        while offset < len(out):
            limit = loop[1] if loop is not None and self._position <= loop[1] else end
            reach = min(limit, dry)
            if self._position < reach:
                if self._voice is None:
                    if self._starving and reach - self._position < self._resume and reach != limit:
                        return
                    self._voice = _Voice(buffer, self._position, buffer.gain)
                    self._starving = False
                run = int(min(len(out) - offset, reach - self._position))
                self._mix(self._voice, out[offset : offset + run])
                self._position += run
                offset += run
                continue
            self._release(out[offset:])
            if reach != limit:
                self._starving = True
                return
            if loop is None:
                self._ended_ticket = intent.play_ticket
                self._ends += 1
                return
            self._position = loop[0]

    def _scrub(self, buffer: SampleBuffer, out: FloatArray) -> None:
        """Play on in the grain; the position stays where it began."""
        _, length, finished = buffer.view()
        done = self._grain - self._grain_left
        # What still grows has no end to fade out into.
        room = math.inf if finished else length - self._fade - self._position - done
        count = int(min(len(out), self._grain_left, max(0.0, room)))
        if self._voice is None and count > 0:
            self._voice = _Voice(buffer, self._position + done, buffer.gain)
        if self._voice is not None:
            self._mix(self._voice, out[:count])
        self._grain_left -= count
        if self._grain_left == 0 or count < len(out):
            self._grain_left = 0
            self._release(out[count:])

    def _release(self, out: FloatArray) -> None:
        """Let the sounding voice fade out, beginning with ``out``, the rest of this block."""
        voice, self._voice = self._voice, None
        if voice is None:
            return
        voice.rising = False
        self._mix(voice, out)
        if voice.phase > 0:
            self._tails.append(voice)

    def _mix(self, voice: _Voice, out: FloatArray) -> None:
        """Add the voice's next samples to ``out`` (nothing beyond its buffer's end) and move it on.

        A finished source fades out into its end: one that was cut off, or is looped, ends without a click.
        """
        count = len(out)
        data, length, finished = voice.buffer.view()
        envelope: FloatArray | float = voice.gain
        if voice.gain != voice.buffer.gain:
            envelope = self._approach(voice.gain, voice.buffer.gain, count)
            voice.gain = float(envelope[-1]) if count else voice.gain
        left = length - voice.position if finished else count + self._fade
        if not voice.rising or voice.phase < self._fade or left - count < self._fade:
            steps = np.arange(count)
            phases = voice.phase + steps if voice.rising else voice.phase - steps
            envelope = envelope * self._curve[np.clip(np.minimum(phases, left - steps), 0, self._fade)]
        samples = data[voice.position : min(voice.position + count, length)]
        sounding = len(samples)
        out[:sounding] += samples * (envelope if isinstance(envelope, float) else envelope[:sounding])
        voice.position += count
        voice.phase = min(self._fade, voice.phase + count) if voice.rising else max(0, voice.phase - count)

    def _approach(self, gain: float, target: float, count: int) -> FloatArray:
        """Gain of each of the next samples on a straight line to ``target``, then held."""
        steps = self._gain_step * np.arange(1, count + 1)
        gains: FloatArray = np.clip(target, gain - steps, gain + steps).astype(np.float32)
        return gains


def _resolve(
    loop: tuple[int, int | None] | None, length: int, finished: bool, shortest: int
) -> tuple[int, float] | None:
    """First frame and end of the loop in a source of ``length``, never less than ``shortest`` frames apart.

    An open end is infinitely far away while the source still grows; a start behind the source's end becomes 0.
    """
    if loop is None:
        return None
    start, stop = loop
    if stop is None and not finished:
        return start, math.inf
    if stop is None:
        stop = length
        start = start if start < length else 0
    return start, float(max(stop, start + shortest))
