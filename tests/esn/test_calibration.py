"""Zones from sweeps, and the file beside the mask that holds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.emotions import TARGETS
from studio.esn.calibration import Point, Zones, calibration_file, read_calibration, write_calibration, zones_of
from studio.esn.errors import MaskError
from studio.esn.mask import EsnMask
from studio.paths import masks_dir

HEAD = '{"format": "esn-studio calibration", "version": 1'
SWEEP = [Point(0.5, 1.0), Point(1.0, 4.0), Point(2.0, 24.0)]


def test_zones_end_where_the_errors_cross_the_limits() -> None:
    assert zones_of(SWEEP) == Zones(safe=0.75, strong=1.55, measured=2.0)


def test_order_does_not_matter_and_a_dip_does_not_hide_what_broke_before() -> None:
    assert zones_of(SWEEP[::-1]) == zones_of(SWEEP)
    assert zones_of([Point(0.5, 20.0), Point(1.0, 0.0)]).strong == pytest.approx(0.38, abs=0.005)


def test_the_voice_counts_where_it_was_compared() -> None:
    alike = zones_of([Point(1.0, 0.0, 0.02), Point(2.0, 0.0, 0.12)])
    assert (alike.safe, alike.strong) == (1.3, 1.8)
    assert zones_of([Point(1.0, 0.0), Point(2.0, 0.0)]) == Zones(2.0, 2.0, 2.0)


def test_what_breaks_at_once_has_no_safe_zone() -> None:
    assert zones_of([Point(0.1, 250.0)]) == Zones(safe=0.0, strong=0.01, measured=0.1)
    with pytest.raises(ValueError, match="without strengths"):
        zones_of([])


def test_modes_are_kept_beside_each_other_for_one_mask_only(tmp_path: Path) -> None:
    mask = tmp_path / "mine.esn.safetensors"
    assert read_calibration(mask, "f1") == {}
    path = write_calibration(mask, "f1", {"gain": {"sad": SWEEP}})
    assert path == calibration_file(mask) == tmp_path / "mine.calibration.json"
    write_calibration(mask, "f1", {"add": {"sad": SWEEP[:1]}})
    assert read_calibration(mask, "f1") == {"gain": {"sad": zones_of(SWEEP)}, "add": {"sad": Zones(0.5, 0.5, 0.5)}}
    assert read_calibration(mask, "another mask under the same name") == {}
    write_calibration(mask, "f2", {"add": {"sad": SWEEP}})
    assert read_calibration(mask, "f1") == {}
    assert read_calibration(mask, "f2").keys() == {"add"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "damaged"),
        ("[]", "no calibration of ESN Studio"),
        ('{"format": "esn-studio calibration", "version": 9}', "newer ESN Studio"),
        (f'{HEAD}, "mask": "f", "modes": {{"gain": {{"sad": [[1]]}}}}}}', "damaged"),
        (f'{HEAD}, "mask": "f", "modes": {{"gain": {{"sad": []}}}}}}', "damaged"),
        (f'{HEAD}, "mask": "f", "modes": {{"gain": 3}}}}', "damaged"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(tmp_path: Path, content: str, sentence: str) -> None:
    mask = tmp_path / "m.esn.safetensors"
    calibration_file(mask).write_text(content)
    with pytest.raises(MaskError, match=sentence):
        read_calibration(mask, "f")
    write_calibration(mask, "f", {"gain": {"sad": SWEEP}})
    assert read_calibration(mask, "f") == {"gain": {"sad": zones_of(SWEEP)}}


def test_what_ships_is_of_the_mask_that_ships() -> None:
    path = masks_dir() / "embedded-cas.esn.safetensors"
    zones = read_calibration(path, EsnMask.load(path).fingerprint())
    assert zones.keys() == {"gain", "add", "clamp"}
    for mode in zones.values():
        assert mode.keys() == set(TARGETS)
