"""What the model is given: a fixed system prompt, then the recording and the instruction that names the target.

Needs a tokenizer and a Whisper feature extractor only; transformers' whole processor would ask for torchvision. The
markup is the chat template of the Qwen/Qwen2.5-Omni checkpoints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from studio.audio.clip import Clip
from studio.lalm.qwen_omni.parts import Parts

LISTENING_RATE = 16_000

SYSTEM = (
    "You are Qwen, a virtual human developed by the Qwen Team, Alibaba Group, capable of perceiving auditory and "
    "visual inputs, as well as generating text and speech."
)
"""The one system prompt the talker was trained with; emotion-agnostic."""


@dataclass(frozen=True, eq=False)
class Prompt:
    """Token ids int64 [T], and the recording as log-mel features float32 [mels, frames]."""

    ids: Tensor
    features: Tensor


class Prompter:
    """Writes prompts with the checkpoint's tokenizer and feature extractor."""

    def __init__(self, tokenizer: Any, extractor: Any, audio_token: int) -> None:
        self._tokenizer = tokenizer
        self._extractor = extractor
        self._audio_token = audio_token

    def prompt(self, clip: Clip, says: str) -> Prompt:
        """The prompt of a recording and what the user ``says`` about it."""
        sound = clip.at_rate(LISTENING_RATE).samples
        # "longest": the default pads every recording to 30,000 frames.
        heard = self._extractor(
            sound, sampling_rate=LISTENING_RATE, padding="longest", return_attention_mask=True, return_tensors="pt"
        )
        frames = int(heard["attention_mask"].sum())
        before = self._encode(f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n<|audio_bos|>")
        after = self._encode(f"<|audio_eos|>{says}<|im_end|>\n<|im_start|>assistant\n")
        ids = [*before, *[self._audio_token] * audio_tokens(frames), *after]
        return Prompt(torch.tensor(ids), heard["input_features"][0, :, :frames])

    def stops(self) -> frozenset[int]:
        """Ids that end what the model writes."""
        return frozenset(self._tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"]))

    def text(self, ids: Sequence[int]) -> str:
        """What ids say, special tokens left out."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True)).strip()

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def audio_tokens(frames: int) -> int:
    """How many positions of the prompt a recording of so many feature frames (100 a second) takes."""
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


@torch.inference_mode()
def embed(parts: Parts, prompt: Prompt) -> Tensor:
    """A prompt's embeddings [T, hidden], with the recording heard by the audio tower.

    Each recording is heard by itself, so that a batch changes nothing in it.
    """
    ids = prompt.ids.to(parts.device)
    features = prompt.features.to(parts.device, parts.dtype)
    frames = torch.tensor([features.shape[1]], device=parts.device)
    heard = parts.audio_tower(features, feature_lens=frames, aftercnn_lens=(frames - 1) // 2 + 1).last_hidden_state
    embedded = parts.embed_words(ids).clone()
    embedded[is_audio(parts, ids)] = heard.to(embedded.dtype)
    return embedded


def is_audio(parts: Parts, ids: Tensor) -> Tensor:
    """Which of ``ids`` stand for the recording, bool of their shape."""
    return ids == parts.config.thinker_config.audio_token_index
