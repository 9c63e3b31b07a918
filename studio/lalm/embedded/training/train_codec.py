"""Train the speech codec on neutral spectra, at random speaking rates and with other vocal tracts."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file

from studio.lalm.embedded.codec import FRAMES, Codec
from studio.lalm.embedded.training.augment import Augmenter
from studio.lalm.embedded.training.corpus import Line
from studio.lalm.embedded.training.renderings import coded_at

_TOKENS = 24
_BATCH = 48


def train_codec(lines: list[Line], target: Path, minutes: float, seed: int = 0) -> None:
    """Fit a :class:`Codec` for ``minutes`` and save it as safetensors; does nothing when ``target`` exists."""
    if target.exists():
        return
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    codec = Codec()
    everything = np.concatenate([line.coded for line in lines[::7]])
    spread = everything.std(0)
    spread[:-1] = np.maximum(spread[:-1], 0.25 * spread[1:-1].mean())
    codec.mean.copy_(torch.from_numpy(everything.mean(0)))
    codec.spread.copy_(torch.from_numpy(spread))
    # An error counts by its size in the spectrum, not relative to how much its coefficient varies.
    weight = torch.from_numpy(spread / spread[1:-1].mean()).clamp(0.3, 2.5)
    weight[-1] = 0.5
    augmenter = Augmenter()
    optimiser = torch.optim.AdamW(codec.parameters(), 2e-3, betas=(0.8, 0.99))
    started, steps, losses = time.monotonic(), 0, []
    while (share := (time.monotonic() - started) / 60 / minutes) < 1:
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1.0, (steps + 1) / 100) * (1 - share) + 2e-5
        batch = torch.from_numpy(np.stack([_excerpt(lines, augmenter, rng) for _ in range(_BATCH)]))
        error = (codec(batch) - batch) / codec.spread
        loss = (error.square() * weight).mean() + 0.3 * (error.abs() * weight).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(codec.parameters(), 1.0)
        optimiser.step()
        steps += 1
        losses.append(loss.item())
        if steps % 250 == 0:
            print(
                f"codec {steps} steps, {time.monotonic() - started:.0f} s, loss {np.mean(losses[-250:]):.4f}",
                flush=True,
            )
    save_file({key: value.contiguous() for key, value in codec.state_dict().items()}, target)


def _excerpt(lines: list[Line], augmenter: Augmenter, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    line = lines[int(rng.integers(len(lines)))]
    coded = augmenter.draw(line.mel, line.coded, rng).coded if rng.random() < 0.5 else line.coded
    frames = _TOKENS * FRAMES
    rate = 2 ** rng.uniform(-0.4, 0.4)
    start = rng.uniform(0, max(1.0, line.frames - frames * 2 * rate))
    return coded_at(coded, np.arange(frames, dtype=np.float64) * 2 * rate + start)
