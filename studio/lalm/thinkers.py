"""Thinkers of Qwen2.5-Omni and Qwen3-Omni as listeners: a question with five options, answered by letter logits.

Text only, nothing is decoded, steered or counted (Qwen3-Omni's experts share one activation, so it has no gates of its
neurons). The markup is that of the checkpoints' chat templates; their whole processors would ask for torchvision.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from studio.audio.clip import Clip
from studio.errors import StudioError
from studio.judges.choice import QUESTION
from studio.lalm import weights
from studio.lalm.reading import PROBLEMS, read, unreadable
from studio.lalm.recognition import letter_ids, option_probabilities

QWEN2 = "Qwen/Qwen2.5-Omni-7B"
QWEN3 = "Qwen/Qwen3-Omni-30B-A3B-Instruct"
RATE = 16_000
MAX_SECONDS = 30.0

_SHORTEST_SECONDS = 0.1


class Thinker:
    """``model``: a thinker of either kind; ``positions``: how many of the prompt so many feature frames take.

    ``marks``: what stands before and after a recording in a prompt.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        extractor: Any,
        *,
        name: str,
        audio_token: int,
        positions: Callable[[int], int],
        marks: tuple[str, str],
    ) -> None:
        self.name = name.rpartition("/")[2].lower()
        self._model = model.eval()
        self._tokenizer = tokenizer
        self._extractor = extractor
        self._audio_token = audio_token
        self._positions = positions
        self._letters = letter_ids(tokenizer)
        self._before = self._encode(f"<|im_start|>user\n{marks[0]}")
        self._after = self._encode(f"{marks[1]}{QUESTION}<|im_end|>\n<|im_start|>assistant\n")

    def options(self, clip: Clip) -> dict[str, float]:
        """Probabilities of the five emotions, summing to 1.

        Raises StudioError for a clip shorter than 0.1 or longer than 30 s.
        """
        if not _SHORTEST_SECONDS <= clip.seconds <= MAX_SECONDS:
            raise StudioError(
                f"'{clip.name or 'The clip'}' is {clip.seconds:.2f} s long; {self.name} listens to "
                f"{_SHORTEST_SECONDS:g} to {MAX_SECONDS:.0f} s."
            )
        heard = self._extractor(
            clip.at_rate(RATE).samples,
            sampling_rate=RATE,
            padding="longest",
            return_attention_mask=True,
            return_tensors="pt",
        )
        first = next(self._model.parameters())
        frames = int(heard["attention_mask"].sum())
        ids = torch.tensor([[*self._before, *[self._audio_token] * self._positions(frames), *self._after]])
        with torch.inference_mode():
            logits = self._model(
                input_ids=ids.to(first.device),
                attention_mask=torch.ones_like(ids).to(first.device),
                input_features=heard["input_features"].to(first.device, first.dtype),
                feature_attention_mask=heard["attention_mask"].to(first.device),
                use_cache=False,
            ).logits
        return option_probabilities(logits[:, -1], self._letters)[0]

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def qwen2_thinker(model: Any, tokenizer: Any, extractor: Any, name: str = QWEN2) -> Thinker:
    """A Qwen2_5OmniThinkerForConditionalGeneration as a listener."""
    from studio.lalm.qwen_omni.prompt import audio_tokens

    return Thinker(
        model, tokenizer, extractor, name=name, audio_token=model.config.audio_token_index, positions=audio_tokens,
        marks=("<|audio_bos|>", "<|audio_eos|>"),
    )  # fmt: skip


def qwen3_thinker(model: Any, tokenizer: Any, extractor: Any, name: str = QWEN3) -> Thinker:
    """A Qwen3OmniMoeThinkerForConditionalGeneration as a listener."""
    return Thinker(
        model, tokenizer, extractor, name=name, audio_token=model.config.audio_token_id, positions=qwen3_positions,
        marks=("<|audio_start|>", "<|audio_end|>"),
    )  # fmt: skip


def qwen3_positions(frames: int) -> int:
    """Positions that so many feature frames (100 a second) take in Qwen3-Omni: 13 a full second, and the rest."""
    full, rest = divmod(frames, 100)
    for _ in range(3):  # three convolutions of stride 2
        rest = (rest + 1) // 2
    return rest + 13 * full


def load_qwen2(source: str | Path, device: torch.device | str | None = None) -> Thinker:
    """Load the thinker of a Qwen2.5-Omni; raises StudioError when it cannot be read or does not fit the device."""
    from transformers import Qwen2_5OmniThinkerForConditionalGeneration

    return qwen2_thinker(*_read(Qwen2_5OmniThinkerForConditionalGeneration, source, device), _name(source))


def load_qwen3(source: str | Path, device: torch.device | str | None = None) -> Thinker:
    """Load the thinker of a Qwen3-Omni, about 60 GB in bf16; raises as ``load_qwen2`` does."""
    from transformers import Qwen3OmniMoeThinkerForConditionalGeneration

    return qwen3_thinker(*_read(Qwen3OmniMoeThinkerForConditionalGeneration, source, device), _name(source))


def _name(source: str | Path) -> str:
    """What a checkpoint is called: a snapshot in the hub's cache by its repository, not by its commit."""
    known = weights.repository(Path(source))
    return str(source) if known is None else known[0]


def _read(kind: Any, source: str | Path, device: torch.device | str | None) -> tuple[Any, Any, Any]:
    from transformers import AutoTokenizer, WhisperFeatureExtractor

    where = str(source)
    at: dict[str, Any] = {"local_files_only": Path(where).is_dir()}
    try:
        tokenizer = AutoTokenizer.from_pretrained(where, **at)
        extractor = WhisperFeatureExtractor.from_pretrained(where, **at)
    except PROBLEMS as error:
        raise unreadable("The judge", where, error) from error
    return read(kind, where, "The judge", device, **at), tokenizer, extractor
