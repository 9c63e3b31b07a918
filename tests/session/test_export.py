"""Exported takes: the sound, what it says about itself, the sidecar, and that nothing is ever overwritten."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import studio
from studio.audio import flac, riff
from studio.audio.files import fingerprint_of, load_clip
from studio.audio.loudness import integrated_loudness, true_peak_db
from studio.errors import Cancelled, StudioError
from studio.session.export import Exported, export_take, export_takes
from studio.session.export_options import SUBTYPES, ExportOptions
from studio.session.provenance import DISCLOSURE, from_text, settings_digest
from studio.session.render import render
from studio.session.settings import RenderSettings
from studio.session.take import Take
from tests.toy import TEXT, ToyJudge, ToyLALM, tone, toy_mask


@pytest.fixture
def take() -> Take:
    settings = RenderSettings("happy", strengths={"happy": 0.5}, mask_path="m.esn.safetensors", seed=3)
    return render(ToyLALM(), tone(), [settings], mask=toy_mask(), reference=TEXT, judge=ToyJudge())[0]


def sidecar_of(written: Exported) -> dict:
    assert written.sidecar is not None
    return json.loads(written.sidecar.read_text(encoding="utf-8"))


def test_sidecar_discloses_and_reproduces(take: Take, tmp_path: Path) -> None:
    written = export_take(take, tmp_path / "new" / "folder")
    document = sidecar_of(written)
    assert document["format"] == 2
    assert document["synthetic_speech"] is True
    assert document["disclosure"] == DISCLOSURE
    assert document["tool"] == {"name": "ESN Studio", "version": studio.__version__}
    assert document["model"] == {"id": "toy", "revision": "r1", "config_digest": "d1"}
    assert document["mask"]["fingerprint"] == toy_mask().fingerprint()
    assert RenderSettings.from_json(document["settings"]) == take.settings
    assert document["seed"] == 3
    assert document["source"]["sha256"] == tone().fingerprint()
    assert document["audio"]["sha256"] == hashlib.sha256(written.audio.read_bytes()).hexdigest()
    assert document["audio"]["sound_sha256"] == fingerprint_of(written.audio) == load_clip(written.audio).fingerprint()
    assert document["audio"]["file"] == written.audio.name
    assert document["rendered"]["samples_sha256"] == take.audio.fingerprint()
    assert document["text"] == TEXT
    assert document["wer"] == 0.0


@pytest.mark.parametrize(
    ("container", "name", "step"),
    [
        ("WAV", "16", 2**-15),
        ("WAV", "24", 2**-23),
        ("WAV", "float", 0.0),
        ("FLAC", "16", 2**-15),
        ("FLAC", "24", 2**-23),
    ],
)
def test_formats_hold_the_samples_as_exactly_as_they_can(
    take: Take, tmp_path: Path, container: str, name: str, step: float
) -> None:
    written = export_take(take, tmp_path, ExportOptions(container, SUBTYPES[name]))
    info = soundfile.info(written.audio)
    assert (info.format, info.subtype, info.samplerate, info.channels) == (
        container,
        SUBTYPES[name],
        take.audio.rate,
        1,
    )
    samples, _ = soundfile.read(written.audio, dtype="float64")
    assert np.abs(samples - take.audio.samples).max() <= step / 2
    assert written.audio.suffix == f".{container.lower()}"


def test_a_wav_says_in_words_that_it_is_synthetic(take: Take, tmp_path: Path) -> None:
    written = export_take(take, tmp_path)
    with written.audio.open("rb") as stream:
        texts = riff.read_texts(stream)
    assert texts.broadcast is not None
    assert texts.broadcast.description.startswith("Synthetic speech: happy, gain happy 0.5. model toy@r1; mask ")
    assert texts.broadcast.originator == "ESN Studio"
    assert texts.broadcast.date == take.created[:10]
    assert texts.broadcast.coding_history.startswith("A=PCM,F=16000,W=16,M=mono,T=ESN Studio")
    assert texts.broadcast.loudness == pytest.approx(integrated_loudness(take.audio), abs=0.01)
    check_claims(take, written, texts.info["ICMT"])
    assert texts.info["INAM"] == written.audio.stem


def test_a_flac_says_so_too(take: Take, tmp_path: Path) -> None:
    written = export_take(take, tmp_path, ExportOptions("FLAC"))
    with written.audio.open("rb") as stream:
        texts = flac.read_comments(stream)
    check_claims(take, written, texts.comments["COMMENT"])
    assert texts.comments["GENRE"] == "synthetic speech"


def check_claims(take: Take, written: Exported, text: str) -> None:
    assert text.startswith(DISCLOSURE)
    claims = from_text(text)
    assert claims is not None
    assert claims.synthetic
    assert (claims.model, claims.mask) == ("toy@r1", toy_mask().fingerprint())
    assert claims.settings == settings_digest(take.settings.to_json())
    assert claims.sound == fingerprint_of(written.audio)


def test_the_settings_digest_does_not_depend_on_where_the_mask_lay(take: Take) -> None:
    moved = replace(take.settings, mask_path="elsewhere/m.esn.safetensors")
    assert settings_digest(moved.to_json()) == settings_digest(take.settings.to_json())
    other = replace(take.settings, seed=4)
    assert settings_digest(other.to_json()) != settings_digest(take.settings.to_json())


def test_another_rate_keeps_the_length_and_the_tone(take: Take, tmp_path: Path) -> None:
    written = export_take(take, tmp_path, ExportOptions(subtype="FLOAT", rate=48_000))
    clip = load_clip(written.audio)
    assert (clip.rate, len(clip.samples)) == (48_000, 3 * len(take.audio.samples))
    peak = np.abs(np.fft.rfft(clip.samples)).argmax() / clip.seconds
    assert peak == pytest.approx(200, abs=1)
    assert sidecar_of(written)["audio"]["rate"] == 48_000


def test_a_loudness_target_is_met(take: Take, tmp_path: Path) -> None:
    written = export_take(take, tmp_path, ExportOptions(subtype="PCM_24", loudness=-23.0))
    assert integrated_loudness(load_clip(written.audio)) == pytest.approx(-23.0, abs=0.05)
    assert written.prepared.loudness == -23.0
    assert written.prepared.notes == ()


def test_a_target_out_of_reach_is_approached_and_said(take: Take, tmp_path: Path) -> None:
    peaky = np.zeros(16_000, np.float32)
    peaky[::1600] = 0.9
    loud = replace(take, audio=replace(take.audio, samples=peaky))
    written = export_take(loud, tmp_path, ExportOptions(loudness=-5.0))
    clip = load_clip(written.audio)
    assert true_peak_db(clip) <= -0.99
    assert written.prepared.clipped_samples == 0
    reached = integrated_loudness(clip)
    (note,) = written.prepared.notes
    assert f"{reached:.1f} LUFS, not -5 LUFS" in note
    assert "peaks" in note


def test_silence_stays_silence(take: Take, tmp_path: Path) -> None:
    silent = replace(take, audio=replace(take.audio, samples=np.zeros(16_000, np.float32)))
    written = export_take(silent, tmp_path, ExportOptions(loudness=-20.0))
    assert not np.any(load_clip(written.audio).samples)
    assert "silence, not -20 LUFS" in written.prepared.notes[0]
    assert written.prepared.loudness is None


def test_clipping_is_counted_and_said(take: Take, tmp_path: Path) -> None:
    hot = replace(take, audio=replace(take.audio, samples=take.audio.samples * 4))
    written = export_take(hot, tmp_path)
    assert written.prepared.clipped_samples > 0
    assert "clipped samples" in written.prepared.notes[0]
    assert export_take(hot, tmp_path, ExportOptions(subtype="FLOAT")).prepared.notes == ()


def test_a_taken_name_gets_a_number(take: Take, tmp_path: Path) -> None:
    first = export_take(take, tmp_path, name="take")
    kept = first.audio.read_bytes()
    (tmp_path / "take-2.json").write_text("mine")
    second = export_take(take, tmp_path, ExportOptions("FLAC"), name="take")
    assert (first.audio.name, second.audio.name) == ("take.wav", "take-3.flac")
    assert first.audio.read_bytes() == kept
    assert (tmp_path / "take-2.json").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "take-2.json", "take-3.flac", "take-3.json", "take.json", "take.wav",
    ]  # fmt: skip


def test_many_takes_without_sidecars(take: Take, tmp_path: Path) -> None:
    shares: list[float] = []
    options = ExportOptions(template="{take} {target}", sidecar=False)
    written = export_takes([(3, take), (12, take)], tmp_path, options, progress=shares.append)
    assert [each.audio.name for each in written] == ["03_happy.wav", "12_happy.wav"]
    assert [each.sidecar for each in written] == [None, None]
    assert len(list(tmp_path.iterdir())) == 2
    assert shares == [0.5, 1.0]


def test_a_cancelled_export_keeps_what_was_finished(take: Take, tmp_path: Path) -> None:
    done: list[float] = []
    with pytest.raises(Cancelled):
        export_takes(
            [(1, take), (2, take)], tmp_path, ExportOptions(), progress=done.append, cancelled=lambda: bool(done)
        )
    assert len(list(tmp_path.glob("*.wav"))) == 1


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"container": "MP3"}, "not a format"),
        ({"subtype": "PCM_7"}, "not a sample format"),
        ({"container": "FLAC", "subtype": "FLOAT"}, "no float samples"),
        ({"rate": 1}, "rate 1 Hz is out of range"),
        ({"loudness": 3.0}, "loudness target 3 LUFS is out of range"),
        ({"loudness": float("nan")}, "out of range"),
        ({"template": "{nothing}"}, "no field"),
    ],
)
def test_choices_that_cannot_be_are_refused_in_a_sentence(choice: dict, said: str) -> None:
    with pytest.raises(StudioError, match=said):
        ExportOptions(**choice)


def test_failure_leaves_nothing_behind(take: Take, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="no samples"):
        export_take(replace(take, audio=replace(take.audio, samples=take.audio.samples[:0])), tmp_path)
    assert list(tmp_path.iterdir()) == []
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(StudioError, match="choose another folder"):
        export_take(take, blocked)
