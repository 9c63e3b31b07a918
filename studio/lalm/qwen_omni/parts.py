"""Where the parts of a Qwen2.5-Omni sit; transformers 5 nests the thinker's one level deeper than 4.52 to 4.57 do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Speaker = dict[str, Any]
"""``bos_token`` id, ``cond`` [1, speaker], ``ref_mel`` [1, frames, mel]: a voice, as ``spk_dict.pt`` holds it."""


@dataclass(frozen=True, eq=False)
class Parts:
    """A loaded model, taken apart. ``talker`` is transformers' whole talker.

    ``talker.thinker_to_talker_proj`` takes what reaches the talker ([batch, tokens, thinker's hidden size]): the place
    to attach a layer to the talker's input. ``thinker`` and ``speech`` are the two stacks of decoder layers.
    """

    config: Any
    audio_tower: nn.Module
    thinker: nn.Module
    words_head: nn.Module
    talker: Any
    speech: nn.Module
    codec_head: nn.Module
    token2wav: Any
    speakers: dict[str, Speaker]

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self.speech.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """What thinker and talker compute in."""
        return next(self.speech.parameters()).dtype

    def embed_words(self, ids: Tensor) -> Tensor:
        """Embeddings [..., hidden] of the thinker's token ids [...]."""
        return self.thinker.get_submodule("embed_tokens")(ids)

    def embed_codes(self, ids: Tensor) -> Tensor:
        """Embeddings [..., hidden] of the talker's codec ids [...]."""
        return self.speech.get_submodule("embed_tokens")(ids)


def take_apart(model: Any) -> Parts:
    """The parts of a ``Qwen2_5OmniForConditionalGeneration`` that has its talker."""
    core = model.thinker.model
    nested = hasattr(core, "language_model")
    return Parts(
        config=model.config,
        audio_tower=core.audio_tower if nested else model.thinker.audio_tower,
        thinker=core.language_model if nested else core,
        words_head=model.thinker.lm_head,
        talker=model.talker,
        speech=model.talker.model,
        codec_head=model.talker.codec_head,
        token2wav=model.token2wav,
        speakers=dict(model.speaker_map),
    )


def remove_vision(model: Any) -> None:
    """Take the vision tower out of a model that only listens."""
    holder = model.thinker.model if hasattr(model.thinker.model, "visual") else model.thinker
    if hasattr(holder, "visual"):
        del holder.visual


def gates(stack: nn.Module) -> list[nn.Module]:
    """The gate of each decoder layer, ``mlp.act_fn``, whose output is g [batch, tokens, width]."""
    return [layer.get_submodule("mlp.act_fn") for layer in stack.get_submodule("layers").children()]


def widths(stack: nn.Module) -> tuple[int, ...]:
    """The number of neurons of each gate, from the config, as quantised weights have other shapes."""
    config: Any = stack.config
    return (int(config.intermediate_size),) * int(config.num_hidden_layers)
