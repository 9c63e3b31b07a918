"""A speech LALM and a judge small enough for tests: a real Qwen2 decoder with random weights that speaks in tones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import nn
from transformers import Qwen2Config, Qwen2Model
from transformers.cache_utils import DynamicCache

from studio.audio.clip import Clip
from studio.emotions import EMOTIONS
from studio.errors import Cancelled
from studio.esn.emosteer_hook import EmoSteer
from studio.esn.taps import GateTaps
from studio.lalm.base import LANGUAGE, AudioSink, Conversion, ConversionRequest, ModelInfo, Progress, never, no_progress

WIDTHS = (24, 24)
RATE = 16_000
STEPS = 8
TONE = 800
"""Samples per token: 50 ms."""

HERTZ = (200.0, 400.0, 600.0, 800.0, 1000.0)
"""One tone per emotion, which is all the judge listens to."""


class ToyModel:
    """Hears source frames, reads the target, says the words (now and then some more), sings ``STEPS`` tones."""

    def __init__(self, texts: Mapping[str, str], *, seed: int = 5, batches: bool = True, name: str = "toy") -> None:
        self.info = ModelInfo(
            name, "1", "digest", "Toy", {LANGUAGE: WIDTHS}, RATE, max_seconds=5.0, batches=batches,
            emosteer_sites={"read_out": 16},
        )  # fmt: skip
        self.texts = dict(texts)
        self.converted = 0
        config = Qwen2Config(
            vocab_size=8, hidden_size=16, intermediate_size=WIDTHS[0], num_hidden_layers=len(WIDTHS),
            num_attention_heads=2, num_key_value_heads=1,
        )  # fmt: skip
        draw = torch.Generator().manual_seed(seed)
        self.decoder = Qwen2Model(config).eval()
        for parameter in self.decoder.parameters():
            if parameter.dim() == 2:
                parameter.data = torch.randn(parameter.shape, generator=draw) * 0.35
        self.targets = torch.randn(len(EMOTIONS), 16, generator=draw)
        self.tokens = torch.randn(len(HERTZ), 16, generator=draw)
        self.ears = torch.randn(20, 16, generator=draw)
        self.head = torch.randn(16, len(HERTZ), generator=draw) * 0.4
        self.taps = GateTaps([layer.mlp.act_fn for layer in self.decoder.layers], WIDTHS).install()
        self.read_out = nn.Identity()
        self.emosteer = EmoSteer(self.read_out, 16).install()

    def close(self) -> None:
        self.taps.remove()
        self.emosteer.remove()

    @torch.inference_mode()
    def convert(
        self,
        requests: Sequence[ConversionRequest],
        *,
        module: str = LANGUAGE,
        record: bool = False,
        progress: Progress = no_progress,
        cancelled: Callable[[], bool] = never,
        on_audio: AudioSink | None = None,
    ) -> list[Conversion]:
        self.converted += len(requests)
        prompts = [
            torch.cat([self._hear(each.source), self.targets[EMOTIONS.index(each.target)][None]]) for each in requests
        ]
        longest = max(map(len, prompts))
        inputs = torch.stack([torch.cat([torch.zeros(longest - len(each), 16), each]) for each in prompts])
        valid = torch.tensor([[False] * (longest - len(each)) + [True] * len(each) for each in prompts])
        self.taps.begin([each.steering for each in requests], record=record)
        self.emosteer.begin([each.emosteer for each in requests])
        cache = DynamicCache()
        chosen = torch.zeros(len(requests), 0, dtype=torch.int64)
        lean = 1.2 * torch.eye(len(HERTZ))[[EMOTIONS.index(each.target) for each in requests]]
        seen = valid
        for step in range(STEPS):
            if cancelled():
                self.taps.abandon()
                raise Cancelled
            self.taps.positions(valid, generated=step > 0)
            hidden = self.decoder(
                inputs_embeds=inputs,
                attention_mask=seen.long(),
                position_ids=(seen.long().cumsum(1) - 1).clamp_min(0)[:, -inputs.shape[1] :],
                past_key_values=cache,
                use_cache=True,
            ).last_hidden_state[:, -1]
            token = (self.read_out(hidden) @ self.head + lean).argmax(1)
            chosen = torch.cat([chosen, token[:, None]], 1)
            inputs, valid = self.tokens[token][:, None], torch.ones(len(requests), 1, dtype=torch.bool)
            seen = torch.cat([seen, valid], 1)
            progress((step + 1) / STEPS)
        self.emosteer.end(STEPS)
        counts = self.taps.end(STEPS)
        return [
            Conversion(
                self._say(each),
                Clip(sing(tokens), RATE),
                tokens[:, None],
                statistics=None if counts is None else counts[row],
            )
            for row, (each, tokens) in enumerate(zip(requests, chosen.numpy(), strict=True))
        ]

    def _hear(self, clip: Clip) -> torch.Tensor:
        samples = clip.at_rate(RATE).samples
        frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, (0, 400)), 400)[::4000]
        loud = np.log(np.abs(np.fft.rfft(frames))[:, 2:22] + 1e-3)
        return torch.from_numpy(loud.astype(np.float32)) @ self.ears * 0.2

    def _say(self, request: ConversionRequest) -> str:
        text = self.texts[request.source.name]
        mark = hashlib.sha256(f"{request.source.name} {request.target}".encode()).digest()[0]
        return f"{text} whatever else" if mark % 5 == 0 else text


class ToyJudge:
    """Hears which of the five tones is there most."""

    name = "toy-judge"

    def judge(self, clip: Clip, reference: Clip | None = None) -> dict[str, float]:
        times = np.arange(len(clip.samples)) / clip.rate
        power = np.array([abs(np.mean(clip.samples * np.exp(-2j * np.pi * hertz * times))) ** 2 for hertz in HERTZ])
        share = (power + 1e-6) / (power + 1e-6).sum()
        return dict(zip(EMOTIONS, map(float, share), strict=True))


def sing(tokens: np.ndarray) -> np.ndarray:
    times = np.arange(TONE) / RATE
    return np.concatenate([0.5 * np.sin(2 * np.pi * HERTZ[token] * times) for token in tokens]).astype(np.float32)
