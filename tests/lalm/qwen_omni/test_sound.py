"""Sound in chunks: what transformers makes in one piece where there is one chunk, and seams that are not heard."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from studio.errors import Cancelled
from studio.lalm.base import never
from studio.lalm.qwen_omni import sound
from studio.lalm.qwen_omni.lalm import QwenOmniLALM
from studio.lalm.qwen_omni.sound import SoundStream
from tests.lalm.qwen_omni import tiny

CODES = [(7 * place) % 97 for place in range(150)]
BLOCK = 12


def stream(model: QwenOmniLALM, seed: int | None = 1) -> SoundStream:
    return SoundStream(model.parts, tiny.voices()["Ethan"], seed, never)


def test_one_chunk_is_transformers_own_token2wav(model: QwenOmniLALM, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = CODES[: 2 * BLOCK]
    made = stream(model).advance(codes, True)
    noise = stream(model)._noise_until(2 * len(codes))
    voice = tiny.voices()["Ethan"]

    def drawn(size: list[int], **options: object) -> torch.Tensor:
        rows, frames, mels = size  # transformers 4 draws for the longest utterance and takes what it needs
        return torch.nn.functional.pad(noise, (0, 0, 0, frames - len(noise))).expand(rows, frames, mels)

    monkeypatch.setattr("transformers.models.qwen2_5_omni.modeling_qwen2_5_omni.torch.randn", drawn)
    own = model.parts.token2wav(
        torch.tensor([codes]), conditioning=voice["cond"], reference_mel=voice["ref_mel"], num_steps=sound.STEPS
    )
    assert np.allclose(made, own.detach().numpy().reshape(-1), atol=1e-7)
    assert np.abs(made).max() > 0


def test_the_vocoder_hears_no_seam(model: QwenOmniLALM) -> None:
    own = stream(model)
    made = own.advance(CODES, True)
    with torch.inference_mode():
        whole = model.parts.token2wav.code2wav_bigvgan_model(own._mel.unsqueeze(0)).reshape(-1).numpy()
    assert len(made) == len(whole) == len(CODES) * 480
    assert np.allclose(made, whole, rtol=1e-3, atol=1e-4 * np.abs(whole).max())


def test_the_first_sound_comes_after_three_blocks(model: QwenOmniLALM) -> None:
    own = stream(model)
    came = [len(own.advance(CODES[:count], False)) for count in range(1, 3 * BLOCK + 1)]
    assert not any(came[:-1])
    assert came[-1] > 0


def test_sound_hangs_on_its_seed_and_its_codes_alone(model: QwenOmniLALM) -> None:
    codes = CODES[:30]
    torch.manual_seed(3)
    first = stream(model).advance(codes, True)
    torch.manual_seed(4)
    assert np.array_equal(stream(model).advance(codes, True), first)
    assert not np.array_equal(stream(model, 2).advance(codes, True), first)
    assert not np.array_equal(stream(model).advance([*codes[:-1], 3], True), first)
    assert math.isfinite(first.sum())


def test_the_flow_stops_where_it_is_asked_to(model: QwenOmniLALM) -> None:
    asked = iter([False, False, True])
    own = SoundStream(model.parts, tiny.voices()["Ethan"], None, lambda: next(asked))
    with pytest.raises(Cancelled):
        own.advance(CODES, True)
