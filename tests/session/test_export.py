"""Exported takes: the WAV, the sidecar, and that nothing is ever overwritten."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from studio.errors import StudioError
from studio.session.export import SUBTYPES, export_take, take_name
from studio.session.render import render
from studio.session.settings import RenderSettings
from studio.session.take import Take
from tests.toy import TEXT, ToyJudge, ToyLALM, tone, toy_mask


@pytest.fixture
def take() -> Take:
    settings = RenderSettings("happy", strengths={"happy": 0.5}, mask_path="m.esn.safetensors", seed=3)
    return render(ToyLALM(), tone(), [settings], mask=toy_mask(), reference=TEXT, judge=ToyJudge())[0]


def test_sidecar_discloses_and_reproduces(take: Take, tmp_path: Path) -> None:
    written = export_take(take, tmp_path / "new" / "folder")
    document = json.loads(written.sidecar.read_text(encoding="utf-8"))
    assert document["synthetic_speech"] is True
    assert "Synthetic speech" in document["disclosure"]
    assert document["tool"]["name"] == "ESN Studio"
    assert document["model"] == {"id": "toy", "revision": "r1", "config_digest": "d1"}
    assert document["mask"]["fingerprint"] == toy_mask().fingerprint()
    assert RenderSettings.from_json(document["settings"]) == take.settings
    assert document["seed"] == 3
    assert document["source"]["sha256"] == tone().fingerprint()
    assert document["audio"]["sha256"] == hashlib.sha256(written.audio.read_bytes()).hexdigest()
    assert document["audio"]["file"] == written.audio.name
    assert document["text"] == TEXT
    assert document["wer"] == 0.0


@pytest.mark.parametrize(("name", "precision"), [("16", 2**-15), ("24", 2**-23), ("float", 0.0)])
def test_sample_formats(take: Take, tmp_path: Path, name: str, precision: float) -> None:
    written = export_take(take, tmp_path, subtype=SUBTYPES[name])
    samples, rate = soundfile.read(written.audio, dtype="float32")
    assert soundfile.info(written.audio).subtype == SUBTYPES[name]
    assert rate == take.audio.rate
    assert np.abs(samples - take.audio.samples).max() <= precision


def test_a_taken_name_gets_a_number(take: Take, tmp_path: Path) -> None:
    first = export_take(take, tmp_path, "take")
    kept = first.audio.read_bytes()
    (tmp_path / "take-2.json").write_text("mine")
    second = export_take(take, tmp_path, "take", "FLOAT")
    assert (first.audio.name, second.audio.name) == ("take.wav", "take-3.wav")
    assert first.audio.read_bytes() == kept
    assert (tmp_path / "take-2.json").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "take-2.json", "take-3.json", "take-3.wav", "take.json", "take.wav",
    ]  # fmt: skip


def test_names_say_what_was_done_and_are_safe(take: Take) -> None:
    assert take_name(take) == "tone_happy_gain_happy0.50_seed3"
    (odd,) = render(ToyLALM(), tone(name="../a b/ü:*"), [RenderSettings("sad")])
    assert take_name(odd) == "a_b_ü_sad_baseline"


def test_failure_leaves_nothing_behind(take: Take, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="subtype"):
        export_take(take, tmp_path, subtype="PCM_7")
    assert list(tmp_path.iterdir()) == []
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(StudioError, match="choose another folder"):
        export_take(take, blocked)
