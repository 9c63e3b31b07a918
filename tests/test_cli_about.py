"""``models`` and ``doctor`` say what is there, in words and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.cli import main
from studio.cli_about import FAILURE, OK, WARNING, examine
from studio.errors import StudioError
from studio.lalm.catalog import DEFAULT, find_model, load_model, models
from studio.paths import HOME_VARIABLE
from tests.toy import toy_mask


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    return tmp_path


def test_the_catalog_has_the_embedded_model_first() -> None:
    assert models()[0].name == DEFAULT == "embedded"
    with pytest.raises(StudioError, match="known: embedded"):
        find_model("other")


def test_without_weights_the_model_says_so(empty_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not find_model(DEFAULT).available
    with pytest.raises(StudioError, match="weights are missing"):
        load_model()
    assert main(["models"]) == 0
    shown = capsys.readouterr().out
    assert "not usable" in shown
    assert str(empty_home / "resources" / "embedded") in shown
    assert main(["models", "--json"]) == 0
    entry = json.loads(capsys.readouterr().out)["models"][0]
    assert entry["name"] == "embedded"
    assert "missing" in entry["problem"]


def test_doctor_on_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    findings = {finding.topic: finding for finding in examine()}
    assert set(findings) == {"python", "packages", "torch", "disk", "model", "mask", "demo", "sound", "window"}
    assert findings["packages"].level == OK
    assert "torch 2.13.0" in findings["packages"].words
    assert findings["demo"].words == "600 lines by 10 speakers"
    main(["doctor"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= len(findings)
    main(["doctor", "--json"])
    assert len(json.loads(capsys.readouterr().out)["findings"]) == len(lines)


def test_doctor_finds_what_is_missing_or_damaged(empty_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (empty_home / "masks").mkdir()
    toy_mask().save(empty_home / "masks" / "good.esn.safetensors")
    (empty_home / "masks" / "bad.esn.safetensors").write_bytes(b"x" * 100)
    levels = [(finding.topic, finding.level) for finding in examine()]
    assert ("model", FAILURE) in levels
    assert ("mask", OK) in levels
    assert ("mask", WARNING) in levels
    assert ("demo", WARNING) in levels
    assert main(["doctor"]) == 1
    assert "happy 2, angry 2, sad 2, surprise 2" in capsys.readouterr().out
