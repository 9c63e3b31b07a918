"""``verify`` and ``reel`` from arguments to exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from studio.audio.files import save_wav
from studio.cli import main
from studio.session import credentials
from studio.session.export import export_take
from studio.session.render import render
from studio.session.settings import RenderSettings
from tests.signing import make_identity
from tests.toy import ToyLALM, tone, toy_mask


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    settings = RenderSettings("sad", strengths={"sad": 0.5})
    return export_take(render(ToyLALM(), tone(), [settings], mask=toy_mask())[0], tmp_path).audio


def test_intact_altered_and_nothing(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(exported)]) == 0
    shown = capsys.readouterr().out
    assert f"{exported}: intact" in shown
    assert "claims to be synthetic speech" in shown
    assert "toy@r1" in shown
    content = bytearray(exported.read_bytes())
    content[-5] ^= 8
    exported.write_bytes(content)
    assert main(["verify", str(exported)]) == 1
    shown = capsys.readouterr().out
    assert f"{exported}: altered" in shown
    assert "ALTERED: The sound is not what was exported" in shown
    plain = tmp_path / "voice.wav"
    save_wav(plain, tone())
    assert main(["verify", str(plain)]) == 1
    assert "nothing to verify" in capsys.readouterr().out


def test_machines_read_json(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(exported), str(tmp_path / "none.wav"), "--json"]) == 1
    first, second = json.loads(capsys.readouterr().out)["files"]
    assert first["verdict"] == "intact"
    assert first["synthetic_speech"] is True
    assert [check["holds"] for check in first["checks"]] == [True, True, True]
    assert first["sidecar"]["settings"]["strengths"] == {"sad": 0.5}
    assert "no such file" in second["error"]


def test_a_reel_of_two_files(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "voice.wav"
    save_wav(other, tone(level=0.1))
    out = tmp_path / "reels" / "pair.wav"
    line = ["reel", str(exported), str(other), "--out", str(out), "--repeats", "1", "--rate", "48000", "--bits", "24"]
    assert main(line) == 0
    shown = capsys.readouterr().out
    assert "One low tone announces A" in shown
    assert "B  voice" in shown
    info = soundfile.info(out)
    assert (info.samplerate, info.subtype) == (48_000, "PCM_24")
    assert out.with_suffix(".cue").exists()
    assert main([*line, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert Path(document["reel"]).name == "pair-2.wav"
    assert len(document["cues"]) == 2
    assert main(["verify", str(out)]) == 0


def test_signing_needs_somebody_who_signs(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(credentials, "user_data_dir", lambda: tmp_path / "data")
    line = ["reel", str(exported), str(exported), "--out", str(tmp_path / "reel.wav"), "--sign"]
    assert main(line) == 1
    assert "There is no certificate to sign with" in capsys.readouterr().err
    identity = make_identity(tmp_path)
    monkeypatch.setenv(credentials.CERTIFICATE_VARIABLE, str(identity.certificate))
    monkeypatch.setenv(credentials.KEY_VARIABLE, str(identity.key))
    assert main(line) == 0
    capsys.readouterr()
    assert main(["verify", str(tmp_path / "reel.wav")]) == 0
    shown = capsys.readouterr().out
    assert "compositeWithTrainedAlgorithmicMedia" in shown
    assert "signed by Test signer" in shown
