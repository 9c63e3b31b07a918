from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from studio.audio.clip import Clip
from studio.audio.files import load_clip
from studio.errors import StudioError
from studio.paths import resources_dir
from studio.pipelines.measures import acoustics, load_measure


@pytest.fixture(scope="module")
def line():
    return load_clip(resources_dir() / "demo/0012/Neutral/0012_000003.ogg")


def test_a_conversion_like_its_source_differs_in_nothing(line):
    assert acoustics(line, line) == {"pitch": 0.0, "range": 0.0, "rate": 1.0, "energy": 0.0}


def test_faster_higher_and_louder_is_measured_as_such(line):
    # Played at 9/8 of its rate: a whole tone (2.04 semitones) up, and as much faster.
    quick = Clip(2 * line.samples, line.rate * 9 // 8).at_rate(line.rate)
    measured = load_measure("acoustics")(quick, line)
    assert measured["pitch"] == pytest.approx(2.04, abs=0.3)
    assert measured["rate"] == pytest.approx(1.125, rel=0.02)
    assert measured["energy"] == pytest.approx(6.02, abs=0.3)


def test_what_holds_no_voice_has_no_measures(line):
    with pytest.raises(StudioError, match="no voiced speech"):
        acoustics(replace(line, samples=np.zeros(16000, np.float32)), line)


def test_measures_by_name():
    with pytest.raises(StudioError, match="no measure 'beauty'; choose acoustics"):
        load_measure("beauty")
