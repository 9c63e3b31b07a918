"""WORLD analysis and synthesis at 16 kHz, 5 ms frames (Morise et al. 2016, doi 10.1587/transinf.2015EDP7457)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyworld

Array = npt.NDArray[np.float64]

RATE = 16_000
HOP = 80
FRAME_MS = 5.0
FFT_SIZE = 1024
BINS = FFT_SIZE // 2 + 1
CEPSTRA = 24
F0_FLOOR, F0_CEIL = 60.0, 600.0
UNSTABLE_SAMPLES = FFT_SIZE
"""Samples at the end of a synthesis that still change when more frames follow."""

_ACTIVE_RMS = 0.05


@dataclass(frozen=True, eq=False)
class Analysis:
    """``hertz`` [T] (0 where unvoiced), power ``envelope`` [T, 513], ``aperiodicity`` [T, 513] in 0..1."""

    hertz: Array
    envelope: Array
    aperiodicity: Array


def normalise(samples: npt.ArrayLike) -> tuple[Array, float]:
    """Bring speech to a fixed level over its active part; returns (samples, factor that was applied)."""
    signal = np.asarray(samples, dtype=np.float64)
    count = len(signal) // HOP
    if count == 0:
        return signal, 1.0
    power = (signal[: count * HOP].reshape(count, HOP) ** 2).mean(1)
    active = power[power > power.max() * 1e-3]
    factor = _ACTIVE_RMS / np.sqrt(active.mean()) if len(active) and active.mean() > 1e-12 else 1.0
    return signal * factor, float(factor)


def estimate_pitch(signal: Array) -> Array:
    """Fundamental frequency in Hz, [T] every 5 ms, 0 where unvoiced (DIO refined by StoneMask)."""
    hertz, times = pyworld.dio(signal, RATE, f0_floor=F0_FLOOR, f0_ceil=F0_CEIL, frame_period=FRAME_MS)
    return np.asarray(pyworld.stonemask(signal, hertz, times, RATE))


def analyse(signal: Array, hertz: Array | None = None) -> Analysis:
    """Envelope and aperiodicity of a 16 kHz signal; ``hertz`` [T] is estimated when not given."""
    if hertz is None:
        hertz = estimate_pitch(signal)
    times = np.arange(len(hertz)) * FRAME_MS / 1000
    envelope = np.maximum(pyworld.cheaptrick(signal, hertz, times, RATE, fft_size=FFT_SIZE), 1e-12)
    return Analysis(hertz, envelope, pyworld.d4c(signal, hertz, times, RATE, fft_size=FFT_SIZE))


def code(analysis: Analysis) -> npt.NDArray[np.float32]:
    """Coded spectrum [T, 25]: 24 mel-cepstra of the envelope and one band aperiodicity in dB."""
    cepstra = pyworld.code_spectral_envelope(analysis.envelope, RATE, CEPSTRA)
    bands = pyworld.code_aperiodicity(analysis.aperiodicity, RATE)[:, :1]
    return np.concatenate([cepstra, bands], 1).astype(np.float32)


def decode(coded: npt.ArrayLike) -> tuple[Array, Array]:
    """Inverse of :func:`code`: envelope [T, 513] and aperiodicity in dB [T, 1]."""
    frames = np.ascontiguousarray(coded, dtype=np.float64)
    envelope = pyworld.decode_spectral_envelope(np.ascontiguousarray(frames[:, :CEPSTRA]), RATE, FFT_SIZE)
    return np.asarray(envelope), np.minimum(frames[:, CEPSTRA:], -0.01)


def decode_aperiodicity(bands: Array) -> Array:
    """Band aperiodicity in dB [T, 1] -> [T, 513] in 0..1."""
    return np.asarray(pyworld.decode_aperiodicity(np.ascontiguousarray(bands), RATE, FFT_SIZE))


def synthesise(hertz: Array, envelope: Array, aperiodicity: Array) -> Array:
    """Samples at 16 kHz. A prefix of the frames gives the same samples but for the last ``UNSTABLE_SAMPLES``."""
    return np.asarray(
        pyworld.synthesize(
            np.ascontiguousarray(hertz),
            np.ascontiguousarray(envelope),
            np.ascontiguousarray(aperiodicity),
            RATE,
            FRAME_MS,
        )
    )
