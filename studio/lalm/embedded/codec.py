"""The speech codec: coded spectra <-> eight codebook indices per 40 ms token (finite scalar quantisation,
Mentzer et al. 2023, arXiv 2309.15505).

Scalar rather than residual quantisation, because the heads are predicted in parallel: a wrong index moves one latent
dimension and spoils no other.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from studio.lalm.embedded.tokens import CODEBOOKS

DIMENSIONS = 2 * CODEBOOKS
LEVELS = 8
CODED = 25
FRAMES = 4
"""Coded frames (10 ms) per token."""

LOOKAHEAD = 4
"""Tokens after t that can change the decoded frames of token t."""


class ResidualConv(nn.Module):
    """Two convolutions beside an identity path, [B, C, T] -> [B, C, T]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GELU(), nn.Conv1d(channels, channels, 3, padding=1), nn.GELU(), nn.Conv1d(channels, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, T] -> [B, C, T]."""
        return x + self.layers(x)


class Codec(nn.Module):
    """Encoder over one token's frames, quantiser, convolutional decoder over neighbouring tokens."""

    mean: Tensor
    spread: Tensor

    def __init__(self, channels: int = 192) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(CODED))
        self.register_buffer("spread", torch.ones(CODED))
        self.encoder = nn.Sequential(
            nn.Linear(FRAMES * CODED, 384),
            nn.GELU(),
            nn.Linear(384, 256),
            nn.GELU(),
            nn.Linear(256, DIMENSIONS),
        )
        self.input = nn.Conv1d(DIMENSIONS, channels, 3, padding=1)
        self.tokens = nn.Sequential(ResidualConv(channels), ResidualConv(channels))
        self.upsample = nn.ConvTranspose1d(channels, channels, FRAMES, FRAMES)
        self.frames = nn.Sequential(
            ResidualConv(channels), ResidualConv(channels), nn.GELU(), nn.Conv1d(channels, CODED, 3, padding=1)
        )

    def latent(self, coded: Tensor) -> Tensor:
        """Bounded latents [B, T, 16] in half-integer units of the levels, from coded frames [B, 4T, 25]."""
        normal = (coded - self.mean) / self.spread
        return torch.tanh(self.encoder(normal.unflatten(1, (-1, FRAMES)).flatten(2))) * (LEVELS / 2)

    @staticmethod
    def quantise(latent: Tensor) -> Tensor:
        """Level of each latent, 0..7."""
        return torch.floor(latent + LEVELS / 2).clamp(0, LEVELS - 1).long()

    def encode(self, coded: Tensor) -> Tensor:
        """Codebook indices int64 [B, T, 8] of coded frames [B, 4T, 25]."""
        levels = self.quantise(self.latent(coded)).unflatten(-1, (CODEBOOKS, 2))
        return levels[..., 0] * LEVELS + levels[..., 1]

    def decode_levels(self, centres: Tensor) -> Tensor:
        """Coded frames [B, 4T, 25] from level centres [B, T, 16]."""
        x = self.tokens(self.input(centres.transpose(1, 2)))
        return self.frames(self.upsample(x)).transpose(1, 2) * self.spread + self.mean

    def decode(self, indices: Tensor) -> Tensor:
        """Coded frames float32 [B, 4T, 25] (24 mel-cepstra, aperiodicity in dB) of indices [B, T, 8]."""
        levels = torch.stack([indices // LEVELS, indices % LEVELS], -1).flatten(-2)
        return self.decode_levels(levels.to(self.mean.dtype) + 0.5 - LEVELS / 2)

    def forward(self, coded: Tensor) -> Tensor:
        """Reconstruction with a straight-through gradient, for training."""
        latent = self.latent(coded)
        centres = self.quantise(latent).to(latent.dtype) + 0.5 - LEVELS / 2
        return self.decode_levels(latent + (centres - latent).detach())


def load_codec(path: Path) -> Codec:
    """The codec of a training checkpoint."""
    codec = Codec()
    codec.load_state_dict(load_file(path))
    return codec.eval()
