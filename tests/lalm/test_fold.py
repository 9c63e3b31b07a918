"""Folded checkpoints of transformers' own classes, at tiny size, against live taps on the original."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import Qwen2_5OmniForConditionalGeneration, Qwen2Config, Qwen2ForCausalLM

from studio.cli import main
from studio.errors import StudioError
from studio.esn.automation import Automation
from studio.esn.intervention import Mode, Steering, TokenScope, coefficients
from studio.esn.mask import EsnMask
from studio.lalm.fold import SIDECAR, fold
from tests.lalm.qwen_omni import tiny

LAYERS, WIDTH = 3, 32
PROMPT = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])


def mask(layers: int, width: int, module: str = "language") -> EsnMask:
    def some(first: int, count: int) -> tuple[Any, Any]:
        pairs = [(layer, (first + 3 * k) % width) for layer in range(layers) for k in range(count)]
        return np.array(sorted(set(pairs)), dtype=np.int32), np.ones(len(set(pairs)), dtype=np.float32)

    parts = {"happy": some(1, 6), "angry": some(4, 6)}
    return EsnMask(
        indices={name: pair[0] for name, pair in parts.items()},
        scores={name: pair[1] for name, pair in parts.items()},
        widths=(width,) * layers,
        metadata={"module": module},
    )


@pytest.fixture(scope="module")
def qwen2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=64, hidden_size=24, intermediate_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=128, bos_token_id=0, eos_token_id=63, pad_token_id=0,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("qwen2") / "model"
    Qwen2ForCausalLM(config).save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("*.safetensors"))) > 2
    return folder


def tapped(layers: Any, steering: Steering) -> list[Any]:
    """Hooks on every gate that do what live taps do."""
    parts = coefficients([steering], steering.mask.widths)
    return [
        layer.mlp.act_fn.register_forward_hook(lambda _module, _args, gate, part=part: part.apply(gate))
        for layer, part in zip(layers, parts, strict=True)
    ]


def answer(model: Any, ids: torch.Tensor) -> tuple[list[int], torch.Tensor]:
    with torch.no_grad():
        tokens = model.generate(ids, max_new_tokens=12, do_sample=False)
        return tokens[0].tolist(), model(input_ids=ids).logits


STEERINGS = {
    "gain": (Mode.GAIN, {"happy": 1.5}, None),
    "blend": (Mode.GAIN, {"happy": 1.0, "angry": 0.7}, None),
    "window": (Mode.GAIN, {"angry": 2.0}, (1, 1)),
    "deactivate": (Mode.DEACTIVATE, {"angry": 1.0, "happy": 1.0}, None),
}


@pytest.mark.parametrize("name", STEERINGS)
def test_a_plain_checkpoint_gives_the_tokens_of_live_taps(name: str, qwen2: Path, tmp_path: Path) -> None:
    mode, strengths, layers = STEERINGS[name]
    steering = Steering(mask(LAYERS, WIDTH), mode, strengths, layers)
    fold(qwen2, steering, tmp_path / "folded")
    live = Qwen2ForCausalLM.from_pretrained(qwen2, dtype=torch.float32)
    plain = answer(live, PROMPT)[1]
    hooks = tapped(live.model.layers, steering)
    tokens, logits = answer(live, PROMPT)
    for hook in hooks:
        hook.remove()
    found, folded = answer(Qwen2ForCausalLM.from_pretrained(tmp_path / "folded", dtype=torch.float32), PROMPT)
    assert found == tokens
    torch.testing.assert_close(folded, logits, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(logits, plain, rtol=1e-5, atol=1e-6)


def test_omni_thinker_and_talker(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = Qwen2_5OmniForConditionalGeneration(tiny.config()).eval()
    source = tmp_path / "omni"
    model.save_pretrained(source)
    # The class will not load without a file of voices.
    torch.save({}, source / "spk_dict.pt")
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    for module, count in (("language", tiny.LAYERS), ("synthesis", tiny.TALKER_LAYERS)):
        prefix = "thinker.model" if module == "language" else "talker.model"
        stack = model.thinker.model if module == "language" else model.talker.model
        stack = getattr(stack, "language_model", stack)
        steering = Steering(mask(count, tiny.WIDTH, module), Mode.GAIN, {"happy": 1.0})
        out = tmp_path / module
        fold(source, steering, out, module=module)
        before, after = load_file(source / "model.safetensors"), load_file(out / "model.safetensors")
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert len(changed) == count
        assert all(name.startswith(prefix) and name.endswith("down_proj.weight") for name in changed)
        if module == "language":
            folded = Qwen2_5OmniForConditionalGeneration.from_pretrained(out, dtype=torch.float32).thinker
            hooks = tapped(stack.layers, steering)
            tokens, _ = answer(model.thinker, ids)
            for hook in hooks:
                hook.remove()
            assert answer(folded, ids)[0] == tokens


def test_the_rest_is_copied_and_the_sidecar_says_what_was_done(qwen2: Path, tmp_path: Path) -> None:
    out = tmp_path / "folded"
    steering = Steering(mask(LAYERS, WIDTH), Mode.GAIN, {"happy": 0.5}, (0, 1))
    document = fold(qwen2, steering, out)
    assert json.loads((out / SIDECAR).read_text()) == document
    assert document["layers"] == [0, 1]
    assert document["neurons_scaled"] == 12
    assert document["mask"]["fingerprint"] == steering.mask.fingerprint()
    assert (out / "config.json").read_bytes() == (qwen2 / "config.json").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folded"]
    with pytest.raises(StudioError, match="exists already"):
        fold(qwen2, steering, out)


@pytest.mark.parametrize(
    ("mode", "more", "reason"),
    [
        (Mode.ADD, {}, "add shifts a gate"),
        (Mode.CLAMP, {}, "clamp depends on the gate"),
        (Mode.GAIN, {"scope": TokenScope.GENERATED}, "cannot tell the prompt"),
        (Mode.GAIN, {"automation": Automation(((0.0, 0.0), (1.0, 1.0)))}, "cannot follow an intensity curve"),
    ],
)
def test_what_cannot_be_folded_is_refused(
    mode: Mode, more: dict[str, Any], reason: str, qwen2: Path, tmp_path: Path
) -> None:
    with pytest.raises(StudioError, match=reason):
        fold(qwen2, Steering(mask(LAYERS, WIDTH), mode, {"happy": 0.5}, **more), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_checkpoints_are_refused(qwen2: Path, tmp_path: Path) -> None:
    steering = Steering(mask(LAYERS, WIDTH + 1), Mode.GAIN, {"happy": 0.5})
    with pytest.raises(StudioError, match="choose a mask made for it"):
        fold(qwen2, steering, tmp_path / "out")
    with pytest.raises(StudioError, match="no safetensors"):
        fold(tmp_path, steering, tmp_path / "out")
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "model.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(StudioError, match="no whole safetensors file"):
        fold(damaged, steering, tmp_path / "out")


def test_the_command(qwen2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my.esn.safetensors"
    mask(LAYERS, WIDTH).save(file)
    words = ["fold", str(qwen2), "--mask", str(file), "--out", str(tmp_path / "out")]
    assert main([*words, "--strength", "happy=0.5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["neurons_scaled"] == 18
    assert main(words) == 2
