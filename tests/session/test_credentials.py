"""Content credentials, signed with a certificate made on the spot."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from studio import paths
from studio.errors import StudioError
from studio.lalm.base import Content
from studio.session import credentials
from studio.session.credentials import Identity, load_identity, read_manifest, save_identity, settings_file
from studio.session.export import export_take
from studio.session.export_options import ExportOptions
from studio.session.render import render
from studio.session.settings import RenderSettings
from studio.session.take import Take
from studio.session.verify import Verdict, verify
from tests.signing import KEYS, SIGNER, make_identity
from tests.toy import ToyLALM, tone, toy_mask

EXPIRED = Path(__file__).with_name("expired.wav")


@pytest.fixture
def take() -> Take:
    settings = RenderSettings("sad", strengths={"sad": 0.5}, content=Content.FREE)
    return render(ToyLALM(), tone(), [settings], mask=toy_mask())[0]


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nobody is set to sign; returns where settings go."""
    monkeypatch.delenv(credentials.CERTIFICATE_VARIABLE, raising=False)
    monkeypatch.delenv(credentials.KEY_VARIABLE, raising=False)
    monkeypatch.setattr(credentials, "user_data_dir", lambda: tmp_path / "data")
    return tmp_path / "data"


@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_a_signed_file_says_who_and_what_and_sounds_the_same(take: Take, tmp_path: Path, container: str) -> None:
    plain = export_take(take, tmp_path / "plain", ExportOptions(container)).audio
    signed = export_take(take, tmp_path, ExportOptions(container, identity=make_identity(tmp_path))).audio
    manifest = read_manifest(signed, container)
    assert manifest is not None
    assert manifest.intact
    assert manifest.signer == f"{SIGNER}, Tests"
    assert manifest.source_types == ("trainedAlgorithmicMedia",)
    assert (manifest.problems, manifest.doubts) == ((), ())
    assert np.array_equal(soundfile.read(signed)[0], soundfile.read(plain)[0])
    assert read_manifest(plain, container) is None


@pytest.mark.parametrize("kind", [kind for kind in KEYS if kind != "es256"])
def test_every_kind_of_key_signs(take: Take, tmp_path: Path, kind: str) -> None:
    signed = export_take(take, tmp_path, ExportOptions(identity=make_identity(tmp_path, kind=kind))).audio
    manifest = read_manifest(signed, "WAV")
    assert manifest is not None
    assert manifest.intact


def test_a_certificate_that_ran_out_is_a_doubt_not_an_alteration() -> None:
    """The file was signed on 2026-11-20 with a certificate that ran out seconds later."""
    manifest = read_manifest(EXPIRED, "WAV")
    assert manifest is not None
    assert manifest.intact
    assert manifest.doubts == ("signingCredential.expired",)
    report = verify(EXPIRED)
    assert (report.verdict, report.synthetic) == (Verdict.NOTHING, True)
    assert "cannot be relied on" in report.checks[0].words


def test_an_altered_file_is_altered_whatever_its_certificate(tmp_path: Path) -> None:
    content = bytearray(EXPIRED.read_bytes())
    content[content.index(b"data") + 20] ^= 1
    (tmp_path / "x.wav").write_bytes(content)
    assert verify(tmp_path / "x.wav").verdict is Verdict.ALTERED


def test_speech_made_out_of_a_recording_is_a_composite(take: Take, tmp_path: Path) -> None:
    locked = replace(take, settings=replace(take.settings, content=Content.LOCK))
    signed = export_take(locked, tmp_path, ExportOptions(identity=make_identity(tmp_path))).audio
    manifest = read_manifest(signed, "WAV")
    assert manifest is not None
    assert manifest.source_types == ("compositeWithTrainedAlgorithmicMedia",)


def test_an_altered_sample_breaks_the_signature(take: Take, tmp_path: Path) -> None:
    signed = export_take(take, tmp_path, ExportOptions(identity=make_identity(tmp_path))).audio
    content = bytearray(signed.read_bytes())
    content[content.index(b"data") + 1000] ^= 1
    signed.write_bytes(content)
    manifest = read_manifest(signed, "WAV")
    assert manifest is not None
    assert not manifest.intact
    assert manifest.problems == ("assertion.dataHash.mismatch",)


def fail(take: Take, folder: Path, identity: Identity) -> str:
    with pytest.raises(StudioError) as caught:
        export_take(take, folder / "out", ExportOptions(identity=identity))
    assert list((folder / "out").iterdir()) == []
    return str(caught.value)


def test_what_cannot_sign_is_said_in_a_sentence(take: Take, tmp_path: Path) -> None:
    good = make_identity(tmp_path)
    (tmp_path / "other").mkdir()
    other = make_identity(tmp_path / "other")
    (tmp_path / "locked").mkdir()
    locked = make_identity(tmp_path / "locked", passphrase=b"secret")
    (tmp_path / "old").mkdir()
    old = make_identity(tmp_path / "old", days=-3)
    text = tmp_path / "text.pem"
    text.write_text("not a certificate")
    assert "cannot be read: no such file" in fail(take, tmp_path, replace(good, key=tmp_path / "none.pem"))
    assert "is not a certificate in PEM form" in fail(take, tmp_path, replace(good, certificate=text))
    assert "is not a private key in PEM form" in fail(take, tmp_path, replace(good, key=text))
    assert "does not belong to the certificate" in fail(take, tmp_path, replace(good, key=other.key))
    assert "protected by a passphrase" in fail(take, tmp_path, locked)
    assert "has not expired" in fail(take, tmp_path, old)


def test_without_the_package_the_line_to_install_it_is_said(
    take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = make_identity(tmp_path)
    assert credentials.missing_package() is None
    monkeypatch.setitem(sys.modules, "c2pa", None)
    assert "pip install 'esn-studio[c2pa]'" in fail(take, tmp_path, identity)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert "pip install 'esn-studio[c2pa]'" in str(credentials.missing_package())


def test_the_identity_comes_from_the_environment_or_from_the_file(
    nobody: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_identity() is None
    kept = Identity(tmp_path / "c.pem", tmp_path / "k.pem")
    save_identity(kept)
    assert settings_file().parent == nobody
    assert load_identity() == kept
    monkeypatch.setenv(credentials.CERTIFICATE_VARIABLE, "/env/c.pem")
    with pytest.raises(StudioError, match="set ESN_STUDIO_C2PA_KEY as well"):
        load_identity()
    monkeypatch.setenv(credentials.KEY_VARIABLE, "/env/k.pem")
    assert load_identity() == Identity(Path("/env/c.pem"), Path("/env/k.pem"))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1, "certificate": 3, "key": "k"}', '{"format": 9}'])
@pytest.mark.usefixtures("nobody")
def test_a_damaged_settings_file_is_one_sentence(content: str) -> None:
    settings_file().parent.mkdir()
    settings_file().write_text(content)
    with pytest.raises(StudioError, match=r"remove (it|the file)"):
        load_identity()


def test_settings_lie_with_the_users_data() -> None:
    assert settings_file() == paths.user_data_dir() / "credentials.json"


@pytest.mark.usefixtures("nobody")
def test_the_key_itself_is_never_kept(tmp_path: Path) -> None:
    identity = make_identity(tmp_path)
    save_identity(identity)
    assert json.loads(settings_file().read_text()) == {
        "format": 1, "certificate": str(identity.certificate), "key": str(identity.key),
    }  # fmt: skip
