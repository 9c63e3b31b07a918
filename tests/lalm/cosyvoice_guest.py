"""A model with the module paths and methods of CosyVoice; the real classes are run by tests/models/check_cosyvoice.py.

As there, one sentence is written in a thread that prints its errors, and sound is made of what it left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from studio.lalm import wavefile

WIDTH, TOKENS, LIMIT = 12, 20, 9
SAMPLES_PER_TOKEN = 441
SPEAKERS = ("one", "two")


class Encoder(nn.Module):
    """Layers of MLPs without a gate; causal, since a state is only added to by those before it."""

    def __init__(self) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(
            nn.Sequential(nn.Linear(WIDTH, WIDTH, False), nn.ReLU(), nn.Linear(WIDTH, WIDTH, False)) for _ in range(2)
        )

    def forward(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        places = torch.arange(1, inputs.shape[1] + 1)
        recent = (0.6 ** (places[:, None] - places)).tril()
        turning = torch.sin(places[:, None] * torch.arange(1, WIDTH + 1) * 0.7)
        hidden = inputs.cumsum(1) / places.sqrt()[:, None] + recent @ inputs + 2 * turning
        for layer in self.encoders:
            hidden = nn.functional.layer_norm(hidden + 0.3 * layer(hidden), (WIDTH,))
        return hidden, torch.arange(inputs.shape[1]) < lengths[:, None]


class LanguageModel(nn.Module):
    """``TransformerLM``, without its own text encoder's layers and cache."""

    sos, task_id, eos_token = 0, 1, TOKENS

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.llm = Encoder()
        self.text_embedding = nn.Embedding(200, WIDTH)
        self.llm_embedding = nn.Embedding(2, WIDTH)
        self.speech_embedding = nn.Embedding(TOKENS, WIDTH)
        self.spk_embed_affine_layer = nn.Linear(4, WIDTH)
        self.llm_decoder = nn.Linear(WIDTH, TOKENS + 1)
        self.sampling: Callable[..., int] = lambda scores, decoded, sampling: int(scores.exp().multinomial(1))
        self.ends = False
        with torch.no_grad():
            for weight in self.parameters():
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.7)

    def encode(self, text: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        return text.tanh(), lengths

    @torch.inference_mode()
    def inference(self, text: Tensor, embedding: Tensor) -> Iterator[int]:
        voice = self.spk_embed_affine_layer(nn.functional.normalize(embedding, dim=1))
        encoded, _ = self.encode(self.text_embedding(text), torch.tensor([text.shape[1]]))
        start, turn = self.llm_embedding.weight[[0]], self.llm_embedding.weight[[1]]
        given = torch.cat([start, voice, encoded[0], turn])[None]
        written: list[int] = []
        for step in range(LIMIT):
            hidden, _ = self.llm(given, torch.tensor([given.shape[1]]))
            scores = self.llm_decoder(hidden[:, -1]).log_softmax(-1)[0]
            scores[TOKENS] = 9e9 if self.ends and step == LIMIT - 2 else -torch.inf
            token = self.sampling(scores, written, 25)
            if token == TOKENS:
                break
            written.append(token)
            yield token
            given = torch.cat([given, self.speech_embedding.weight[[token]][None]], 1)


class Model:
    """``CosyVoiceModel``."""

    def __init__(self) -> None:
        self.llm = LanguageModel()
        self.tts_speech_token_dict: dict[str, list[int]] = {}
        self.llm_end_dict: dict[str, bool] = {}
        self.mel_overlap_dict: dict[str, Any] = {}
        self.flow_cache_dict: dict[str, Any] = {}
        self.hift_cache_dict: dict[str, Any] = {}

    def llm_job(self, text: Tensor, prompt_text: Tensor, llm_embedding: Tensor, key: str) -> None:
        for token in self.llm.inference(torch.cat([prompt_text, text], 1), llm_embedding):
            self.tts_speech_token_dict[key].append(token)

    def token2wav(self, token: Tensor, embedding: Tensor) -> Tensor:
        tone = torch.sin(torch.cumsum(token.float().repeat_interleave(SAMPLES_PER_TOKEN, 1) * 0.02, 1))
        return 0.2 * tone * embedding.mean().sigmoid() + 0.01 * torch.randn(tone.shape)

    def tts(self, text: Tensor, prompt_text: Tensor, flow_embedding: Tensor, llm_embedding: Any = None) -> Any:
        self.tts_speech_token_dict["k"] = []
        voice = torch.zeros(0, 4) if llm_embedding is None else llm_embedding
        writer = threading.Thread(target=self.llm_job, args=(text, prompt_text, voice, "k"))
        writer.start()
        writer.join()
        yield {"tts_speech": self.token2wav(torch.tensor(self.tts_speech_token_dict["k"])[None], flow_embedding)}
        del self.tts_speech_token_dict["k"]


class Frontend:
    """``CosyVoiceFrontEnd``."""

    def __init__(self) -> None:
        self.spk2info = {name: {"embedding": torch.full((1, 4), 1.0 + at)} for at, name in enumerate(SPEAKERS)}

    def _extract_text_token(self, text: str) -> tuple[Tensor, Tensor]:
        tokens = torch.tensor([[ord(letter) % 200 for letter in text]], dtype=torch.int32)
        return tokens, torch.tensor([tokens.shape[1]])

    def _extract_spk_embedding(self, path: str) -> Tensor:
        return torch.from_numpy(np.abs(np.fft.rfft(wavefile.read(Path(path), 16_000)[:6]))[None].astype(np.float32))

    def _extract_speech_token(self, path: str) -> tuple[Tensor, Tensor]:
        samples = wavefile.read(Path(path), 16_000)
        assert len(samples) < 16_000, "too long"
        tokens = torch.from_numpy(np.abs(samples[::2000]) * 50).int()[None]
        return tokens, torch.tensor([tokens.shape[1]])

    def text_normalize(self, text: str, split: bool) -> list[str]:
        return [part for part in text.split("|") if part.strip(" .")]


class Cosy:
    """``cosyvoice.cli.cosyvoice.CosyVoice``."""

    sample_rate = 22_050

    def __init__(self) -> None:
        self.model = Model()
        self.frontend = Frontend()

    def list_available_spks(self) -> list[str]:
        return list(SPEAKERS)
