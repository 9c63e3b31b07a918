from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.audio.sources import Source


def speechlike(count: int) -> np.ndarray:
    return (0.5 * np.sin(np.arange(count) / 9) * np.sin(np.arange(count) / 400)).astype(np.float32)


def held(source: Source) -> np.ndarray:
    samples, length, _ = source.buffer.view()
    return samples[:length]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 3_000), min_size=1, max_size=8),
    st.sampled_from([8_000, 16_000, 22_050, 44_100, 48_000]),
    st.sampled_from([44_100, 48_000, 96_000]),
)
def test_arriving_in_pieces_sounds_like_arriving_whole(sizes: list[int], rate: int, device_rate: int) -> None:
    samples = speechlike(sum(sizes))
    source = Source(rate, device_rate, 1.0)
    start = 0
    for size in sizes:
        source.append(samples[start : start + size])
        start += size
    source.finish()
    expected = samples if rate == device_rate else soxr.resample(samples, rate, device_rate)
    assert abs(len(held(source)) - len(expected)) <= 1
    shared = min(len(held(source)), len(expected))
    np.testing.assert_allclose(held(source)[:shared], expected[:shared], atol=1e-4)
    assert source.buffer.finished
    assert source.seconds == pytest.approx(sum(sizes) / rate)


@pytest.mark.parametrize("finished", [False, True])
def test_another_device_gets_the_same_sound(finished: bool) -> None:
    samples = speechlike(16_000)
    moved, direct = Source(16_000, 48_000, 0.5), Source(16_000, 44_100, 0.5)
    for source in (moved, direct):
        source.append(samples[:5_000])
        source.append(samples[5_000:])
        if finished:
            source.finish()
    moved.refit(44_100)
    shared = min(len(held(moved)), len(held(direct)))
    assert shared > 40_000
    np.testing.assert_allclose(held(moved)[:shared], held(direct)[:shared], atol=1e-4)
    assert moved.buffer.finished is finished
    assert moved.buffer.gain == 0.5


def test_another_device_can_be_made_ready_for_while_this_one_plays() -> None:
    source = Source(16_000, 48_000, 0.5)
    source.append(speechlike(5_000))
    source.append(speechlike(11_000))
    source.finish()
    before = source.buffer
    other = source.at_device_rate(44_100)
    moved = Source(16_000, 48_000, 0.5)
    moved.append(np.concatenate([speechlike(5_000), speechlike(11_000)]))
    moved.finish()
    moved.refit(44_100)
    np.testing.assert_allclose(held(other), held(moved), atol=1e-4)
    assert source.buffer is before
    assert (other.buffer.gain, other.buffer.finished, other.seconds) == (0.5, True, 1.0)


def test_the_callers_array_may_change_afterwards() -> None:
    samples = speechlike(100)
    source = Source(48_000, 48_000, 1.0)
    source.append(samples)
    samples[:] = 0
    source.refit(48_000)
    assert held(source).any()


def test_finishing_twice_changes_nothing() -> None:
    source = Source(16_000, 48_000, 1.0)
    source.append(speechlike(1_000))
    source.finish()
    length = len(source.buffer)
    source.finish()
    assert len(source.buffer) == length
