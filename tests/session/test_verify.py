"""What files claim, and that every kind of alteration is noticed."""

from __future__ import annotations

import importlib.util
import io
import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from studio.audio.files import fingerprint_of, save_wav
from studio.audio.flac import read_comments, with_comments
from studio.errors import StudioError
from studio.session.export import export_take
from studio.session.export_options import ExportOptions
from studio.session.render import render
from studio.session.settings import RenderSettings
from studio.session.take import Take
from studio.session.verify import Report, Verdict, verify
from tests.signing import make_identity
from tests.toy import ToyLALM, tone, toy_mask

FORMATS = [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24")]


@pytest.fixture
def take() -> Take:
    settings = RenderSettings("sad", strengths={"sad": 0.5}, mask_path="somewhere/m.esn.safetensors")
    return render(ToyLALM(), tone(), [settings], mask=toy_mask())[0]


def holds(report: Report) -> dict[str, bool | None]:
    return {check.name: check.holds for check in report.checks}


@pytest.mark.parametrize(("container", "subtype"), FORMATS)
@pytest.mark.parametrize("signed", [False, True], ids=["plain", "signed"])
def test_an_export_is_intact(take: Take, tmp_path: Path, container: str, subtype: str, signed: bool) -> None:
    identity = make_identity(tmp_path) if signed else None
    audio = export_take(take, tmp_path, ExportOptions(container, subtype, identity=identity)).audio
    report = verify(audio)
    assert report.verdict is Verdict.INTACT
    assert report.synthetic
    assert holds(report) == {"file": True, "settings": True, "sound": True} | ({"credentials": True} if signed else {})
    assert report.claims is not None
    assert report.claims.model == "toy@r1"
    assert (report.manifest is not None) is signed


@pytest.mark.parametrize(("container", "subtype"), FORMATS)
def test_one_altered_sample_is_noticed_even_without_the_sidecar(
    take: Take, tmp_path: Path, container: str, subtype: str
) -> None:
    audio = export_take(take, tmp_path, ExportOptions(container, subtype)).audio
    if container == "WAV":
        content = bytearray(audio.read_bytes())
        content[content.index(b"data") + 2001] ^= 4
        audio.write_bytes(content)
    else:
        samples, rate = soundfile.read(audio, dtype="int32")
        samples[500] ^= 1 << 20
        tagged = audio.read_bytes()
        soundfile.write(audio, samples, rate, format="FLAC", subtype=subtype)
        plain = audio.read_bytes()
        audio.write_bytes(with_texts_of(tagged, plain))
    report = verify(audio)
    assert report.verdict is Verdict.ALTERED
    assert holds(report) == {"file": False, "settings": True, "sound": False}
    audio.with_suffix(".json").unlink()
    assert holds(verify(audio)) == {"sound": False}


def with_texts_of(tagged: bytes, plain: bytes) -> bytes:
    """FLAC ``plain`` with the comments of ``tagged``."""
    return with_comments(plain, "x", read_comments(io.BytesIO(tagged)).comments)


def test_changed_texts_are_told_from_changed_sound(take: Take, tmp_path: Path) -> None:
    audio = export_take(take, tmp_path).audio
    content = audio.read_bytes()
    audio.write_bytes(content.replace(b"ISFT", b"IXXX"))
    assert holds(verify(audio)) == {"file": False, "settings": True, "sound": True}


def test_an_edited_sidecar_is_noticed(take: Take, tmp_path: Path) -> None:
    written = export_take(take, tmp_path)
    assert written.sidecar is not None
    document = json.loads(written.sidecar.read_text())
    document["settings"]["strengths"] = {"happy": 2.0}
    written.sidecar.write_text(json.dumps(document))
    report = verify(written.audio)
    assert report.verdict is Verdict.ALTERED
    assert holds(report) == {"file": True, "settings": False, "sound": True}


def test_a_file_that_lost_its_sidecar_still_speaks_for_itself(take: Take, tmp_path: Path) -> None:
    audio = export_take(take, tmp_path, ExportOptions(sidecar=False)).audio
    report = verify(audio)
    assert (report.verdict, report.sidecar) == (Verdict.INTACT, None)
    assert report.synthetic
    stripped = tmp_path / "stripped.wav"
    save_wav(stripped, tone())
    assert verify(stripped).verdict is Verdict.NOTHING
    # A sidecar alone covers a file whose texts were never there, by its hash.
    shutil.copy(export_take(take, tmp_path, name="full").audio.with_suffix(".json"), tmp_path / "stripped.json")
    assert holds(verify(stripped)) == {"file": False, "sound": False}


def test_a_signature_survives_what_hashes_anyone_can_redo_do_not_show(take: Take, tmp_path: Path) -> None:
    """Somebody alters the sound and makes texts and sidecar fit: only the signature tells."""
    identity = make_identity(tmp_path)
    audio = export_take(take, tmp_path, ExportOptions(identity=identity)).audio
    content = bytearray(audio.read_bytes())
    old = verify(audio).claims
    assert old is not None
    assert old.sound is not None
    content[content.index(b"data") + 2001] ^= 4
    audio.write_bytes(content)
    forged = bytes(content).replace(old.sound.encode(), fingerprint_of(audio).encode())
    audio.write_bytes(forged)
    audio.with_suffix(".json").unlink()
    assert holds(verify(audio)) == {"sound": True, "credentials": False}


def test_credentials_nobody_can_read_are_said_to_be_unread(
    take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = export_take(take, tmp_path, ExportOptions(identity=make_identity(tmp_path))).audio
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    report = verify(audio)
    assert holds(report)["credentials"] is None
    assert report.verdict is Verdict.INTACT
    assert "pip install" in report.checks[-1].words


@pytest.mark.parametrize(
    "sidecar", ["", "[1]", "{}", '{"format": 2, "audio": 3}', '{"format": 2, "audio": {"sha256": 1}}']
)
def test_foreign_sidecars_are_none(tmp_path: Path, sidecar: str) -> None:
    audio = tmp_path / "voice.wav"
    save_wav(audio, tone())
    audio.with_suffix(".json").write_text(sidecar)
    report = verify(audio)
    assert (report.sidecar, report.verdict, report.synthetic) == (None, Verdict.NOTHING, False)


def test_a_truncated_export_is_altered(take: Take, tmp_path: Path) -> None:
    audio = export_take(take, tmp_path).audio
    audio.write_bytes(audio.read_bytes()[:-2000])
    report = verify(audio)
    assert report.verdict is Verdict.ALTERED
    assert "cannot be read" in report.checks[-1].words


def test_what_is_no_sound_file_has_nothing_to_verify(tmp_path: Path) -> None:
    for content in (b"", b"hello", b"RIFF", b"fLaC", bytes(np.arange(256, dtype=np.uint8))):
        path = tmp_path / "thing.wav"
        path.write_bytes(content)
        assert verify(path).verdict is Verdict.NOTHING
    with pytest.raises(StudioError, match="no such file"):
        verify(tmp_path / "none.wav")
    with pytest.raises(StudioError, match="is a folder"):
        verify(tmp_path)


@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_whatever_is_damaged_gets_a_verdict(take: Take, tmp_path: Path, container: str) -> None:
    short = replace(take, audio=tone(0.05))
    options = ExportOptions(container, identity=make_identity(tmp_path), sidecar=False)
    content = export_take(short, tmp_path, options).audio.read_bytes()
    chance = random.Random(5)
    damaged = tmp_path / "damaged"
    verdicts = set()
    for _ in range(80):
        altered = bytearray(content)
        for _ in range(chance.choice((1, 5, 30))):
            altered[chance.randrange(len(altered))] = chance.randrange(256)
        damaged.write_bytes(altered[: chance.choice((len(altered), chance.randrange(len(altered))))])
        verdicts.add(verify(damaged).verdict)
    assert Verdict.ALTERED in verdicts
