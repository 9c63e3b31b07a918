"""Audio Flamingo 3 in process: it recognises emotions, and its language model's gates can be recorded and steered.

Recognition is one forward pass: the recording, the question with five options, and the logits of the option letters at
the position where the answer begins. Every position of that pass is counted and steered; padding is not counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from studio.errors import Cancelled, StudioError
from studio.esn.taps import GateTaps
from studio.judges.choice import QUESTION
from studio.lalm import weights
from studio.lalm.base import LANGUAGE, ModelInfo, never
from studio.lalm.reading import PROBLEMS, read, unreadable
from studio.lalm.recognition import Recognition, RecognitionRequest, letter_ids, option_probabilities

HUB = "nvidia/audio-flamingo-3-hf"
RATE = 16_000
MAX_SECONDS = 600.0
"""What the processor cuts recordings to."""

_SHORTEST_SECONDS = 0.1


class FlamingoRecogniser:
    """``model``: an AudioFlamingo3ForConditionalGeneration; ``processor``: its AudioFlamingo3Processor."""

    def __init__(self, model: Any, processor: Any, *, model_id: str = HUB, revision: str = "") -> None:
        self._model: Any = model.eval()
        self._processor = processor
        self._letters = letter_ids(processor.tokenizer)
        decoder = model.model.language_model
        gates = [layer.mlp.act_fn for layer in decoder.layers]
        widths = tuple(int(layer.mlp.down_proj.in_features) for layer in decoder.layers)
        first = next(decoder.parameters())
        self._device, self._dtype = first.device, first.dtype
        self._taps = GateTaps(gates, widths, device=self._device, dtype=self._dtype).install()
        turn = {"role": "user", "content": [{"type": "text", "text": QUESTION}, {"type": "audio"}]}
        self._prompt = str(processor.apply_chat_template([turn], tokenize=False, add_generation_prompt=True))
        self.info = ModelInfo(
            model_id=model_id,
            revision=revision,
            config_digest=hashlib.sha256(model.config.to_json_string().encode()).hexdigest(),
            title="Audio Flamingo 3",
            gates={LANGUAGE: widths},
            rate=RATE,
            max_seconds=MAX_SECONDS,
            batches=True,
        )

    def recognise(
        self,
        requests: Sequence[RecognitionRequest],
        *,
        record: bool = False,
        cancelled: Callable[[], bool] = never,
    ) -> list[Recognition]:
        """See :meth:`studio.lalm.recognition.SpeechRecogniser.recognise`."""
        if cancelled():
            raise Cancelled
        if not requests:
            return []
        given = self._inputs(requests)
        valid = given["attention_mask"].bool()
        # Left padding must not shift the places of a row's tokens.
        places = (valid.long().cumsum(1) - 1).clamp_min(0)
        self._taps.begin([request.steering for request in requests], record=record)
        try:
            self._taps.positions(valid, generated=False)
            with torch.inference_mode():
                logits = self._model(**given, position_ids=places, logits_to_keep=1, use_cache=False).logits
            counted = self._taps.end(1)
        finally:
            self._taps.abandon()
        found = option_probabilities(logits[:, -1], self._letters)
        if counted is None:
            return [Recognition(shares) for shares in found]
        return [Recognition(shares, own) for shares, own in zip(found, counted, strict=True)]

    def close(self) -> None:
        """Remove the taps and let go of the weights."""
        self._taps.remove()
        self._model = None

    def _inputs(self, requests: Sequence[RecognitionRequest]) -> dict[str, torch.Tensor]:
        sounds = []
        for request in requests:
            clip = request.source
            if not _SHORTEST_SECONDS <= clip.seconds <= MAX_SECONDS:
                raise StudioError(
                    f"'{clip.name or 'The clip'}' is {clip.seconds:.2f} s long; Audio Flamingo 3 listens to "
                    f"{_SHORTEST_SECONDS:g} to {MAX_SECONDS:.0f} s."
                )
            sounds.append(clip.at_rate(RATE).samples)
        given = self._processor(text=[self._prompt] * len(sounds), audio=sounds, return_tensors="pt")
        names = ("input_ids", "attention_mask", "input_features", "input_features_mask")
        inputs = {name: given[name].to(self._device) for name in names}
        inputs["input_features"] = inputs["input_features"].to(self._dtype)
        return inputs


def load(
    source: str | Path = HUB,
    *,
    device: torch.device | str | None = None,
    revision: str | None = None,
    offline: bool = False,
) -> FlamingoRecogniser:
    """Load from a folder or the hub, from its cache alone when ``offline``; bf16 on CUDA, fp32 on the CPU.

    Raises StudioError when it is no Audio Flamingo 3, cannot be read or does not fit the device.
    """
    from transformers import AudioFlamingo3ForConditionalGeneration, AudioFlamingo3Processor

    where = str(source)
    at: dict[str, Any] = {"revision": revision or "main", "local_files_only": offline or Path(where).is_dir()}
    try:
        processor = AudioFlamingo3Processor.from_pretrained(where, **at)
    except PROBLEMS as error:
        raise unreadable("Audio Flamingo 3", where, error) from error
    model = read(AudioFlamingo3ForConditionalGeneration, where, "Audio Flamingo 3", device, **at)
    cached = weights.repository(Path(where))
    if cached is not None:
        name, commit = cached
    else:
        name = Path(where).resolve().name if Path(where).is_dir() else where
        commit = str(getattr(model.config, "_commit_hash", None) or revision or "")
    return FlamingoRecogniser(model, processor, model_id=name, revision=commit)
