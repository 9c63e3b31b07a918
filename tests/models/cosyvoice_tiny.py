"""A checkpoint of CosyVoice-300M-Instruct's classes, tiny and random, as its own constructor loads it."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from studio.lalm.cosyvoice import CODE, MATCHA
from studio.lalm.remote_code import RECIPE
from tests.models.reporting import small_random

WIDTH = 64
SPEECH_TOKENS = 128
SPEAKER = "one"
VOICE = 192

ENCODER = "normalize_before: True, pos_enc_layer_type: rel_pos_espnet, selfattention_layer_type: rel_selfattn"

TINY = f"""
sample_rate: 22050
allowed_special: all
get_tokenizer: !name:whisper.tokenizer.get_tokenizer
    multilingual: True
    num_languages: 100
    language: en
    task: transcribe
feat_extractor: !name:matcha.utils.audio.mel_spectrogram
    n_fft: 1024
    num_mels: 80
    sampling_rate: 22050
    hop_size: 256
    win_size: 1024
    fmin: 0
    fmax: 8000
    center: False
llm: !new:cosyvoice.llm.llm.TransformerLM
    text_encoder_input_size: 32
    llm_input_size: {WIDTH}
    llm_output_size: {WIDTH}
    text_token_size: 51866
    speech_token_size: {SPEECH_TOKENS}
    text_encoder: !new:cosyvoice.transformer.encoder.ConformerEncoder
        {{input_size: 32, output_size: {WIDTH}, attention_heads: 4, linear_units: 96, num_blocks: 1,
          input_layer: linear, use_cnn_module: False, macaron_style: False, static_chunk_size: 1, {ENCODER}}}
    llm: !new:cosyvoice.transformer.encoder.TransformerEncoder
        {{input_size: {WIDTH}, output_size: {WIDTH}, attention_heads: 4, linear_units: 96, num_blocks: 3,
          input_layer: linear_legacy, static_chunk_size: 1, {ENCODER}}}
    sampling: !name:cosyvoice.utils.common.ras_sampling
        top_p: 0.8
        top_k: 25
        win_size: 10
        tau_r: 0.1
flow: !new:cosyvoice.flow.flow.MaskedDiffWithXvec
    input_size: 16
    vocab_size: {SPEECH_TOKENS}
    encoder: !new:cosyvoice.transformer.encoder.ConformerEncoder
        {{input_size: 16, output_size: 16, attention_heads: 2, linear_units: 32, num_blocks: 1, input_layer: linear,
          use_cnn_module: False, macaron_style: False, {ENCODER}}}
    length_regulator: !new:cosyvoice.flow.length_regulator.InterpolateRegulator
        channels: 80
        sampling_ratios: [1]
    decoder: !new:cosyvoice.flow.flow_matching.ConditionalCFM
        in_channels: 240
        n_spks: 1
        spk_emb_dim: 80
        cfm_params: !new:omegaconf.DictConfig
            content: {{sigma_min: 1.0e-06, solver: euler, t_scheduler: cosine, training_cfg_rate: 0.2,
                       inference_cfg_rate: 0.7, reg_loss_type: l1}}
        estimator: !new:cosyvoice.flow.decoder.ConditionalDecoder
            {{in_channels: 320, out_channels: 80, channels: [32, 32], dropout: 0.0, attention_head_dim: 8, n_blocks: 1,
              num_mid_blocks: 1, num_heads: 2, act_fn: gelu}}
hift: !new:cosyvoice.hifigan.generator.HiFTGenerator
    in_channels: 80
    base_channels: 32
    nb_harmonics: 8
    sampling_rate: 22050
    upsample_rates: [8, 8]
    upsample_kernel_sizes: [16, 16]
    istft_params:
        n_fft: 16
        hop_len: 4
    resblock_kernel_sizes: [3]
    resblock_dilation_sizes: [[1, 3, 5]]
    source_resblock_kernel_sizes: [7, 11]
    source_resblock_dilation_sizes: [[1, 3, 5], [1, 3, 5]]
    f0_predictor: !new:cosyvoice.hifigan.f0_predictor.ConvRNNF0Predictor
        num_class: 1
        in_channels: 80
        cond_channels: 32
