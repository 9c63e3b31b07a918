"""Waveforms as images."""

from __future__ import annotations

import numpy as np
from PySide6.QtGui import QColor

from studio.gui.audition.canvas import thinned
from studio.gui.audition.waveform import wave_image

COLOUR = QColor("#E69F00")


def opacities(lowest: list[float], highest: list[float], height: int, margin: float = 0.0) -> np.ndarray:
    """Alpha of every pixel, 0..255, [height, columns]."""
    image = wave_image(np.array(lowest, np.float32), np.array(highest, np.float32), height, margin, COLOUR)
    return np.array([[image.pixelColor(x, y).alpha() for x in range(image.width())] for y in range(image.height())])


def test_a_column_is_filled_between_its_extremes_and_half_a_pixel_more() -> None:
    column = opacities([-0.5], [0.5], 8)[:, 0]
    assert column.tolist() == [0, 127, 255, 255, 255, 255, 127, 0]


def test_silence_is_a_line_and_full_scale_keeps_the_margin() -> None:
    assert opacities([0.0], [0.0], 9)[:, 0].tolist() == [0, 0, 0, 0, 255, 0, 0, 0, 0]
    loud = opacities([-3.0], [3.0], 20, margin=4)[:, 0]
    assert np.flatnonzero(loud).tolist() == list(range(3, 17))


def test_columns_that_do_not_meet_are_joined() -> None:
    drawn = opacities([-1.0, 0.9], [-0.9, 1.0], 40)
    assert (drawn > 0).any(axis=1).all()


def test_the_colour_is_the_one_asked_for() -> None:
    image = wave_image(np.array([-1], np.float32), np.array([1], np.float32), 4, 0.0, COLOUR)
    assert image.pixelColor(0, 2) == COLOUR


def test_a_thinned_line_keeps_its_means_its_gaps_and_its_places() -> None:
    times = np.arange(10, dtype=np.float64) * np.float64(0.005)
    hertz = np.array([100, 120, np.nan, 140, np.nan, np.nan, np.nan, np.nan, 200, 220])
    means = [110, 140, np.nan, np.nan, 210]
    for first, last in ((0, 10), (1, 9)):
        middles, thin = thinned(times, hertz, first, last, 2)
        np.testing.assert_allclose(middles, [0.0025, 0.0125, 0.0225, 0.0325, 0.0425])
        np.testing.assert_array_equal(thin, means)
    np.testing.assert_array_equal(thinned(times, hertz, 2, 5, 1)[1], hertz[2:5])
    assert thinned(times[:7], hertz[:7], 5, 7, 3)[0].tolist() == [0.02, 0.03]
