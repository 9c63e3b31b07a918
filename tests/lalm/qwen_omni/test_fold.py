"""A folded checkpoint is the live model with its taps, on transformers' own classes at tiny size."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, Qwen2Config, Qwen2ForCausalLM

from studio.cli import main
from studio.errors import Cancelled, StudioError
from studio.esn.automation import Automation
from studio.esn.intervention import Mode, Steering, TokenScope
from studio.esn.mask import EsnMask
from studio.esn.taps import GateTaps
from studio.lalm.base import ConversionRequest
from studio.lalm.fold import SIDECAR, fold
from studio.lalm.qwen_omni.lalm import QwenOmniLALM
from studio.lalm.qwen_omni.loading import load
from tests.lalm.qwen_omni import tiny

STRENGTHS = {Mode.GAIN: {"angry": 0.75, "sad": 0.5}, Mode.DEACTIVATE: {"angry": 1.0}}


@pytest.fixture(scope="module")
def omni(whole: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny-omni"
    tiny.save(whole, folder)
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    config = Qwen2Config(vocab_size=97, hidden_size=32, intermediate_size=48, num_hidden_layers=4,
                         num_attention_heads=4, num_key_value_heads=2, initializer_range=0.3)  # fmt: skip
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny-qwen2"
    Qwen2ForCausalLM(config).save_pretrained(folder, max_shard_size="20KB")
    return folder


def some(widths: tuple[int, ...], seed: int) -> EsnMask:
    rng = np.random.default_rng(seed)
    indices = {}
    for emotion in ("angry", "sad"):
        flat = np.sort(rng.choice(sum(widths), sum(widths) // 5, replace=False))
        indices[emotion] = np.stack([flat // widths[0], flat % widths[0]], 1).astype(np.int32)
    scores = {emotion: np.ones(len(pairs), np.float32) for emotion, pairs in indices.items()}
    return EsnMask(widths, indices, scores, {"model_id": "tiny", "module": "language"})


@pytest.mark.parametrize("mode", STRENGTHS)
@pytest.mark.parametrize("module", ["language", "synthesis"])
def test_words_and_codes_are_those_of_live_taps(
    omni: Path, model: QwenOmniLALM, tmp_path: Path, module: str, mode: Mode
) -> None:
    steering = Steering(tiny.everywhere(module, 0.3), mode, STRENGTHS[mode])
    clip = tiny.recording(0.4)
    live = model.convert([ConversionRequest(clip, "angry", steering)], module=module)[0]
    fold(omni, steering, tmp_path / "out", module=module)
    folded = load(tmp_path / "out", device="cpu", offline=True)
    try:
        made = folded.convert([ConversionRequest(clip, "angry")])[0]
    finally:
        folded.close()
    assert made.text == live.text
    assert np.array_equal(made.speech_tokens, live.speech_tokens)


@pytest.mark.parametrize("mode", STRENGTHS)
def test_plain_transformers_writes_the_tokens_of_live_taps(plain: Path, tmp_path: Path, mode: Mode) -> None:
    steering = Steering(some((48,) * 4, 1), mode, STRENGTHS[mode], layers=(1, 3))
    prompt = torch.tensor([[5, 17, 3, 60]])
    original = AutoModelForCausalLM.from_pretrained(plain).eval()
    options: dict[str, Any] = {"max_new_tokens": 24, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    unsteered = original.generate(prompt, **options)
    with GateTaps([layer.mlp.act_fn for layer in original.model.layers], (48,) * 4) as taps:
        taps.begin([steering])
        live = original.generate(prompt, **options)
        taps.end(24)
    fold(plain, steering, tmp_path / "out")
    folded = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    assert torch.equal(folded.generate(prompt, **options), live)
    assert not torch.equal(live, unsteered)


def test_only_what_is_steered_changes_and_the_rest_is_said(plain: Path, tmp_path: Path) -> None:
    steering = Steering(some((48,) * 4, 2), Mode.GAIN, {"sad": 1.0}, layers=(2, 2))
    fold(plain, steering, tmp_path / "out")
    shards = sorted(path.name for path in plain.glob("*.safetensors"))
    assert len(shards) > 1
    changed = {
        name
        for shard in shards
        for name, value in load_file(tmp_path / "out" / shard).items()
        if not torch.equal(value, load_file(plain / shard)[name])
    }
    assert changed == {"model.layers.2.mlp.down_proj.weight"}
    said = json.loads((tmp_path / "out" / SIDECAR).read_text())
    assert (said["mode"], said["strengths"], said["layers"]) == ("gain", {"sad": 1.0}, [2, 2])
    assert said["mask"] == steering.mask.fingerprint()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mode": Mode.ADD}, "'add' cannot be folded into weights: it moves a gate by a constant"),
        ({"mode": Mode.CLAMP}, "'clamp' cannot be folded into weights: a floor"),
        ({"scope": TokenScope.GENERATED}, "cannot tell prompt from reply"),
        ({"automation": Automation(((0.0, 0.5), (1.0, 1.0)))}, "do not change over time"),
        ({"strengths": {"angry": 0.0}}, "Nothing would change"),
        ({"mask": some((48,) * 3, 1)}, "The mask covers 3 layers with 144 neurons, but the checkpoint's language"),
    ],
)
def test_what_cannot_be_folded_is_refused_with_the_reason(
    plain: Path, tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    settings: dict[str, Any] = {"mask": some((48,) * 4, 1), "mode": Mode.GAIN, "strengths": {"angry": 1.0}} | changes
    with pytest.raises(StudioError, match=says):
        fold(plain, Steering(**settings), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_cancelled_fold_leaves_nothing(plain: Path, tmp_path: Path) -> None:
    steering = Steering(some((48,) * 4, 1), Mode.GAIN, {"angry": 1.0})
    asked = iter([False, True])
    with pytest.raises(Cancelled):
        fold(plain, steering, tmp_path / "out", cancelled=lambda: next(asked))
    assert not list(tmp_path.iterdir())


def test_a_folder_inside_of_the_checkpoint_and_a_broken_config_are_refused_before_anything_is_copied(
    plain: Path, tmp_path: Path
) -> None:
    source = tmp_path / "checkpoint"
    shutil.copytree(plain, source)
    steering = Steering(some((48,) * 4, 1), Mode.GAIN, {"angry": 0.5})
    before = sorted(source.rglob("*"))
    with pytest.raises(StudioError, match="inside of the checkpoint"):
        fold(source, steering, source / "steered")
    for text in ("{", "[]", "\xff"):
        (source / "config.json").write_text(text, "latin-1")
        with pytest.raises(StudioError, match=r"config\.json' is no model's config"):
            fold(source, steering, tmp_path / "steered")
    assert sorted(source.rglob("*")) == before
    assert sorted(tmp_path.iterdir()) == [source]


def test_the_verb(plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    some((48,) * 4, 1).save(tmp_path / "m.esn.safetensors")
    line = ["fold", str(plain), "--mask", str(tmp_path / "m.esn.safetensors"), "--strength", "angry=1"]
    assert main([*line, "--out", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["folder"] == str(tmp_path / "out")
    assert main([*line, "--out", str(tmp_path / "out")]) == 1
    assert "exists already" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["fold", str(tmp_path / "empty"), *line[2:], "--out", str(tmp_path / "other")]) == 1
    assert "holds no weights as safetensors" in capsys.readouterr().err
