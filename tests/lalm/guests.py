"""Models with the module paths and public methods of MiniCPM-o and Kimi-Audio, made of transformers' own MLPs.

Their loops answer with tokens that depend on every gate; the real classes are run by tests/models/check_*.py.
"""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, Qwen2Config, Qwen3Config
from transformers.models.llama.modeling_llama import LlamaMLP
from transformers.models.qwen2.modeling_qwen2 import Qwen2MLP
from transformers.models.qwen3.modeling_qwen3 import Qwen3MLP

HIDDEN, WIDE, VOCABULARY = 16, 24, 50
PROMPT, WORDS, SOUNDS = 5, 6, 8
SAMPLES_PER_TOKEN = 240
DELAY = 2
"""Passes of Kimi-Audio before its first speech token."""

CHUNK = 3
"""Of its speech tokens, made into sound at once."""

FIRST_SOUND = 1000
"""The least id of its speech tokens."""


class Layer(nn.Module):
    """A decoder's layer without its attention."""

    def __init__(self, mlp: nn.Module) -> None:
        super().__init__()
        self.mlp = mlp

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.mlp(hidden)


def random(module: nn.Module, seed: int) -> None:
    """Weights that do not depend on what was drawn before."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.4)
    module.requires_grad_(False)


class Decoder(nn.Module):
    """Layers and a head: inputs_embeds [1, T, hidden] to the last position's hidden state [1, hidden].

    What is embedded after the prompt is the state before; the ids are there to be seen.
    """

    def __init__(self, mlp: type[nn.Module], config: Any, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(mlp(config)) for _ in range(layers))

    def forward(self, inputs_embeds: Tensor, input_ids: Tensor | None = None) -> Tensor:
        for layer in self.layers:
            inputs_embeds = layer(inputs_embeds)
        return nn.functional.layer_norm(inputs_embeds[:, -1], (HIDDEN,))


def settings(kind: Any) -> Any:
    """Sizes for a transformers configuration."""
    return kind(hidden_size=HIDDEN, intermediate_size=WIDE, num_attention_heads=2, num_key_value_heads=2)


class Speaker(nn.Module):
    """MiniCPM-o's ``tts``."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Decoder(LlamaMLP, settings(LlamaConfig), 2)

    def generate(self, inputs_embeds: Tensor) -> Any:
        """Sampled tokens, [1, T, 1]."""
        tokens = []
        for _ in range(SOUNDS):
            hidden = self.model(inputs_embeds=inputs_embeds)
            tokens.append(int(torch.multinomial(torch.softmax(hidden, -1), 1)))
            inputs_embeds = hidden[:, None]
        return SimpleNamespace(new_ids=torch.tensor(tokens)[None, :, None])


class MiniCpmO(nn.Module):
    """``chat`` as the checkpoint's: text is returned, speech written, errors while speaking only printed."""

    def __init__(self) -> None:
        super().__init__()
        self.llm: Any = nn.Module()
        self.llm.model = Decoder(Qwen3MLP, settings(Qwen3Config), 3)
        self.tts: Any = Speaker()
        random(self, 0)
        self.config = settings(Qwen3Config)
        self.device = torch.device("cpu")
        self.asked: dict[str, Any] = {}
        self.broken: Exception | None = None
        self.silent = False
        self.rate = 24_000
        self.processor = SimpleNamespace(tokenizer=SimpleNamespace(decode=_said))

    def chat(self, msgs: Any, output_audio_path: str, **asked: Any) -> str:
        """The answer; see the class."""
        self.asked = asked | {"msgs": msgs}
        heard = torch.from_numpy(msgs[1]["content"][0])
        inputs = heard[: PROMPT * HIDDEN].reshape(1, PROMPT, HIDDEN) * 4
        words: list[int] = []
        for _ in range(WORDS):
            hidden = self.llm.model(inputs_embeds=inputs, input_ids=torch.tensor([words[-1:]]) if words else None)
            words.append(
                int(torch.multinomial(torch.softmax(hidden, -1), 1) if asked["do_sample"] else hidden.argmax())
            )
            inputs = hidden[:, None]
        try:
            sound = self._generate_speech_non_streaming(hidden)
            if not self.silent:
                with wave.open(output_audio_path, "wb") as file:
                    file.setparams((1, 2, self.rate, 0, "NONE", ""))
                    file.writeframes((sound.numpy() * 30_000).astype("<i2").tobytes())
        except:  # noqa: E722 - so does the checkpoint's
            pass
        return _said(words)

    def _generate_speech_non_streaming(self, hidden: Tensor) -> Tensor:
        tokens = self.tts.generate(hidden[:, None]).new_ids
        if self.broken is not None:
            raise self.broken
        level = tokens.reshape(-1).float().repeat_interleave(SAMPLES_PER_TOKEN) / HIDDEN
        return level * 0.5 + torch.rand(len(level)) * 0.1


