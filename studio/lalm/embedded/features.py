"""What the model hears of a source: log-mel energies and its pitch relative to the speaker's median."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from studio.lalm.embedded import vocoder

MELS = 64
CHANNELS = MELS + 2
FRAME = 160
"""Samples per feature frame: 10 ms."""

_WINDOW = 400
_FFT = 512
LOW, HIGH = 50.0, 7600.0
_FLOOR = 1e-7
_MEAN, _SCALE = -7.0, 4.0
_USUAL_HERTZ = 150.0

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Source:
    """A level-normalised recording as the model needs it.

    ``features`` float32 [T, 66] every 10 ms: 64 scaled log-mels, pitch in octaves from the median, voicing.
    ``semitones`` [T5] every 5 ms, relative to ``median_hertz``, interpolated where unvoiced; ``voiced`` bool [T5].
    """

    features: FloatArray
    semitones: npt.NDArray[np.float64]
    voiced: npt.NDArray[np.bool_]
    median_hertz: float

    @property
    def frames(self) -> int:
        """Length in 5 ms frames."""
        return len(self.semitones)


def _filterbank() -> npt.NDArray[np.float64]:
    def to_mel(hertz: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)

    edges = 700.0 * np.expm1(np.linspace(to_mel(LOW), to_mel(HIGH), MELS + 2) / 1127.0)
    bins = np.arange(_FFT // 2 + 1) * vocoder.RATE / _FFT
    rising = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    return np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (edges[2:] - edges[:-2]))


_FILTERS = _filterbank()


def mel_power(signal: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mel band powers [T, 64] every 10 ms, frames centred on t * 10 ms."""
    count = len(signal) // FRAME + 1
    padded = np.pad(signal, (_WINDOW // 2, _WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[: count * FRAME : FRAME]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW), _FFT)) ** 2
    return np.asarray(spectrum @ _FILTERS)


def scale(power: npt.NDArray[np.float64]) -> FloatArray:
    """Log of mel powers, brought to roughly zero mean and unit spread."""
    return ((np.log(power + _FLOOR) - _MEAN) / _SCALE).astype(np.float32)


def continuous_pitch(
    hertz: npt.NDArray[np.float64], median: float | None = None
) -> tuple[npt.NDArray[np.float64], float]:
    """Semitones from the voiced median, interpolated through unvoiced frames, and the median in Hz."""
    voiced = hertz > 0
    if median is None:
        median = float(np.median(hertz[voiced])) if voiced.sum() >= 3 else _USUAL_HERTZ
    if not voiced.any():
        return np.zeros(len(hertz)), median
    index = np.arange(len(hertz))
    return 12.0 * np.interp(index, index[voiced], np.log2(hertz[voiced] / median)), median


def describe(signal: npt.NDArray[np.float64], hertz: npt.NDArray[np.float64], median: float | None = None) -> Source:
    """The :class:`Source` of a level-normalised 16 kHz signal with pitch ``hertz`` [T5].

    ``median`` is the speaker's usual pitch in Hz where more is known of it than this signal tells.
    """
    semitones, median = continuous_pitch(hertz, median)
    log_mel = scale(mel_power(signal))
    at = np.minimum(np.arange(len(log_mel)) * 2, len(hertz) - 1)
    pitch = np.stack([semitones[at] / 12.0, (hertz[at] > 0).astype(np.float64)], 1)
    return Source(
        features=np.concatenate([log_mel, pitch], 1).astype(np.float32),
        semitones=semitones,
        voiced=hertz > 0,
        median_hertz=median,
    )
