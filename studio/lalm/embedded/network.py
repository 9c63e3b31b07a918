"""The embedded network: log-mel encoder -> Qwen2 decoder -> words, then speech tokens in parallel heads.

The decoder reads ``<source> frames <instruction> convert to EMOTION <text>`` and continues with words, ``<speech>`` and
speech tokens. What a speech position is fed is the source around the point the tokens have advanced to, so that the
alignment is monotonic by construction and generation ends when the source does. It is not fed the token before it: with
that, a take clings to its first token, whatever instruction and neurons say afterwards.

Sounds are read from the decoder's last state. Prosody is read from what the gated MLPs of all layers wrote, as a
departure from the source: what attention merely copied from the instruction has to pass a gate before it can be heard.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Qwen2Config, Qwen2Model
from transformers.cache_utils import Cache

from studio.lalm.embedded.features import CHANNELS
from studio.lalm.embedded.text import INDEX, SPEECH, VOCABULARY, instruction
from studio.lalm.embedded.tokens import HEAD_SIZES, ORDINAL_HEADS, SEMITONES, neutral_classes
from studio.lalm.kvcache import cache_argument

LETTERS = " 'abcdefghijklmnopqrstuvwxyz"
"""Characters of the encoder's auxiliary CTC head; class 0 is blank."""

EMOSTEER_SITE = "ordinal_mean"
"""The module before which learned vectors shift the hidden state: the projection that prosody is read through."""

INSTRUCTION_POSITION = 256
SPEECH_POSITION = 320
STRIDE = 4
"""Feature frames (10 ms) per encoder output."""

_MEAN_SCALE = 4.0
_PITCH = CHANNELS - 2
_PITCH_POINTS = (1, 3)
"""Feature frames from a token's start to its two pitch points, at the source's own rate."""

WINDOW = range(-4, 13)
"""Feature frames around the current source position that a speech position sees."""


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network."""

    hidden: int = 256
    intermediate: int = 768
    layers: int = 5
    heads: int = 4
    kv_heads: int = 2
    encoder: int = 192
    encoder_layers: int = 3

    def as_dict(self) -> dict[str, int]:
        """Plain numbers for a file's metadata."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Seen:
    """What speech positions [B, S] see of the source: ``embedding`` [..., hidden], ``own`` ordinal classes [..., 7]."""

    embedding: Tensor
    own: Tensor


@dataclass(frozen=True, eq=False)
class Decoded:
    """Decoder output: the last state and the sum of what all layers' gated MLPs wrote, both [B, S, hidden]."""

    state: Tensor
    written: Tensor