def _said(ids: Sequence[int], **_: Any) -> str:
    return " ".join(map(str, ids))


class KimiDecoder(nn.Module):
    """28 layers in the real one; the branch leaves after ``fork``."""

    def __init__(self, layers: int, fork: int, branch: int) -> None:
        super().__init__()
        self.fork = fork
        self.layers = nn.ModuleList(Layer(Qwen2MLP(settings(Qwen2Config))) for _ in range(layers))
        self.mimo_layers = nn.ModuleList(Layer(Qwen2MLP(settings(Qwen2Config))) for _ in range(branch))
        self.norm = nn.LayerNorm(HIDDEN)

    def forward(self, input_ids: Tensor, embedded: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states of text and audio, each [1, hidden]."""
        text = audio = embedded
        for index, layer in enumerate(self.layers):
            text = layer(text)
            if index == self.fork:
                audio = text
        for layer in self.mimo_layers:
            audio = layer(audio)
        return self.norm(text)[:, -1], self.norm(audio)[:, -1]


class Detokenizer:
    """Of Kimi-Audio."""

    def detokenize_streaming(self, tokens: Tensor) -> Tensor:
        """A chunk of speech tokens [1, T] to sound [1, samples]."""
        level = tokens.float().repeat_interleave(SAMPLES_PER_TOKEN, dim=1) / HIDDEN
        return level * 0.5 + torch.rand(level.shape) * 0.1


class Kimi:
    """``generate`` as kimia_infer's: a path in, (sound, text) out, no file. In pass ``slip`` it writes no speech."""

    def __init__(self, delay: int = DELAY, slip: int | None = None) -> None:
        self.kimia_token_offset = FIRST_SOUND
        self.kimia_text_audiodelaytokens = delay
        self.slip = slip
        self.alm: Any = nn.Module()
        self.alm.model = KimiDecoder(layers=5, fork=2, branch=2)
        random(self.alm, 1)
        config = settings(Qwen2Config)
        config.kimia_mimo_transformer_from_layer_index = 2
        self.alm.config = config
        self.asked: dict[str, Any] = {}
        self.mute = False
        self.detokenizer = Detokenizer()

    def generate(self, chats: Any, output_type: str, **asked: Any) -> tuple[Tensor, str]:
        """The answer; see the class."""
        self.asked = asked | {"chats": chats, "output_type": output_type}
        with wave.open(str(Path(chats[1]["content"])), "rb") as file:
            assert file.getframerate() == 16_000
            heard = np.frombuffer(file.readframes(PROMPT * HIDDEN), "<i2").astype(np.float32) / 8_000
        embedded, words, sounds = torch.from_numpy(heard).reshape(1, PROMPT, HIDDEN), [], []
        ids = torch.full((1, PROMPT), FIRST_SOUND)
        for step in range(WORDS):
            text, audio = self.alm.model(input_ids=ids, embedded=embedded)
            words.append(int(text.argmax()))
            ids = torch.zeros((1, 1), dtype=torch.int64)
            if step >= self.kimia_text_audiodelaytokens and step != self.slip:
                sounds.append(int(audio.argmax()))
                ids += FIRST_SOUND + sounds[-1]
            embedded = (audio + words[-1] / HIDDEN)[:, None]
        return self.detokenize_audio(torch.tensor([sounds[: 0 if self.mute else None]])), " ".join(map(str, words))

    def detokenize_audio(self, tokens: Tensor) -> Tensor:
        """Speech tokens [1, T] to sound [1, samples]."""
        chunks = tokens.split(CHUNK, 1) if tokens.numel() else ()
        return torch.cat([self.detokenizer.detokenize_streaming(chunk) for chunk in chunks], 1)
