"""``emosteer``: recordings that are no use cost themselves only; what files say of themselves, whoever wrote them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.audio.clip import Clip
from studio.audio.files import save_flac
from studio.cli import main
from studio.esn.emosteer import EmoVectors
from studio.paths import resources_dir
from tests.toy import toy_vectors


@pytest.mark.parametrize(
    ("training", "says"),
    [
        (
            {"steps": 9, "loss_at_first": {"sad": 2.0}, "loss_at_last": {"sad": 0.5}},
            "for 9 steps; loss sad 2.000 to 0.500",
        ),
        (
            {"judge": "toy judge", "steps": 9, "loss_at_first": {"sad": 2.0}, "loss_at_last": {"sad": 0.5}},
            "learned from the model's own speech, as toy judge heard it",
        ),
        ({"steps": 9, "loss_at_first": {"sad": "high"}, "loss_at_last": {"sad": 0.5}}, None),
        ({"loss_at_first": {"sad": 2.0}, "loss_at_last": {"angry": 0.5}}, None),
        ({"loss_at_first": {"sad": 2.0}, "loss_at_last": 3}, None),
        ("long ago", None),
    ],
)
def test_show(tmp_path: Path, capsys: pytest.CaptureFixture[str], training: Any, says: str | None) -> None:
    path = tmp_path / "a.emosteer.safetensors"
    vectors = replace(toy_vectors(), metadata={"model_id": "toy", "training": training})
    vectors.save(path)
    assert main(["emosteer", "show", str(path)]) == 0
    said = capsys.readouterr().out
    assert f"{path}: {', '.join(vectors.emotions)}; input of {vectors.site}" in said
    assert "model toy" in said
    assert ("trained" in said) == (says is not None)
    assert says is None or says in said
    assert main(["emosteer", "show", str(path), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["metadata"]["training"] == training
    assert shown["fingerprint"] == vectors.fingerprint()


def test_show_of_something_else_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.emosteer.safetensors"
    path.write_bytes(b"no such thing")
    assert main(["emosteer", "show", str(path)]) == 1
    assert capsys.readouterr().err.startswith(f"esn-studio: '{path}' is not a learned-vectors file")


def test_a_recording_that_cannot_be_used_costs_itself_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["path,speaker,emotion,text,utterance id"]
    for line in sorted((resources_dir() / "demo" / "0011" / "Neutral").iterdir())[:6]:
        shutil.copy(line, tmp_path / line.name)
        rows.append(f"{line.name},0011,neutral,the old house,{line.stem}")
    first, second = (tmp_path / row.partition(",")[0] for row in (rows[1], rows[3]))
    save_flac(first, Clip(np.zeros(16_000, np.float32), 16_000))
    second.write_bytes(b"RIFF")
    # Lines 1, 3 and 5 are for identification.
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    train = ["emosteer", "train", str(tmp_path), "--emotions", "sad", "--steps", "1"]
    out = tmp_path / "v.emosteer.safetensors"
    assert main([*train, "--out", str(out)]) == 0
    said = capsys.readouterr().err
    assert f"Left out: '{first.stem}' holds no speech; choose another recording." in said
    assert f"Left out: '{second.name}' is damaged or cut short; copy or export it again." in said
    assert EmoVectors.load(out).metadata["training"]["lessons"] == {"sad": 1}
