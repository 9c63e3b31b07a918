"""Speech tokens -> samples, in one piece or growing.

The envelope comes from the codec or from the recording (content lock), everything else from the tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from studio.lalm.embedded import codec as codec_module
from studio.lalm.embedded import limiter, timbre, tokens, vocoder
from studio.lalm.embedded.codec import Codec
from studio.lalm.embedded.features import Source
from studio.lalm.embedded.tokens import FRAMES, PROSODY, Codes
from studio.lalm.embedded.vocoder import Analysis

Array = npt.NDArray[np.float64]

TOKEN_SAMPLES = FRAMES * vocoder.HOP


@dataclass(frozen=True, eq=False)
class Voice:
    """Who speaks: the source's median pitch, and its analysis where words and timbre come from the recording.

    ``gain`` undoes the level normalisation of the source.
    """

    source: Source
    gain: float
    analysis: Analysis | None = None


def synthesise(codes: Codes, voice: Voice, codec: Codec) -> npt.NDArray[np.float32]:
    """Samples at 16 kHz of speech tokens [T, 16]; 640 per token."""
    prosody = tokens.decode_prosody(codes[:, :PROSODY])
    count = len(codes)
    frame = np.arange(count * FRAMES)
    # Token t has pitch points at frames 8t + 1.5 and 8t + 5.5, other tracks at its middle, 8t + 3.5.
    points = (np.arange(2 * count) * 4) + 1.5
    centres = np.arange(count) * FRAMES + 3.5
    semitones = _smooth(np.interp(frame, points, prosody.semitones.flatten()))
    energy, effort, body, breath = (
        np.interp(frame, centres, track) for track in (prosody.energy, prosody.effort, prosody.body, prosody.breath)
    )
    if voice.analysis is None:
        voiced = np.repeat(prosody.voiced.flatten(), 2)
        with torch.no_grad():
            coded = codec.decode(torch.from_numpy(codes[None, :, PROSODY:]))[0].double().numpy()
        halves = np.arange(len(coded)) * 2 + 0.5
        coded = np.stack([np.interp(frame, halves, track) for track in coded.T], 1)
        envelope, bands = vocoder.decode(coded)
        aperiodicity = vocoder.decode_aperiodicity(np.minimum(bands + (breath * voiced)[:, None], -0.01))
    else:
        place = _source_frames(prosody, voice.analysis)
        voiced = voice.analysis.hertz[np.rint(place).astype(int)] > 0
        envelope = np.exp(_read(np.log(voice.analysis.envelope), place))
        aperiodicity = _read(voice.analysis.aperiodicity, place)
        # Breath in dB of the noise share, never more than all of it.
        breathy = np.minimum(aperiodicity * 10 ** (breath / 20)[:, None], 0.999)
        aperiodicity = np.where(voiced[:, None], breathy, aperiodicity)
    change = timbre.change_db(energy, effort, body, voiced)
    hertz = voice.source.median_hertz * 2.0 ** (semitones / 12)
    hertz = np.where(voiced, np.clip(hertz, vocoder.F0_FLOOR, vocoder.F0_CEIL), 0.0)
    return limiter.limit(vocoder.synthesise(hertz, envelope * 10 ** (change / 10), aperiodicity) * voice.gain)


class SpeechStream:
    """Makes samples as tokens arrive; joined, they equal :func:`synthesise` of all tokens."""

    def __init__(self, voice: Voice, codec: Codec) -> None:
        self._voice = voice
        self._codec = codec
        self._given = 0

    def advance(self, count: int, final: bool) -> range:
        """Which samples are new with ``count`` tokens: not given before, nor changed by further tokens; ``final``: all.

        Given from now on.
        """
        stable = count * TOKEN_SAMPLES
        if not final:
            stable -= codec_module.LOOKAHEAD * TOKEN_SAMPLES + vocoder.UNSTABLE_SAMPLES + limiter.AHEAD_SAMPLES
        span = range(self._given, max(self._given, stable))
        self._given = span.stop
        return span

    def samples(self, codes: Codes, span: range) -> npt.NDArray[np.float32]:
        """The samples of ``span`` spoken from ``codes`` [T, 16]; may be called from any thread."""
        if not span:
            return np.zeros(0, np.float32)
        return synthesise(codes, self._voice, self._codec)[span.start : span.stop]


def _source_frames(prosody: tokens.Prosody, analysis: Analysis) -> Array:
    starts = np.cumsum(prosody.advance) - prosody.advance
    share = (np.arange(FRAMES) + 0.5) / FRAMES
    place = (starts[:, None] + prosody.advance[:, None] * share).flatten()
    return np.minimum(place, len(analysis.hertz) - 1)


def _read(track: Array, place: Array) -> Array:
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, len(track) - 1)
    weight = (place - low)[:, None]
    return (1 - weight) * track[low] + weight * track[high]


def _smooth(track: Array) -> Array:
    """A short kernel (25 ms) that hides the pitch classes' steps."""
    kernel = np.array([1.0, 2.0, 3.0, 2.0, 1.0]) / 9
    return np.convolve(np.pad(track, 2, "edge"), kernel, "valid")
