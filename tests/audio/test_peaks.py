from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from studio.audio.peaks import PeakPyramid

SAMPLES = arrays(np.float32, st.integers(1, 700), elements=st.floats(-1, 1, width=32))


def brute_force(samples: np.ndarray, start: int, stop: int, columns: int) -> tuple[list[float], list[float]]:
    low, high = [], []
    for column in range(columns):
        first = start + column * (stop - start) // columns
        last = start + (column + 1) * (stop - start) // columns
        part = samples[first : max(last, first + 1)]
        low.append(float(part.min()))
        high.append(float(part.max()))
    return low, high


@settings(deadline=None)
@given(SAMPLES, st.data())
def test_every_column_holds_the_exact_extremes_of_its_samples(samples: np.ndarray, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(samples) - 1))
    stop = data.draw(st.integers(start + 1, len(samples)))
    columns = data.draw(st.integers(1, 1000))
    low, high = PeakPyramid(samples).slice(start, stop, columns)
    expected_low, expected_high = brute_force(samples, start, stop, columns)
    assert low.tolist() == expected_low
    assert high.tolist() == expected_high


def test_one_sample_per_column_returns_the_samples() -> None:
    samples = np.random.default_rng(0).uniform(-1, 1, 333).astype(np.float32)
    low, high = PeakPyramid(samples).slice(0, 333, 333)
    assert low.dtype == high.dtype == np.float32
    np.testing.assert_array_equal(low, samples)
    np.testing.assert_array_equal(high, samples)


def test_a_single_click_in_a_long_clip_is_never_lost() -> None:
    samples = np.zeros(1_000_003, np.float32)
    samples[777_777] = -0.9
    low, high = PeakPyramid(samples).slice(0, len(samples), 800)
    assert low.min() == np.float32(-0.9)
    assert np.count_nonzero(low) == 1
    assert high.max() == 0.0


def test_the_levels_above_the_samples_take_little_of_their_memory() -> None:
    pyramid = PeakPyramid(np.zeros(1 << 20, np.float32))
    above = sum(low.size for low, _ in pyramid._levels[1:])
    assert above < len(pyramid) * 0.07


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (0, 11), (5, 5), (6, 5)])
def test_stretches_outside_the_clip_are_refused(start: int, stop: int) -> None:
    with pytest.raises(ValueError, match="do not lie in a clip of 10"):
        PeakPyramid(np.zeros(10, np.float32)).slice(start, stop, 4)


def test_no_columns_and_more_than_one_channel_are_refused() -> None:
    with pytest.raises(ValueError, match="columns"):
        PeakPyramid(np.zeros(10, np.float32)).slice(0, 10, 0)
    with pytest.raises(ValueError, match="one-dimensional"):
        PeakPyramid(np.zeros((10, 2), np.float32))


@settings(deadline=None)
@given(SAMPLES, st.data())
def test_a_pyramid_that_grew_is_that_of_all_its_samples(samples: np.ndarray, data: st.DataObject) -> None:
    known = data.draw(st.integers(0, len(samples)))
    grown = PeakPyramid(samples, PeakPyramid(samples[:known]))
    columns = data.draw(st.integers(1, 40))
    expected_low, expected_high = brute_force(samples, 0, len(samples), columns)
    low, high = grown.slice(0, len(samples), columns)
    assert low.tolist() == expected_low
    assert high.tolist() == expected_high
