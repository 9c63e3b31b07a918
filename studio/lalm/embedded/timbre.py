"""Two curves along which emotional speech changes its voiced spectrum.

Figures: principal directions of the level-removed median change of 24 mel-cepstra, by emotion, of RAVDESS (Livingstone
and Russo 2018) and EmoDB (Burkhardt et al. 2005) clips against the same speaker's neutral rendering, as dB at ten
frequencies. ``effort`` is the middle of the spectrum rising against the bottom; ``body`` the range of 300 to 1700 Hz.
Each is moved by as much as it changes the level of average voiced speech: how loud a token is, only energy says.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from studio.lalm.embedded.vocoder import BINS, RATE

_HERTZ = (0, 200, 450, 800, 1350, 2200, 3350, 5000, 7000, 8000)
_EFFORT_DB = (-3.4, -3.36, -1.69, 0.24, 0.37, 0.79, 1.01, 0.04, -0.45, -0.6)
_BODY_DB = (-0.9, -0.33, 2.24, 1.67, 0.87, 0.55, 0.03, -0.87, -0.3, -0.3)
_EFFORT_LEVEL_DB, _BODY_LEVEL_DB = -1.6, 0.6
"""Change of level per unit, mean of sixteen lines by eight Kokoro voices at effort 3 and body 1."""

UNVOICED_SHARE = 0.5
"""Share of the change that unvoiced frames get: their spectrum varies less with emotion than the voiced one."""


def _curve(values: tuple[float, ...], level: float) -> npt.NDArray[np.float64]:
    bins = np.linspace(0, RATE / 2, BINS)
    return np.interp(np.log1p(bins / 700), np.log1p(np.asarray(_HERTZ) / 700), values) - level


EFFORT_CURVE = _curve(_EFFORT_DB, _EFFORT_LEVEL_DB)
BODY_CURVE = _curve(_BODY_DB, _BODY_LEVEL_DB)


def change_db(
    energy: npt.NDArray[np.float64],
    effort: npt.NDArray[np.float64],
    body: npt.NDArray[np.float64],
    voiced: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    """Change of the envelope in dB [T, 513] for tracks [T]."""
    share = np.where(voiced, 1.0, UNVOICED_SHARE)
    shape = np.outer(effort * share, EFFORT_CURVE) + np.outer(body * share, BODY_CURVE)
    return np.asarray(energy[:, None] + shape)
