"""Codec ids to sound, chunk by chunk, while the talker still runs.

token2wav is a flow-matching transformer (codec ids to mel) and a vocoder (mel to samples). Its layers attend within
blocks of frames, a few of them to the blocks beside, which is what allows synthesis in chunks (Qwen2.5-Omni report,
arXiv 2503.20215, section 2.4): each chunk is computed with the blocks its layers look at on either side, and with
noise that belongs to the frame, not to the chunk. All audio is made this way, so a streamed take and one made at once
are the same samples; transformers' own ``token2wav`` on a whole utterance differs from it slightly beyond the first
chunk.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from transformers.models.qwen2_5_omni import modeling_qwen2_5_omni as modeling

from studio.audio.clip import FloatArray
from studio.errors import Cancelled
from studio.lalm.qwen_omni.parts import Parts, Speaker

RATE = 24_000

STEPS = 10
GUIDANCE = 0.5
SWAY = -1.0
"""token2wav's own defaults in transformers."""

_CHUNKS = (2, 4, 8)
"""Blocks per chunk; the last number goes on. Short first, so that sound comes early."""

_VOCODER_FRAMES = 32
"""Frames of mel on either side that reach a sample through the vocoder's convolutions; it hears fewer than these."""


class SoundStream:
    """One row's sound as its codec ids grow. ``seed`` None: the noise every greedy take starts from."""

    def __init__(self, parts: Parts, speaker: Speaker, seed: int | None, cancelled: Callable[[], bool]) -> None:
        config = parts.config.token2wav_config
        self._token2wav = parts.token2wav
        self._device = parts.device
        self._cancelled = cancelled
        self._repeats = int(config.dit_config.repeats)
        self._frames_per_block = int(config.dit_config.block_size)
        self._block = self._frames_per_block // self._repeats
        self._back = len(config.dit_config.look_backward_layers) * self._block
        self._ahead = len(config.dit_config.look_ahead_layers) * self._block
        self._samples_per_frame = math.prod(config.bigvgan_config.upsample_rates)
        self._voice = speaker["cond"].to(self._device).float()
        self._reference = speaker["ref_mel"].to(self._device).float()
        # Not the talker's draws over again: another stream of the same seed.
        self._generator = torch.Generator().manual_seed(0 if seed is None else (seed + 1) % 2**63)
        self._noise = torch.empty(0, int(config.dit_config.mel_dim))
        self._mel = torch.empty(int(config.dit_config.mel_dim), 0, device=self._device)
        self._chunk = 0
        self._spoken = 0
        self._sounded = 0

    @torch.inference_mode()
    def advance(self, codes: Sequence[int], complete: bool) -> FloatArray:
        """The samples, float32, that the codec ids so far allow and earlier calls did not return.

        ``complete``: no more ids follow. Raises Cancelled when the stream is asked to stop.
        """
        made = []
        while self._spoken < len(codes):
            size = _CHUNKS[min(self._chunk, len(_CHUNKS) - 1)] * self._block
            stop = self._spoken + size
            if not complete and len(codes) < stop + self._ahead:
                break
            stop = min(stop, len(codes))
            self._mel = torch.cat([self._mel, self._spectrum(codes, self._spoken, stop)], 1)
            self._spoken, self._chunk = stop, self._chunk + 1
            made.append(self._vocode(complete and stop == len(codes)))
        return np.concatenate(made) if made else np.zeros(0, np.float32)

    def _spectrum(self, codes: Sequence[int], start: int, stop: int) -> Tensor:
        """Mel [mels, frames] of the ids from ``start`` to ``stop``, computed with the blocks around them."""
        first, last = max(0, start - self._back), min(len(codes), stop + self._ahead)
        window = torch.tensor([codes[first:last]], device=self._device)
        noise = self._noise_until(last * self._repeats)[first * self._repeats : last * self._repeats]
        mel = self._integrate(window, noise.to(self._device).unsqueeze(0))
        return mel[0, (start - first) * self._repeats : (stop - first) * self._repeats].T

    def _integrate(self, codes: Tensor, noise: Tensor) -> Tensor:
        """The flow from ``noise`` [1, frames, mels] to mel, guided by the ids, as transformers' ``sample`` does it."""
        voice = self._voice.unsqueeze(1).expand(-1, noise.shape[1], -1)

        def flow(time: Tensor, state: Tensor) -> Tensor:
            if self._cancelled():
                raise Cancelled
            guided, free = self._token2wav.code2wav_dit_model(
                hidden_states=state,
                quantized_code=codes,
                speaker_embedding=voice,
                condition_vector=self._reference,
                time_step=time,
                apply_cfg=True,
            ).chunk(2)
            return guided + (guided - free) * GUIDANCE

        times = torch.linspace(0, 1, STEPS, device=self._device)
        times = times + SWAY * (torch.cos(torch.pi / 2 * times) - 1 + times)
        return modeling.RungeKutta4ODESolver(function=flow, initial_value=noise).integrate(times)[-1]

    def _noise_until(self, frames: int) -> Tensor:
        while len(self._noise) < frames:
            drawn = torch.randn(self._frames_per_block, self._noise.shape[1], generator=self._generator)
            self._noise = torch.cat([self._noise, drawn])
        return self._noise

    def _vocode(self, complete: bool) -> FloatArray:
        """Samples of the mel that has come, as far as what they hear ahead of them has come too."""
        frames = self._mel.shape[1]
        end = frames if complete else frames - _VOCODER_FRAMES
        start = self._sounded
        if end <= start:
            return np.zeros(0, np.float32)
        first, last = max(0, start - _VOCODER_FRAMES), min(frames, end + _VOCODER_FRAMES)
        wave = self._token2wav.code2wav_bigvgan_model(self._mel[:, first:last].unsqueeze(0)).reshape(-1)
        self._sounded = end
        per = self._samples_per_frame
        return wave[(start - first) * per : (end - first) * per].float().cpu().numpy()