class AudioEncoder(nn.Module):
    """Features [B, T, 66] at 100 Hz -> [B, T / 4, hidden] at 25 Hz, and CTC logits over letters."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width = config.encoder
        self.stem = nn.ModuleList(
            [
                nn.Conv1d(CHANNELS, width, 3, padding=1),
                nn.Conv1d(width, width, 4, 2, 1),
                nn.Conv1d(width, width, 4, 2, 1),
            ]
        )
        self.position = nn.Conv1d(width, width, 15, padding=7, groups=16)
        self.layers = nn.ModuleList(
            [
                nn.TransformerEncoderLayer(width, 4, 3 * width, 0.0, "gelu", batch_first=True, norm_first=True)
                for _ in range(config.encoder_layers)
            ]
        )
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, config.hidden)
        self.ctc = nn.Linear(width, len(LETTERS) + 1)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """``features`` zero-padded, ``lengths`` [B] in encoder frames."""
        x = features.transpose(1, 2)
        for layer, per_frame in zip(self.stem, (4, 2, 1), strict=True):
            x = F.gelu(layer(x))
            x = x * _inside(x.shape[2], lengths * per_frame).unsqueeze(1)  # rows must not hear their padding
        x = (x + self.position(x)).transpose(1, 2)
        padding = ~_inside(x.shape[1], lengths)
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=padding)
        x = self.norm(x)
        return self.project(x), self.ctc(x)


class Network(nn.Module):
    """All trained parts of the embedded model but the codec."""

    window: Tensor
    neutral: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.hidden
        self.encoder = AudioEncoder(config)
        self.model = Qwen2Model(
            Qwen2Config(
                vocab_size=len(VOCABULARY),
                hidden_size=hidden,
                intermediate_size=config.intermediate,
                num_hidden_layers=config.layers,
                num_attention_heads=config.heads,
                num_key_value_heads=config.kv_heads,
                max_position_embeddings=1024,
            )
        )
        self._cache_argument = cache_argument(self.model)
        self.lm_head = nn.Linear(hidden, len(VOCABULARY), bias=False)
        categories = [size for head, size in enumerate(HEAD_SIZES) if head not in ORDINAL_HEADS]
        self.speech_head = nn.Linear(hidden, sum(categories))
        self.ordinal_mean = nn.Linear(hidden, len(ORDINAL_HEADS), bias=False)
        self.ordinal_precision = nn.Parameter(torch.zeros(len(ORDINAL_HEADS)))
        self.source_window = nn.Sequential(nn.Linear(len(WINDOW) * CHANNELS, 384), nn.GELU(), nn.Linear(384, hidden))
        self.source_context = nn.Linear(hidden, hidden, bias=False)
        for weight in (self.lm_head.weight, self.speech_head.weight):
            nn.init.normal_(weight, std=0.02)
        self.register_buffer("neutral", torch.tensor(neutral_classes(), dtype=torch.float32), persistent=False)
        self.register_buffer("window", torch.tensor(list(WINDOW)), persistent=False)

    def embed_words(self, ids: Tensor) -> Tensor:
        """Word embeddings [..., hidden] of token ids."""
        return self.model.embed_tokens(ids)

    def at_source(
        self, features: Tensor, encoded: Tensor, lengths: Tensor, position: Tensor, rows: Tensor | None = None
    ) -> Seen:
        """The source at ``position`` [B, S] in 5 ms frames.

        ``features`` [B, T, 66] and ``encoded`` [B, T / 4, hidden] are read by linear interpolation, clamped to each
        row's ``lengths`` [B] (in encoder frames). With ``rows`` int64 [R], ``position`` [R, S] is of these rows only.
        """
        if rows is not None:
            lengths = lengths[rows]
        frames = position.unsqueeze(-1) / 2 + self.window
        local = _interpolate(features, lengths * STRIDE, frames.flatten(1), rows).unflatten(1, frames.shape[1:])
        context = _interpolate(encoded, lengths, (position / 2 + 2) / STRIDE - 0.5, rows)
        own = self.neutral.repeat(*position.shape, 1)
        for place, frame in enumerate(_PITCH_POINTS, ORDINAL_HEADS.index(1)):
            own[..., place] += local[:, :, frame - WINDOW.start, _PITCH] * (12 / SEMITONES.step)
        return Seen(self.source_window(local.flatten(2)) + self.source_context(context), own)

    def prompt(self, encoded: Tensor, length: int, target: str) -> tuple[Tensor, Tensor]:
        """Embeddings [P, hidden] and positions [P] of one row's source and instruction; ``encoded`` [T / 4, hidden]."""
        device = encoded.device
        opening = self.embed_words(torch.tensor([INDEX["<source>"]], device=device))
        request = self.embed_words(torch.tensor(instruction(target), device=device))
        embeddings = torch.cat([opening.to(encoded.dtype), encoded[:length], request.to(encoded.dtype)])
        positions = torch.cat(
            [
                torch.arange(length + 1, device=device),
                INSTRUCTION_POSITION + torch.arange(len(request), device=device),
            ]
        )
        return embeddings, positions

    def speech_start(self) -> Tensor:
        """Embedding [hidden] of ``<speech>``, the input from which the first speech token is predicted."""
        return self.embed_words(torch.tensor(SPEECH, device=self.window.device))

    def decode(self, embeddings: Tensor, places: Tensor, mask: Tensor | None, cache: Cache | None = None) -> Decoded:
        """Run the decoder over ``embeddings`` [B, S, hidden] at positions ``places`` [B, S].

        Without a ``mask`` [B, S so far] jumps in the positions would be taken for borders between unrelated sequences,
        unless there is a cache.
        """
        written: list[Tensor] = []
        hooks = [mlp.register_forward_hook(lambda _, __, out: written.append(out)) for mlp in self.mlps()]
        try:
            state = self.model(
                inputs_embeds=embeddings,
                position_ids=places,
                attention_mask=mask,
                use_cache=cache is not None,
                **{self._cache_argument: cache},
            ).last_hidden_state
        finally:
            for hook in hooks:
                hook.remove()
        return Decoded(state, torch.stack(written).sum(0))

    def ordinal_means(self, written: Tensor, own: Tensor) -> Tensor:
        """Means [..., 7] of the ordinal heads, in classes: the source's ``own`` plus what the gates add up to.

        What a neuron contributes moves the class by that much.
        """
        return own + self.ordinal_mean(written) * _MEAN_SCALE

    def precision(self) -> Tensor:
        """Of each ordinal head: a class that is x away from the mean has the logit -precision * x * x."""
        return F.softplus(self.ordinal_precision)

    def speech_logits(self, decoded: Decoded, own: Tensor) -> Tensor:
        """Logits of all heads [..., sum of sizes]; ordinal heads are discretised Gaussians around their means."""
        categories = self.speech_head(decoded.state)
        mean, precision = self.ordinal_means(decoded.written, own), self.precision()
        parts, at = [], 0
        for head, size in enumerate(HEAD_SIZES):
            if head in ORDINAL_HEADS:
                index = ORDINAL_HEADS.index(head)
                steps = torch.arange(size, device=mean.device) - mean[..., index : index + 1]
                parts.append(-precision[index] * steps.square())
            else:
                parts.append(categories[..., at : at + size])
                at += size
        return torch.cat(parts, -1)

    def prosody_reach(self) -> list[Tensor]:
        """How far each neuron moves the ordinal heads, in classes per unit it writes: [intermediate] per layer."""
        columns = [self.ordinal_mean.weight @ mlp.get_parameter("down_proj.weight") for mlp in self.mlps()]
        return [torch.linalg.vector_norm(column, dim=0) * _MEAN_SCALE for column in columns]

    def mlps(self) -> list[nn.Module]:
        """The gated MLP of every decoder layer."""
        return [layer.get_submodule("mlp") for layer in self.model.layers]

    def gates(self) -> list[nn.Module]:
        """The activation module of every gated MLP."""
        return [mlp.get_submodule("act_fn") for mlp in self.mlps()]


