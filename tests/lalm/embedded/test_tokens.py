"""Speech tokens: quantisers and layout."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.lalm.embedded import tokens

SCALES = {
    "advance": tokens.RATE_OCTAVES,
    "pitch0": tokens.SEMITONES,
    "pitch1": tokens.SEMITONES,
    "energy": tokens.ENERGY_DB,
    "effort": tokens.EFFORT,
    "body": tokens.BODY,
    "breath": tokens.BREATH_DB,
}


def test_head_sizes_are_those_of_their_scales() -> None:
    sizes = dict(zip(tokens.PROSODY_HEADS, tokens.PROSODY_SIZES, strict=True))
    assert sizes.pop("voicing") == 2**4
    assert sizes == {name: scale.size for name, scale in SCALES.items()}


@pytest.mark.parametrize("name", SCALES)
@given(value=st.floats(-100, 100))
def test_a_class_is_the_nearest_value_in_range(name: str, value: float) -> None:
    scale = SCALES[name]
    values = [scale.low + index * scale.step for index in range(scale.size)]
    found = float(scale.decode(scale.encode(value)))
    assert abs(found - value) <= min(abs(each - value) for each in values) + 1e-9


@given(st.lists(st.tuples(*(st.integers(0, size - 1) for size in tokens.PROSODY_SIZES)), min_size=1, max_size=20))
def test_every_prosody_class_survives_decoding_and_encoding(rows: list[tuple[int, ...]]) -> None:
    codes = np.array(rows, dtype=np.int64)
    assert np.array_equal(tokens.encode_prosody(tokens.decode_prosody(codes)), codes)


def test_positions_are_the_sum_of_the_advances_before() -> None:
    unchanged = int(tokens.RATE_OCTAVES.encode(0.0))
    double = int(tokens.RATE_OCTAVES.encode(0.5))
    codes = np.array([[unchanged], [double], [unchanged]])
    assert tokens.positions(codes) == pytest.approx([0.0, 8.0, 8.0 + 8.0 * 2**0.5])
