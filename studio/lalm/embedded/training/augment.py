"""Other throats, rooms and microphones, applied to mel energies and coded spectra."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyworld
from scipy.signal import lfilter

from studio.lalm.embedded import features, vocoder
from studio.lalm.embedded.features import MELS

FloatArray = npt.NDArray[np.float32]
Generator = np.random.Generator


def warp_bands(power: FloatArray, factor: float) -> FloatArray:
    """Mel powers [T, 64] as from a vocal tract shorter by ``factor`` (formants ``factor`` times higher)."""
    top = 1127.0 * np.log1p(features.HIGH / 700.0)
    bottom = 1127.0 * np.log1p(features.LOW / 700.0)
    centres = 700.0 * np.expm1(np.linspace(bottom, top, MELS + 2)[1:-1] / 1127.0)
    at = np.interp(centres / factor, centres, np.arange(MELS))
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, MELS - 1)
    weight = at - low
    logs = np.log(power + 1e-12)
    return np.exp((1 - weight) * logs[:, low] + weight * logs[:, high]).astype(np.float32)


def warp_matrix(factor: float) -> npt.NDArray[np.float64]:
    """Linear map [25, 25] that moves the formants of coded spectra by ``factor`` (aperiodicity untouched)."""
    bins = np.linspace(0, vocoder.RATE / 2, vocoder.BINS)
    base = pyworld.code_spectral_envelope(np.ones((1, vocoder.BINS)), vocoder.RATE, vocoder.CEPSTRA)
    rows = []
    for index in range(vocoder.CEPSTRA):
        unit = base.copy()
        unit[0, index] += 1.0
        spectrum = np.log(pyworld.decode_spectral_envelope(unit, vocoder.RATE, vocoder.FFT_SIZE)[0])
        moved = np.exp(np.interp(bins / factor, bins, spectrum))[None]
        rows.append(pyworld.code_spectral_envelope(moved, vocoder.RATE, vocoder.CEPSTRA)[0] - base[0])
    matrix = np.eye(vocoder.CEPSTRA + 1)
    matrix[: vocoder.CEPSTRA, : vocoder.CEPSTRA] = np.stack(rows)
    return matrix


@dataclass(frozen=True, eq=False)
class Heard:
    """A line as a microphone heard it: ``power`` [T, 64] mel powers, ``coded`` [T, 25] what to speak it with."""

    power: FloatArray
    coded: FloatArray


class Augmenter:
    """Draws random vocal tracts, equalisers, noise and rooms; a share of the lines stays clean."""

    FACTORS = tuple(np.linspace(0.86, 1.16, 13))

    def __init__(self) -> None:
        self._matrices = [warp_matrix(factor).astype(np.float32) for factor in self.FACTORS]

    def draw(self, power: FloatArray, coded: FloatArray, rng: Generator) -> Heard:
        """One random variation of a line; timbre changes reach ``coded`` too, noise and rooms do not."""
        if rng.random() < 0.3:
            return Heard(power, coded)
        total = power.sum(1)
        if rng.random() < 0.6:
            choice = int(rng.integers(len(self.FACTORS)))
            power, coded = warp_bands(power, self.FACTORS[choice]), coded @ self._matrices[choice]
        if rng.random() < 0.5:
            power, coded = _equalise(power, coded, rng)
        if rng.random() < 0.3:
            power = _reverberate(power, rng)
        power = power * (total.mean() / max(float(power.sum(1).mean()), 1e-9))
        if rng.random() < 0.6:
            power = _add_noise(power, rng)
        return Heard(power.astype(np.float32), coded.astype(np.float32))


def _equalise(power: FloatArray, coded: FloatArray, rng: Generator) -> tuple[FloatArray, FloatArray]:
    knots = rng.normal(0, 3.0, 6)
    bands = np.interp(np.linspace(0, 5, MELS), np.arange(6), knots)
    bins = np.linspace(0, vocoder.RATE / 2, vocoder.BINS)
    mel = np.log1p(bins / 700)
    scaled = (mel - np.log1p(features.LOW / 700)) / (np.log1p(features.HIGH / 700) - np.log1p(features.LOW / 700)) * 5
    gain = 10 ** (np.interp(scaled, np.arange(6), knots) / 10)
    offset = pyworld.code_spectral_envelope(gain[None], vocoder.RATE, vocoder.CEPSTRA)[0]
    changed = coded.copy()
    changed[:, : vocoder.CEPSTRA] += offset.astype(np.float32)
    return (power * 10 ** (bands / 10)).astype(np.float32), changed


def _reverberate(power: FloatArray, rng: Generator) -> FloatArray:
    decay = np.exp(-13.8 * 0.010 / rng.uniform(0.15, 0.7))
    tail = lfilter([0.0, 1.0], [1.0, -decay], power, axis=0)
    return (power + rng.uniform(0.01, 0.1) * tail).astype(np.float32)


def _add_noise(power: FloatArray, rng: Generator) -> FloatArray:
    slope = np.interp(np.arange(MELS), [0, MELS - 1], [0.0, rng.uniform(-15, 5)])
    shape = 10 ** (slope / 10)
    loud = np.percentile(power.sum(1), 90)
    noise = loud * 10 ** (-rng.uniform(15, 45) / 10) * shape / shape.sum()
    return (power + noise * rng.exponential(1.0, power.shape) ** 0.5).astype(np.float32)