def encoder_lengths(frames: int) -> int:
    """Encoder frames (25 Hz) of a source of ``frames`` feature frames (100 Hz)."""
    return max(1, frames // STRIDE)


def _inside(size: int, lengths: Tensor) -> Tensor:
    return torch.arange(size, device=lengths.device)[None] < lengths[:, None]


def _interpolate(values: Tensor, lengths: Tensor, at: Tensor, rows: Tensor | None) -> Tensor:
    """Linear interpolation of [B, T, C] at fractional indices [B, S], clamped to the first ``lengths`` [B].

    Only of some ``rows`` where they are given; ``lengths`` and ``at`` are theirs.
    """
    last = (lengths - 1).unsqueeze(1)
    at = torch.minimum(at.clamp(min=0), last)
    low = at.floor().long()
    high = torch.minimum(low + 1, last)
    weight = (at - low).unsqueeze(-1).to(values.dtype)
    first, second = _frames_at(values, low, rows), _frames_at(values, high, rows)
    return first + (second - first) * weight


def _frames_at(values: Tensor, at: Tensor, rows: Tensor | None) -> Tensor:
    if rows is not None:  # without copying the others first
        return values[rows.unsqueeze(1), at]
    return values.gather(1, at.unsqueeze(-1).expand(-1, -1, values.shape[2]))