"""


def checkpoint(folder: Path, code: Path, matcha: Path) -> None:
    """Write one into ``folder``: recipe, code, random weights, a speaker, and two small networks in ONNX."""
    from hyperpyyaml import load_hyperpyyaml  # type: ignore[import-not-found]

    folder.mkdir()
    shutil.copytree(code / "cosyvoice", folder / CODE / "cosyvoice")
    shutil.copytree(matcha / "matcha", folder / CODE / MATCHA / "matcha")
    (folder / RECIPE).write_text(TINY, "utf-8")
    torch.manual_seed(0)
    parts = load_hyperpyyaml(TINY)
    small_random(parts["llm"])
    for name in ("llm", "flow", "hift"):
        torch.save(parts[name].state_dict(), folder / f"{name}.pt")
    torch.save({SPEAKER: {"embedding": torch.randn(1, VOICE)}}, folder / "spk2info.pt")
    networks(folder)


def networks(folder: Path) -> None:
    """The speaker's embedding from a filter bank, and speech tokens, 50 a second, from a mel spectrogram."""
    from onnx import TensorProto, checker, helper, numpy_helper, save  # type: ignore[import-not-found]

    matrix = np.random.default_rng(0).normal(size=(80, VOICE)).astype(np.float32)
    axes = numpy_helper.from_array(np.array([1]), "axes")
    graphs = {
        "campplus": helper.make_graph(
            [
                helper.make_node("Abs", ["input"], ["size"]),
                helper.make_node("ReduceMean", ["size", "axes"], ["mean"], keepdims=0),
                helper.make_node("MatMul", ["mean", "matrix"], ["output"]),
            ],
            "speaker",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, None, 80])],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, VOICE])],
            [numpy_helper.from_array(matrix, "matrix"), axes],
        ),
        "speech_tokenizer_v1": helper.make_graph(
            [
                helper.make_node("AveragePool", ["feats"], ["half"], kernel_shape=[2], strides=[2]),
                helper.make_node("ArgMax", ["half"], ["indices"], axis=1, keepdims=0),
            ],
            "tokens",
            [
                helper.make_tensor_value_info("feats", TensorProto.FLOAT, [1, SPEECH_TOKENS, None]),
                helper.make_tensor_value_info("feats_length", TensorProto.INT32, [1]),
            ],
            [helper.make_tensor_value_info("indices", TensorProto.INT64, [1, None])],
        ),
    }
    for name, graph in graphs.items():
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        checker.check_model(model)
        save(model, str(folder / f"{name}.onnx"))


def stand_in() -> list[str]:
    """Put in what the code imports, is not installed and speaking does not use; returns what was put in."""
    stood = []
    if importlib.util.find_spec("modelscope") is None:
        stood.append("modelscope (downloads)")
        sys.modules["modelscope"] = module("modelscope", snapshot_download=None)
    if importlib.util.find_spec("lightning") is None:
        stood.append("lightning (logging)")
        utilities = module("lightning.pytorch.utilities", rank_zero_only=lambda function: function)
        sys.modules |= {"lightning": module("lightning"), "lightning.pytorch": module("lightning.pytorch"),
                        "lightning.pytorch.utilities": utilities}  # fmt: skip
        matcha = importlib.import_module("matcha")
        # Its __init__ imports what starts trainings.
        utils = module("matcha.utils", __path__=[str(Path(path) / "utils") for path in matcha.__path__])
        sys.modules["matcha.utils"] = vars(matcha)["utils"] = utils
    try:
        import torchaudio  # type: ignore[import-not-found]  # noqa: F401
    except OSError:
        stood.append("torchaudio's binary part (files are read by soundfile)")
        found = importlib.util.find_spec("torchaudio")
        assert found is not None
        # Its filter bank is Python and is found through this path; its __init__ loads the binary and is left out.
        sys.modules["torchaudio"] = module(
            "torchaudio", load=load_audio, __path__=list(found.submodule_search_locations or ())
        )
    return stood


def module(name: str, **holds: Any) -> ModuleType:
    """An empty module."""
    made = ModuleType(name)
    vars(made).update({"__path__": [], **holds})
    made.__spec__ = importlib.util.spec_from_loader(name, None)
    return made


def load_audio(path: str, backend: str) -> tuple[torch.Tensor, int]:
    """What ``torchaudio.load`` returns: float32 [channels, n] and the rate."""
    import soundfile

    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return torch.from_numpy(sound.T.copy()), rate
