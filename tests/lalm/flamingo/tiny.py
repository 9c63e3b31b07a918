"""Audio Flamingo 3 of transformers' own class at tiny size with random weights, its processor and recordings."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AudioFlamingo3Config,
    AudioFlamingo3ForConditionalGeneration,
    AudioFlamingo3Processor,
    PreTrainedTokenizerFast,
    WhisperFeatureExtractor,
)

from studio.audio.clip import Clip

LAYERS, WIDTH = 3, 64
MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<sound>")
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}{% if part['type'] == 'audio' %}<sound>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def processor() -> AudioFlamingo3Processor:
    """Bytes, the marks of the chat, and the checkpoint's kind of feature extractor."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    built = Tokenizer(models.BPE(vocab={letter: place for place, letter in enumerate(letters)}, merges=[]))
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    built.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=built, eos_token="<|im_end|>", pad_token="<|endoftext|>", clean_up_tokenization_spaces=False
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(MARKS)})
    extractor = WhisperFeatureExtractor(feature_size=128, sampling_rate=16_000, hop_length=160, n_fft=400)
    return AudioFlamingo3Processor(extractor, tokenizer, chat_template=TEMPLATE)


def model(processor: Any, seed: int = 0) -> AudioFlamingo3ForConditionalGeneration:
    torch.manual_seed(seed)
    config = AudioFlamingo3Config(
        audio_config={
            "model_type": "audioflamingo3_encoder", "num_mel_bins": 128, "encoder_layers": 1,
            "encoder_attention_heads": 2, "encoder_ffn_dim": 32, "d_model": 32, "max_source_positions": 1500,
        },
        text_config={
            "model_type": "qwen2", "vocab_size": 300, "hidden_size": 32, "intermediate_size": WIDTH,
            "num_hidden_layers": LAYERS, "num_attention_heads": 4, "num_key_value_heads": 2,
            "max_position_embeddings": 2048, "initializer_range": 0.3,
        },
        audio_token_id=processor.audio_token_id,
    )  # fmt: skip
    return AudioFlamingo3ForConditionalGeneration(config).eval()


def clip(hertz: float, seconds: float = 0.8, name: str = "tone") -> Clip:
    """A buzz with overtones."""
    time = np.arange(round(16_000 * seconds)) / 16_000
    wave = np.sum([np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 9)], axis=0)
    return Clip((0.2 * wave).astype(np.float32), 16_000, name)
