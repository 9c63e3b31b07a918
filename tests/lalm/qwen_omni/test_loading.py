"""Loading a checkpoint folder that transformers itself saved, and what is said when it cannot be."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Qwen2_5OmniConfig

from studio.errors import StudioError
from studio.lalm.base import ConversionRequest
from studio.lalm.catalog import find_model, load_model
from studio.lalm.qwen_omni import loading
from studio.lalm.qwen_omni.lalm import QwenOmniLALM
from studio.lalm.qwen_omni.loading import identity, load, quantisation
from studio.lalm.qwen_omni.memory import Precision
from tests.lalm.qwen_omni import tiny


@pytest.fixture(scope="session")
def saved(whole: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny-omni"
    tiny.save(whole, folder)
    return folder


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))


@contextmanager
def loaded(source: Path | str, **options: Any) -> Iterator[QwenOmniLALM]:
    model = load(source, device="cpu", **options)
    try:
        yield model
    finally:
        model.close()


def test_a_saved_folder_speaks_as_the_model_it_was_saved_from(saved: Path, model: QwenOmniLALM) -> None:
    request = ConversionRequest(tiny.recording(0.4), "sad", seed=2)
    ours = model.convert([request])[0]
    with loaded(saved, offline=True) as other:
        made = other.convert([request])[0]
        assert other.info.model_id == "tiny-omni"
        assert other.info.revision.startswith("local-")
        assert other.info.config_digest == model.info.config_digest
        assert other.info.gates == model.info.gates
    assert made.text == ours.text
    assert np.array_equal(made.audio.samples, ours.audio.samples)


def test_the_vision_tower_is_neither_there_nor_read(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    seen = {name for name in weights if ".visual." in name}
    assert seen
    save_file({name: value for name, value in weights.items() if name not in seen}, copy / "model.safetensors",
              metadata={"format": "pt"})  # fmt: skip
    with loaded(copy) as without:
        assert without.convert([ConversionRequest(tiny.recording(0.4), "sad")])[0].text
    config = Qwen2_5OmniConfig.from_pretrained(copy)
    built = loading._weights(str(copy), {}, config, Precision.FP32, torch.device("cpu"))
    assert not [name for name, _ in built.named_parameters() if "visual" in name]


def test_bf16_keeps_token2wav_in_fp32_to_the_bit(saved: Path, whole: Any) -> None:
    with loaded(saved, precision="bf16") as model:
        assert model.parts.dtype is torch.bfloat16
        assert {weight.dtype for weight in model.parts.audio_tower.parameters()} == {torch.bfloat16}
        for name, weight in model.parts.token2wav.named_parameters():
            assert torch.equal(weight, whole.token2wav.get_parameter(name))
        made = model.convert([ConversionRequest(tiny.recording(0.4), "sad")], record=True)[0]
    assert np.isfinite(made.audio.samples).all()
    assert made.statistics is not None


def test_voices_are_read_without_unpickling_code(copy: Path) -> None:
    class Surprise:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path(copy / "ran").touch, ())

    torch.save({"Ethan": Surprise()}, copy / "spk_dict.pt")
    with pytest.raises(StudioError, match=r"voices of .* cannot be read; download the model again"):
        load(copy, device="cpu")
    assert not (copy / "ran").exists()


def drop_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("lm_head.weight"))
    del weights[name]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def rewrite(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (drop_weight, "is incomplete: 1 weights are missing, such as thinker.lm_head.weight"),
        (lambda folder: rewrite(folder, model_type="llama"), "is no Qwen2.5-Omni but a llama"),
        (lambda folder: rewrite(folder, enable_audio_output=False), "saved without its talker"),
        (lambda folder: (folder / "spk_dict.pt").unlink(), "spk_dict.pt"),
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot be loaded from"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"no"), "cannot be loaded from"),
        (lambda folder: (folder / "config.json").unlink(), "cannot be loaded from|is no Qwen2.5-Omni"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be loaded from"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "cannot be loaded from"),
    ],
)
def test_a_damaged_folder_is_refused_in_one_sentence(copy: Path, damage: Any, says: str) -> None:
    damage(copy)
    with pytest.raises(StudioError, match=says) as caught:
        load(copy, device="cpu")
    assert "\n" not in str(caught.value)


def test_a_downloaded_model_is_loaded_without_asking_the_net(
    saved: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def asked(*args: Any, **options: Any) -> Any:
        raise AssertionError("the net was asked")

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", asked)
    entry = find_model("qwen2.5-omni-3b")
    shutil.copytree(saved, entry.weights)
    with closing(load_model("qwen2.5-omni-3b")) as model:
        assert model.info.model_id == "Qwen/Qwen2.5-Omni-3B"
        assert model.info.revision == entry.facts.revision
        assert model.convert([ConversionRequest(tiny.recording(0.4), "sad")])[0].text


def test_what_is_not_in_the_cache_is_said_when_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(StudioError, match=r"cannot be loaded from 'Qwen/Nothing-Like-This'"):
        load("Qwen/Nothing-Like-This", device="cpu", offline=True)


def test_options_that_make_no_sense_are_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StudioError, match="no precision 'bf8'; known: fp32, bf16, 8bit, 4bit"):
        load(saved, device="cpu", precision="bf8")
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    with pytest.raises(StudioError, match=r"Precision 4bit needs packages .*esn-studio\[quantised\]"):
        load(saved, device="cpu", precision="4bit")


def test_a_folder_of_the_hubs_cache_is_the_model_it_came_from(tmp_path: Path, saved: Path) -> None:
    cached = tmp_path / "hub" / "models--Qwen--Qwen2.5-Omni-7B" / "snapshots" / "ae9e1690"
    cached.mkdir(parents=True)
    assert identity(str(cached), None) == ("Qwen/Qwen2.5-Omni-7B", "ae9e1690")
    assert identity("Qwen/Qwen2.5-Omni-3B", "f75b40e3") == ("Qwen/Qwen2.5-Omni-3B", "f75b40e3")
    name, revision = identity(str(saved), None)
    assert (name, revision) == identity(str(saved), "ignored")


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.BF16])
def test_full_precisions_quantise_nothing(precision: Precision) -> None:
    assert quantisation(precision) is None
