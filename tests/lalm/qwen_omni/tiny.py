"""A Qwen2.5-Omni of transformers' own classes at tiny size with random weights, its tokenizer and its recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5OmniConfig,
    Qwen2_5OmniForConditionalGeneration,
    WhisperFeatureExtractor,
)

from studio.audio.clip import Clip
from studio.esn.emosteer import EmoVectors
from studio.esn.mask import EsnMask
from studio.lalm.qwen_omni.lalm import QwenOmniLALM
from studio.lalm.qwen_omni.loading import _transformers
from studio.lalm.qwen_omni.parts import take_apart
from studio.lalm.qwen_omni.prompt import Prompter
from studio.lalm.steerable import QWEN_TALKER_INPUT

MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>")
VOCABULARY = 400
TEXT = {mark: 256 + place for place, mark in enumerate(MARKS)}
LAYERS, WIDTH = 3, 128
HIDDEN = 64
TALKER_LAYERS = 2


def tokenizer() -> PreTrainedTokenizerFast:
    """Bytes, and the marks of Qwen's chat."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    built = Tokenizer(models.BPE(vocab={letter: place for place, letter in enumerate(letters)}, merges=[]))
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    built.decoder = decoders.ByteLevel()
    built.add_special_tokens(list(MARKS))
    return PreTrainedTokenizerFast(
        tokenizer_object=built, eos_token="<|im_end|>", pad_token="<|endoftext|>", clean_up_tokenization_spaces=False
    )


def extractor() -> WhisperFeatureExtractor:
    return WhisperFeatureExtractor(feature_size=128, sampling_rate=16_000, hop_length=160, n_fft=400, chunk_length=300)


def config() -> Qwen2_5OmniConfig:
    section = {"rope_type": "default", "mrope_section": [2, 3, 3]}
    rope: dict[str, Any]
    if _transformers() >= (5, 0):
        rope = {"rope_parameters": {**section, "rope_theta": 1e6}}
    else:
        rope = {"rope_scaling": {**section, "type": "default"}, "rope_theta": 1e6}
    size: dict[str, Any] = {
        "hidden_size": HIDDEN, "intermediate_size": WIDTH, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": 2048, **rope,
    }  # fmt: skip
    ids = {
        "audio_token_index": TEXT["<|AUDIO|>"], "image_token_index": 311, "video_token_index": 312,
        "audio_start_token_id": TEXT["<|audio_bos|>"], "audio_end_token_id": TEXT["<|audio_eos|>"],
        "vision_start_token_id": 316, "vision_end_token_id": 317,
    }  # fmt: skip
    thinker = {
        "text_config": {
            "vocab_size": VOCABULARY, "num_hidden_layers": LAYERS, "hidden_act": "silu", "tie_word_embeddings": False,
            "bos_token_id": 300, "eos_token_id": TEXT["<|im_end|>"], "pad_token_id": TEXT["<|endoftext|>"], **size,
        },
        "audio_config": {
            "num_mel_bins": 128, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 64,
            "d_model": 32, "max_source_positions": 1500, "n_window": 100, "output_dim": 64,
        },
        "vision_config": {
            "depth": 1, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 64,
            "fullatt_block_indexes": [0],
        },
        "user_token_id": 315, **ids,
    }  # fmt: skip
    talker = {
        "vocab_size": 120, "embedding_size": HIDDEN, "num_hidden_layers": TALKER_LAYERS, "head_dim": 16,
        "tts_text_start_token_id": 320, "tts_text_end_token_id": 321, "tts_text_pad_token_id": 322,
        "tts_codec_start_token_id": 101, "tts_codec_end_token_id": 102, "tts_codec_pad_token_id": 100,
        "tts_codec_mask_token_id": 103, **size, **ids,
    }  # fmt: skip
    token2wav = {
        "dit_config": {
            "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "head_dim": 16, "ff_mult": 2,
            "emb_dim": 16, "look_ahead_layers": [0], "look_backward_layers": [0], "repeats": 2, "num_embeds": 120,
            "mel_dim": 80, "enc_emb_dim": 16, "enc_dim": 16, "enc_channels": [16, 16, 16, 16, 48],
            "enc_attention_channels": 8, "enc_res2net_scale": 2, "enc_se_channels": 8,
        },
        "bigvgan_config": {
            "mel_dim": 80, "upsample_initial_channel": 64, "resblock_kernel_sizes": [3],
            "resblock_dilation_sizes": [[1, 3, 5]],
        },
    }  # fmt: skip
    return Qwen2_5OmniConfig(
        thinker_config=thinker, talker_config=talker, token2wav_config=token2wav, enable_audio_output=True
    )


