"""The command line with the model that ships, as its own process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from studio.cli import main
from studio.errors import StudioError
from studio.lalm import catalog
from studio.session.masks import default_mask, load_mask

LINE = "demo:0011_000001"


def test_the_model_that_ships_loads_and_has_a_default_mask(tmp_path: Path) -> None:
    model = catalog.load_model()
    try:
        path = default_mask(model.info)
        assert path is not None
        mask = load_mask(path, model.info)
        elsewhere = tmp_path / "elsewhere.esn.safetensors"
        replace(mask, metadata=mask.metadata | {"module": "synthesis"}).save(elsewhere)
        with pytest.raises(StudioError, match="holds neurons of a synthesis module, and Embedded has only language"):
            load_mask(elsewhere, model.info)
    finally:
        model.close()


def test_a_ladder_from_arguments_to_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["render", LINE, "--to", "angry", "--ladder", "0,0.5,1", "--out", str(tmp_path), "--json"]
    assert main(line) == 0
    takes = json.loads(capsys.readouterr().out)["takes"]
    assert [take["settings"]["strengths"] for take in takes] == [{"angry": 0.0}, {"angry": 0.5}, {"angry": 1.0}]
    heard = [soundfile.read(take["file"], dtype="float32")[0] for take in takes]
    assert not np.array_equal(heard[0], heard[2])
    assert all(np.abs(samples).max() > 0.01 for samples in heard)
    assert takes[0]["mask"]["fingerprint"] is None
    assert takes[2]["mask"]["fingerprint"]


def test_strength_zero_is_the_baseline_sample_for_sample(tmp_path: Path) -> None:
    for name, more in (("plain", []), ("zero", ["--strength", "sad=0", "--mode", "clamp", "--layers", "0-1"])):
        assert main(["render", LINE, "--to", "sad", *more, "--bits", "float", "--out", str(tmp_path / name)]) == 0
    plain, zero = (soundfile.read(next((tmp_path / name).glob("*.wav")))[0] for name in ("plain", "zero"))
    assert np.array_equal(plain, zero)


def test_interrupt_is_130_one_line_and_keeps_what_was_finished(tmp_path: Path) -> None:
    sources = [f"demo:0011_{number:06d}" for number in range(1, 61)]
    command = [sys.executable, "-m", "studio", "render", *sources, "--to", "sad", "--out", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert "0011_000001" in running.stdout.readline()
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate()
    assert running.returncode == 130
    assert errors == "esn-studio: interrupted; what was finished is kept\n"
    takes = sorted(path.stem for path in tmp_path.glob("*.wav"))
    assert takes
    assert takes == sorted(path.stem for path in tmp_path.glob("*.json"))
    assert [path for path in tmp_path.iterdir() if path.name.endswith(".part")] == []
