"""The speech tokens: 40 ms each, one value per head, all heads of a token predicted in parallel.

Prosody heads say how far the token advances in the source, its pitch (relative to the speaker's median), voicing,
energy, spectral effort, body and breath; spectral heads index the codec's codebooks. Emotion lives in the prosody
heads: the codebooks describe the envelope before energy, effort, body and breath are applied, so that either the
model's own envelope or the recording's can stand beneath them (content lock).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

FRAMES = 8
"""5 ms frames per token."""


@dataclass(frozen=True)
class Scale:
    """A uniform quantiser: class c stands for low + c * step."""

    low: float
    step: float
    size: int

    def encode(self, values: npt.ArrayLike) -> Codes:
        """Nearest class, clipped to the range."""
        return np.clip(np.rint((np.asarray(values) - self.low) / self.step), 0, self.size - 1).astype(np.int64)

    def decode(self, codes: npt.ArrayLike) -> Array:
        """The value each class stands for."""
        return self.low + np.asarray(codes, dtype=np.float64) * self.step


RATE_OCTAVES = Scale(-0.7, 0.05, 29)
SEMITONES = Scale(-16.0, 0.5, 81)
ENERGY_DB = Scale(-14.0, 1.0, 31)
EFFORT = Scale(-4.0, 0.5, 23)
BODY = Scale(-3.0, 0.5, 13)
BREATH_DB = Scale(-4.0, 0.5, 17)
VOICING_PATTERNS = 16
CODEBOOKS = 8
CODEBOOK_SIZE = 64

PROSODY_HEADS = ("advance", "pitch0", "pitch1", "voicing", "energy", "effort", "body", "breath")
PROSODY_SIZES = (29, 81, 81, VOICING_PATTERNS, 31, 23, 13, 17)
ORDINAL_HEADS = (0, 1, 2, 4, 5, 6, 7)
"""Heads whose classes are steps of one scale; voicing and the codebooks are categories."""
HEAD_SIZES = PROSODY_SIZES + (CODEBOOK_SIZE,) * CODEBOOKS
PROSODY = len(PROSODY_HEADS)
HEADS = len(HEAD_SIZES)


@dataclass(frozen=True, eq=False)
class Prosody:
    """Prosody of T tokens.

    ``advance`` [T] in source frames of 5 ms; ``semitones`` [T, 2] at 10 and 30 ms into the token; ``voiced`` bool
    [T, 4], one per 10 ms; ``energy`` and ``breath`` [T] in dB; ``effort`` and ``body`` [T], coordinates on the
    curves of :mod:`studio.lalm.embedded.timbre`.
    """

    advance: Array
    semitones: Array
    voiced: npt.NDArray[np.bool_]
    energy: Array
    effort: Array
    body: Array
    breath: Array


def advance_of(codes: npt.ArrayLike) -> Array:
    """Source frames a token covers, from its advance class."""
    return FRAMES * 2.0 ** RATE_OCTAVES.decode(codes)


def neutral_classes() -> tuple[int, ...]:
    """The class of each ordinal head that changes nothing."""
    scales = (RATE_OCTAVES, SEMITONES, SEMITONES, ENERGY_DB, EFFORT, BODY, BREATH_DB)
    return tuple(int(scale.encode(0.0)) for scale in scales)


def encode_prosody(prosody: Prosody) -> Codes:
    """Classes int64 [T, 8] of the prosody heads."""
    voicing = (prosody.voiced.astype(np.int64) * np.array([1, 2, 4, 8])).sum(1)
    return np.stack(
        [
            RATE_OCTAVES.encode(np.log2(prosody.advance / FRAMES)),
            *SEMITONES.encode(prosody.semitones).T,
            voicing,
            ENERGY_DB.encode(prosody.energy),
            EFFORT.encode(prosody.effort),
            BODY.encode(prosody.body),
            BREATH_DB.encode(prosody.breath),
        ],
        axis=1,
    )


def decode_prosody(codes: Codes) -> Prosody:
    """Inverse of :func:`encode_prosody` up to quantisation; ``codes`` [T, >= 8]."""
    return Prosody(
        advance=advance_of(codes[:, 0]),
        semitones=SEMITONES.decode(codes[:, 1:3]),
        voiced=(codes[:, 3:4] >> np.arange(4)) % 2 == 1,
        energy=ENERGY_DB.decode(codes[:, 4]),
        effort=EFFORT.decode(codes[:, 5]),
        body=BODY.decode(codes[:, 6]),
        breath=BREATH_DB.decode(codes[:, 7]),
    )


def positions(codes: Codes) -> Array:
    """Source position in 5 ms frames at the start of each token, [T]."""
    advance = advance_of(codes[:, 0])
    return np.cumsum(advance) - advance
