"""Waveforms as images."""

from __future__ import annotations

import numpy as np
from PySide6.QtGui import QColor

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