def voices(seed: int = 5) -> dict[str, Any]:
    """What ``spk_dict.pt`` holds."""
    draws = torch.Generator().manual_seed(seed)
    return {
        name: {
            "bos_token": 323 + place,
            "cond": torch.randn(1, 16, generator=draws),
            "ref_mel": torch.randn(1, 60, 80, generator=draws),
        }
        for place, name in enumerate(("Ethan", "Chelsie"))
    }


def whole_model() -> Any:
    """The class itself, as transformers builds it. Weights are large enough for what is said to hang on all of it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Qwen2_5OmniForConditionalGeneration(config()).eval()
        with torch.no_grad():
            for stack in (model.thinker, model.talker):
                for weight in stack.parameters():
                    if weight.dim() == 2:
                        weight.copy_(torch.randn(weight.shape) / weight.shape[1] ** 0.5 * 1.5)
            # It writes bytes only: transformers would count positions anew after marks of pictures and recordings.
            model.thinker.lm_head.weight[256:] = 0
            model.talker.codec_head.weight[[100, 102]] = 0  # and speaks until it is stopped
    model.speaker_map = voices()
    return model


def lalm(model: Any, **options: Any) -> QwenOmniLALM:
    """The adapter around a model."""
    prompter = Prompter(tokenizer(), extractor(), TEXT["<|AUDIO|>"])
    about: dict[str, Any] = {"model_id": "tiny", "revision": "0", "title": "Tiny Omni"}
    return QwenOmniLALM(take_apart(model), prompter, **about, **options)


def save(model: Any, folder: Path) -> None:
    """A checkpoint folder as the hub's are."""
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    extractor().save_pretrained(folder)
    torch.save(model.speaker_map, folder / "spk_dict.pt")


def recording(seconds: float, seed: int = 1) -> Clip:
    """Something to hear: noise whose colour and loudness wander."""
    draws = np.random.default_rng(seed)
    size = int(16_000 * seconds)
    envelope = 0.1 + 0.2 * np.abs(np.sin(np.arange(size) / 3_000 + seed))
    return Clip((envelope * draws.standard_normal(size)).clip(-1, 1).astype(np.float32), 16_000, f"take {seed}")


def everywhere(module: str = "language", share: float = 0.5) -> EsnMask:
    """A mask with the first neurons of every layer of a module, for angry and sad."""
    layers = LAYERS if module == "language" else TALKER_LAYERS
    pairs = np.array([(layer, n) for layer in range(layers) for n in range(int(share * WIDTH))], np.int32)
    scores = np.ones(len(pairs), np.float32)
    metadata = {"model_id": "tiny", "module": module}
    return EsnMask((WIDTH,) * layers, {"angry": pairs, "sad": pairs}, {"angry": scores, "sad": scores}, metadata)


def vectors(dim: int = HIDDEN, model_id: str = "tiny") -> EmoVectors:
    """Vectors drawn at random, large enough to be heard, for angry and happy."""
    draws = np.random.default_rng(7)
    weights = {emotion: draws.normal(0, 100, (dim, dim)).astype(np.float32) for emotion in ("angry", "happy")}
    return EmoVectors(dim, QWEN_TALKER_INPUT, weights, metadata={"model_id": model_id})
