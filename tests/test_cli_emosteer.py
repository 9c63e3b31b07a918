"""``emosteer show``: what files of learned vectors say of themselves, whoever wrote them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.cli import main
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
