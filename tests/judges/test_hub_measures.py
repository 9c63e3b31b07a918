"""Measures whose weights come from the hub: WavLM's own class at tiny size; UTMOS through its package's interface."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Wav2Vec2FeatureExtractor, WavLMConfig, WavLMForXVector

from studio.audio.clip import Clip
from studio.errors import StudioError
from studio.judges import utmos, wavlm
from studio.lalm.catalog import find_model
from studio.pipelines.measures import load_measure
from tests.lalm.flamingo import tiny


def speakers() -> wavlm.WavlmSpeakers:
    torch.manual_seed(0)
    config = WavLMConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, conv_dim=(16, 16, 16),
        conv_stride=(10, 8, 4), conv_kernel=(10, 8, 4), tdnn_dim=(32, 32, 48),
        tdnn_kernel=(5, 3, 1), tdnn_dilation=(1, 2, 1), xvector_output_dim=24, num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    return wavlm.WavlmSpeakers(WavLMForXVector(config), Wav2Vec2FeatureExtractor(do_normalize=True))


def test_wavlm_compares_unit_vectors():
    model = speakers()
    low, high = tiny.clip(110.0, 1.0), tiny.clip(280.0, 1.0)
    vector = model.embedding(low)
    assert vector.shape == (24,)
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)
    assert model.similarity(low, low) == pytest.approx(1.0, abs=1e-5)
    assert model.similarity(low, high) < 0.9999
    assert model.similarity(low, high) == pytest.approx(model.similarity(high, low), abs=1e-6)
    resampled = low.at_rate(24_000)
    assert model.similarity(low, resampled) > model.similarity(low, high)


def test_wavlm_needs_something_to_hear():
    model = speakers()
    for clip in (tiny.clip(100.0, 0.1, "x"), Clip(np.zeros(16_000, dtype=np.float32), 16_000, "x")):
        with pytest.raises(StudioError, match="'x' holds too little voice"):
            model.embedding(clip)


def test_weights_that_are_not_there_are_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(StudioError, match=r"^Comparing speakers by WavLM needs .*: esn-studio models download wavlm$"):
        load_measure("speaker-wavlm")
    wavlm.load.cache_clear()
    with pytest.raises(StudioError, match="WavLM's speaker model cannot be loaded from") as caught:
        wavlm.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_pickle_in_place_of_weights_runs_nothing(tmp_path):
    class Planted:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    model = speakers()
    model._model.config.save_pretrained(tmp_path)
    model._extractor.save_pretrained(tmp_path)
    torch.save({"wavlm.masked_spec_embed": Planted()}, tmp_path / "pytorch_model.bin")
    wavlm.load.cache_clear()
    with pytest.raises(StudioError, match="holds more than tensors, which could run anything; download it again"):
        wavlm.load(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_weights_that_lack_some_are_refused_instead_of_drawn(tmp_path):
    model = speakers()
    model._model.save_pretrained(tmp_path)
    model._extractor.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["projector.weight"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    wavlm.load.cache_clear()
    with pytest.raises(StudioError, match=r"is incomplete: 1 weights are missing, such as projector\.weight"):
        wavlm.load(tmp_path)


@pytest.fixture
def bare(monkeypatch):
    utmos._model.cache_clear()
    monkeypatch.setitem(sys.modules, utmos.PACKAGE, None)
    yield
    utmos._model.cache_clear()


@pytest.mark.usefixtures("bare")
def test_utmos_says_how_it_is_installed():
    with pytest.raises(StudioError, match=r'Rating naturalness by UTMOS .*: pip install "utmos-pytorch>=0.1"'):
        load_measure("utmos")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of UTMOS's interface whose score is the clip's length in seconds, and no weights."""
    (tmp_path / "utmos_like.py").write_text(
        "from pathlib import Path\n"
        "class UTMOSScoreTorch:\n"
        "    def __init__(self, ckpt_path):\n"
        "        assert Path(ckpt_path).read_bytes() == b'weights'\n"
        "    def score(self, wavs):\n"
        "        assert wavs.dim() == 2 and wavs.shape[0] == 1\n"
        "        return wavs.sum(1) * 0 + wavs.shape[1] / 16000\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(utmos, "PACKAGE", "utmos_like")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    utmos._model.cache_clear()
    yield
    utmos._model.cache_clear()
    sys.modules.pop("utmos_like", None)


@pytest.mark.usefixtures("package")
def test_utmos_hears_one_clip_at_16_khz():
    with pytest.raises(StudioError, match=r"^Rating naturalness by UTMOS needs .*: esn-studio models download utmos$"):
        load_measure("utmos")
    folder = find_model("utmos").weights
    folder.mkdir(parents=True)
    (folder / "utmos_state_dict.pt").write_bytes(b"weights")
    measure = load_measure("utmos")
    clip = tiny.clip(150.0, 0.5).at_rate(24_000)
    assert measure(clip, clip) == {"utmos": pytest.approx(0.5)}
    with pytest.raises(StudioError, match="too short to be rated"):
        measure(tiny.clip(150.0, 0.05), clip)
