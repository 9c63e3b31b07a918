"""A/B reels: what is heard when, how loud, and what the cue sheets say."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from studio.audio.clip import Clip
from studio.audio.files import load_clip, save_wav
from studio.audio.loudness import integrated_loudness, peak_db
from studio.errors import StudioError
from studio.session.export import export_take
from studio.session.export_options import ExportOptions
from studio.session.reel import GAP_SECONDS, TONES, Part, Reel, build_reel, cue_sheet, open_part, write_reel
from studio.session.render import render
from studio.session.settings import RenderSettings
from studio.session.verify import Verdict, verify
from tests.signing import make_identity
from tests.toy import ToyLALM, tone, toy_mask

QUIET, LOUD = tone(0.6, level=0.05, name="quiet"), tone(0.8, level=0.6, name="loud")


def heard(reel: Reel, start: int, stop: int) -> Clip:
    return replace(reel.clip, samples=reel.clip.samples[start:stop])


def pitch(clip: Clip) -> float:
    return float(np.abs(np.fft.rfft(clip.samples, 1 << 16)).argmax() * clip.rate / (1 << 16))


def test_readings_alternate_where_the_cues_say() -> None:
    reel = build_reel(QUIET, LOUD, repeats=3)
    assert [cue.label for cue in reel.cues] == list("ABABAB")
    gap = round(GAP_SECONDS * reel.clip.rate)
    at = 0
    for cue in reel.cues:
        source = QUIET if cue.label == "A" else LOUD
        assert cue.start == at
        speech = heard(reel, cue.speech, cue.stop).samples
        gain = 10 ** (reel.gains[cue.label] / 20)
        assert speech == pytest.approx(source.samples * gain, abs=1e-6)
        assert not np.any(reel.clip.samples[cue.speech - gap : cue.speech])
        assert pitch(heard(reel, cue.start, cue.start + 2400)) == pytest.approx(TONES[cue.label][0], abs=2)
        at = cue.stop + gap
    assert at == len(reel.clip.samples)


def test_the_tones_differ_in_number_too() -> None:
    reel = build_reel(QUIET, LOUD)
    gap = round(GAP_SECONDS * reel.clip.rate)
    lengths = [cue.speech - gap - cue.start for cue in reel.cues[:2]]
    assert lengths[1] > 2 * lengths[0]


def test_nothing_clicks_at_the_edges_of_a_tone() -> None:
    reel = build_reel(QUIET, LOUD)
    cue = reel.cues[1]
    pitch_hz = TONES["B"][0]
    announcement = reel.clip.samples[cue.start - 100 : cue.speech]
    steps = np.abs(np.diff(announcement))
    steady = 2 * np.pi * pitch_hz / reel.clip.rate * np.abs(announcement).max()
    assert steps.max() <= steady


def test_both_are_equally_loud_and_neither_clips() -> None:
    reel = build_reel(QUIET, LOUD)
    a, b = (heard(reel, cue.speech, cue.stop) for cue in reel.cues[:2])
    assert integrated_loudness(a) == pytest.approx(integrated_loudness(b), abs=0.1)
    assert max(peak_db(a), peak_db(b)) <= -0.99


@pytest.mark.parametrize("target", [-30.0, -1.0])
def test_a_loudness_target_is_met_by_both_or_missed_by_both_alike(target: float) -> None:
    reel = build_reel(QUIET, LOUD, loudness=target)
    a, b = (integrated_loudness(heard(reel, cue.speech, cue.stop)) for cue in reel.cues[:2])
    assert a == pytest.approx(b, abs=0.1)
    assert a == pytest.approx(target, abs=0.1) if target == -30.0 else a < target - 2


def test_rates_that_differ_become_one() -> None:
    reel = build_reel(QUIET, tone(0.5, rate=44_100))
    assert reel.clip.rate == 44_100
    assert build_reel(QUIET, LOUD, rate=48_000).clip.rate == 48_000


def test_what_makes_no_reel_is_refused() -> None:
    with pytest.raises(StudioError, match="1 to 20 times, not 0"):
        build_reel(QUIET, LOUD, repeats=0)
    with pytest.raises(StudioError, match="B has no samples"):
        build_reel(QUIET, replace(LOUD, samples=LOUD.samples[:0]))


@pytest.fixture
def parts(tmp_path: Path) -> tuple[Part, Part]:
    """An exported take, and a recording of which nothing is known."""
    settings = RenderSettings("sad", strengths={"sad": 0.5})
    take = render(ToyLALM(), tone(), [settings], mask=toy_mask())[0]
    save_wav(tmp_path / "voice.wav", QUIET)
    return open_part(export_take(take, tmp_path / "takes").audio), open_part(tmp_path / "voice.wav")


def test_the_cue_sheets_hold_times_and_settings(parts: tuple[Part, Part], tmp_path: Path) -> None:
    audio, document = write_reel(tmp_path / "reel", *parts, ExportOptions(subtype="PCM_24"))
    assert sorted(path.name for path in tmp_path.glob("reel*")) == ["reel.cue", "reel.json", "reel.wav"]
    assert json.loads(audio.with_suffix(".json").read_text()) == document
    assert document["readings"]["A"]["settings"]["strengths"] == {"sad": 0.5}
    assert document["readings"]["B"]["synthetic_speech"] is False
    assert [cue["label"] for cue in document["cues"]] == list("ABAB")
    clip = load_clip(audio)
    assert clip.seconds == pytest.approx(document["cues"][-1]["stop_seconds"] + GAP_SECONDS, abs=1e-3)
    sheet = audio.with_suffix(".cue").read_text()
    assert 'FILE "reel.wav" WAVE' in sheet
    assert "One low tone announces A" in sheet
    minutes = [tuple(map(int, found)) for found in re.findall(r"INDEX 01 (\d\d):(\d\d):(\d\d)", sheet)]
    seconds = [60 * minute + second + frame / 75 for minute, second, frame in minutes]
    assert seconds == pytest.approx([cue["speech_seconds"] for cue in document["cues"]], abs=1 / 75)


def test_a_reel_says_what_in_it_is_synthetic_and_can_be_verified(parts: tuple[Part, Part], tmp_path: Path) -> None:
    made, unknown = parts
    options = ExportOptions(identity=make_identity(tmp_path))
    mixed, document = write_reel(tmp_path / "mixed.wav", made, unknown, options)
    assert document["disclosure"].startswith("Synthetic speech in part: A was made")
    report = verify(mixed)
    assert (report.verdict, report.synthetic) == (Verdict.INTACT, True)
    assert report.manifest is not None
    assert report.manifest.source_types == ("compositeWithTrainedAlgorithmicMedia",)
    plain, document = write_reel(tmp_path / "plain.flac", unknown, unknown, ExportOptions("FLAC"))
    assert (plain.suffix, document["synthetic_speech"], document["disclosure"]) == (".flac", False, "")
    report = verify(plain)
    assert (report.verdict, report.synthetic) == (Verdict.INTACT, False)


def test_nothing_is_overwritten_and_failure_leaves_nothing(parts: tuple[Part, Part], tmp_path: Path) -> None:
    (tmp_path / "reel.cue").write_text("mine")
    assert write_reel(tmp_path / "reel.wav", *parts, ExportOptions())[0].name == "reel-2.wav"
    assert (tmp_path / "reel.cue").read_text() == "mine"
    identity = replace(make_identity(tmp_path), key=tmp_path / "none.pem")
    with pytest.raises(StudioError, match="cannot be read"):
        write_reel(tmp_path / "out" / "reel.wav", *parts, ExportOptions(identity=identity))
    assert list((tmp_path / "out").iterdir()) == []


def test_quotes_in_titles_do_not_break_the_sheet(parts: tuple[Part, Part]) -> None:
    reel = build_reel(QUIET, LOUD)
    named = {"A": replace(parts[0], title='the "old" one'), "B": parts[1]}
    assert "TITLE \"A: the 'old' one\"" in cue_sheet("x.wav", reel, named)
