"""Samples that arrive piece by piece: where they are kept, and their fingerprint."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from studio.audio import room
from studio.audio.clip import ArrivingDigest, Clip
from studio.audio.room import Room


@pytest.mark.parametrize("ahead", [1, 4, 100])
def test_room_holds_what_came_and_no_more_than_it_has_room_for(ahead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_AHEAD_FRAMES", ahead)
    samples = np.arange(1, 11, dtype=np.float32)
    with ThreadPoolExecutor(1) as helper:
        filled = Room(10, helper)
        for start, stop in ((0, 3), (3, 3), (3, 9), (9, 10)):
            assert filled.takes(stop - start)
            filled.append(samples[start:stop])
            np.testing.assert_array_equal(filled.samples, samples[:stop])
        assert not filled.takes(1)
    np.testing.assert_array_equal(filled.samples, samples)


def test_the_fingerprint_of_what_arrived_is_that_of_the_clip() -> None:
    samples = np.random.default_rng(1).standard_normal(100_000).astype(np.float32)
    whole = Clip(samples, 16_000)
    with ThreadPoolExecutor(1) as helper:
        digest = ArrivingDigest(helper)
        for stop in (1, 1, 70_000):
            digest.take(Clip(samples[:stop], 16_000))
        assert digest.fingerprint(whole) == whole.fingerprint()
        assert ArrivingDigest(helper).fingerprint(whole) == whole.fingerprint()
