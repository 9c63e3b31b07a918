"""``demo``: takes and a picture without a screen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtGui import QImage

from studio.cli import build_parser
from studio.cli_demo import show
from studio.errors import StudioError
from studio.paths import HOME_VARIABLE, home
from tests.toy import ToyJudge, ToyLALM, toy_mask


@pytest.fixture
def masked_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This checkout's resources beside a masks folder of its own."""
    (tmp_path / "resources").symlink_to(home() / "resources")
    (tmp_path / "masks").mkdir()
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    return tmp_path


def demo(out: Path, *more: str) -> int:
    return show(build_parser().parse_args(["demo", "--out", str(out), *more]), ToyLALM(), ToyJudge())


@pytest.mark.usefixtures("qapp")
def test_eight_takes_and_a_picture(masked_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy_mask().save(masked_home / "masks" / "toy.esn.safetensors")
    out = tmp_path / "out"
    assert demo(out) == 0
    shown = capsys.readouterr()
    assert len(list(out.glob("*.wav"))) == len(list(out.glob("*.json"))) == 8
    assert "demo.png" in shown.out
    assert "make run" in shown.err
    picture = QImage(str(out / "demo.png"))
    assert picture.width() > 1000
    shades = {picture.pixel(x, y) for x in range(0, picture.width(), 5) for y in range(0, picture.height(), 5)}
    assert len(shades) > 20
    assert demo(out, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [take["settings"]["target"] for take in document["takes"][::2]] == ["happy", "angry", "sad", "surprise"]
    assert len(list(out.glob("*.wav"))) == 16


def test_without_a_mask_it_says_how_to_make_one(masked_home: Path, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="esn-studio identify"):
        demo(tmp_path / "out")


def test_a_mask_of_another_model_is_no_mask(masked_home: Path, tmp_path: Path) -> None:
    toy_mask(model_id="other").save(masked_home / "masks" / "x.esn.safetensors")
    with pytest.raises(StudioError, match="no ESN mask"):
        demo(tmp_path / "out")
