"""Analysed recordings are kept, up to a size, and are what an analysis gives."""

from __future__ import annotations

import numpy as np
import pytest

from studio.audio.clip import Clip
from studio.lalm.embedded import vocoder
from studio.lalm.embedded.sources import Sources, Stretch, analyse


def tone(hertz: float) -> Clip:
    """A second of a voice-like tone."""
    time = np.arange(vocoder.RATE) / vocoder.RATE
    wave = np.stack([np.sin(2 * np.pi * hertz * n * time) / n for n in range(1, 9)]).sum(0)
    return Clip((0.2 * wave).astype(np.float32), vocoder.RATE, "tone")


def contents(stretches: list[Stretch]) -> list[bytes]:
    """All numbers in them."""
    parts = []
    for each in stretches:
        arrays = [each.source.features, each.source.semitones, each.source.voiced, each.lead, each.tail]
        if each.analysis is not None:
            arrays += [each.analysis.hertz, each.analysis.envelope, each.analysis.aperiodicity]
        parts += [np.asarray(array).tobytes() for array in arrays]
        parts.append(repr((each.start, each.gain, each.source.median_hertz)).encode())
    return parts


@pytest.mark.parametrize("locked", [False, True])
def test_the_second_time_nothing_is_analysed(monkeypatch: pytest.MonkeyPatch, locked: bool) -> None:
    sources = Sources()
    first = sources(tone(150), locked)
    with monkeypatch.context() as patch:
        patch.delattr(vocoder, "estimate_pitch")
        again = sources(tone(150), locked)
    assert contents(again) == contents(first) == contents(analyse(tone(150).samples, locked))
    assert (again[0].analysis is not None) == locked


def test_a_lock_needs_more_than_was_kept_without_it() -> None:
    sources = Sources()
    assert sources(tone(150), False)[0].analysis is None
    assert sources(tone(150), True)[0].analysis is not None
    assert sources(tone(150), False)[0].analysis is None


def test_the_recordings_used_least_recently_make_room() -> None:
    size = sum(each.nbytes for each in analyse(tone(150).samples, False))
    sources = Sources(room=2 * size + size // 2)
    kept = {hertz: sources(tone(hertz), False) for hertz in (150.0, 200.0)}
    assert sources(tone(150), False) is kept[150.0]
    sources(tone(250), False)
    assert sources(tone(150), False) is kept[150.0]
    assert sources(tone(200), False) is not kept[200.0]
    sources.clear()
    assert sources(tone(150), False) is not kept[150.0]


def test_what_is_larger_than_the_room_is_not_kept() -> None:
    sources = Sources(room=10)
    assert sources(tone(150), False) is not sources(tone(150), False)
