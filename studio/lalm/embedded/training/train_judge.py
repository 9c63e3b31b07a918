"""Train the embedded judge on renderings of lines the network never saw."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import save_file
from torch import nn

from studio.audio.clip import Clip
from studio.audio.files import load_clip
from studio.emotions import EMOTIONS
from studio.errors import StudioError
from studio.judges.acoustics import measure
from studio.lalm.embedded import features, speech, vocoder
from studio.lalm.embedded.codec import Codec, load_codec
from studio.lalm.embedded.features import Source
from studio.lalm.embedded.tokens import CODEBOOKS
from studio.lalm.embedded.training.corpus import Line, line_path
from studio.lalm.embedded.training.renderings import coded_at, render
from studio.lalm.embedded.vocoder import Analysis

Array = npt.NDArray[np.float64]

CLEAR = (0.6, 1.2)
"""Strengths at which a rendering counts as its emotion; up to ``SLIGHT`` it still counts as neutral."""
SLIGHT = 0.3
_HIDDEN = 48
_STEPS = 1500


@dataclass(frozen=True, eq=False)
class Speaker:
    """A line with the recording it was analysed from, level-normalised, and its WORLD analysis."""

    line: Line
    recording: Clip
    analysis: Analysis


def recorded(line: Line, path: Path) -> Speaker:
    """Load the recording of a prepared line."""
    signal, _ = vocoder.normalise(load_clip(path).at_rate(vocoder.RATE).samples)
    clip = Clip(signal.astype(np.float32), vocoder.RATE, path.name)
    return Speaker(line, clip, vocoder.analyse(signal, line.hertz.astype(np.float64)))


def rendered(speaker: Speaker, emotion: str, strength: float, codec: Codec | None, rng: np.random.Generator) -> Clip:
    """A rendering as the model would speak it: through the codec, or (None) over the recording's own envelope."""
    line = speaker.line
    classes, frames = render(line, emotion, strength, rng)
    if codec is None:
        spectrum = np.zeros((len(classes), CODEBOOKS), np.int64)
    else:
        with torch.inference_mode():
            spectrum = codec.encode(torch.from_numpy(coded_at(line.coded, frames))[None])[0].numpy()
    hertz = speaker.analysis.hertz
    semitones, median = features.continuous_pitch(hertz)
    source = Source(np.zeros((0, features.CHANNELS), np.float32), semitones, hertz > 0, median)
    voice = speech.Voice(source, 1.0, speaker.analysis if codec is None else None)
    samples = speech.synthesise(np.concatenate([classes, spectrum], 1), voice, codec or Codec())
    return Clip(samples, vocoder.RATE, line.text)


def examples(speaker: Speaker, codec: Codec, seed: int) -> list[tuple[int, Array, Array]]:
    """(emotion index, vector, vector of the recording) of one line's renderings."""
    rng = np.random.default_rng([seed, int(speaker.line.speaker), speaker.line.number])
    neutral = measure(speaker.recording).vector()
    found = []
    for index, emotion in enumerate(EMOTIONS):
        # Faint renderings of any emotion count as neutral beside plain ones: so does a listener hear them.
        for strength in [rng.uniform(0, SLIGHT), rng.uniform(0, 0.1)] if index == 0 else [rng.uniform(*CLEAR)]:
            kind = EMOTIONS[int(rng.integers(1, len(EMOTIONS)))] if index == 0 else emotion
            through = codec if rng.random() < 0.6 else None
            try:
                found.append((index, measure(rendered(speaker, kind, strength, through, rng)).vector(), neutral))
            except StudioError:
                continue
    return found


def _examples_of(job: tuple[Line, Path, Path, int]) -> list[tuple[int, Array, Array]]:
    torch.set_num_threads(1)
    line, path, codec, seed = job
    return examples(recorded(line, path), load_codec(codec), seed)


def gather(
    lines: list[Line], voices: Path, codec: Path, seed: int, workers: int
) -> tuple[Array, Array, npt.NDArray[np.int64]]:
    """Vectors [E, 28], reference vectors [E, 28] and emotion indices [E] of all lines' renderings."""
    jobs = [(line, line_path(voices, line.speaker, line.number), codec, seed) for line in lines]
    if workers > 1:
        with ProcessPoolExecutor(workers) as pool:
            results = list(pool.map(_examples_of, jobs, chunksize=8))
    else:
        results = [_examples_of(job) for job in jobs]
    flat = [example for found in results for example in found]
    return (
        np.stack([vector for _, vector, _ in flat]),
        np.stack([reference for _, _, reference in flat]),
        np.array([index for index, _, _ in flat]),
    )


def fit(vectors: Array, labels: npt.NDArray[np.int64], seed: int) -> dict[str, npt.NDArray[np.float32]]:
    """The arrays of one classifier (see :class:`studio.judges.embedded.EmbeddedJudge`)."""
    torch.manual_seed(seed)
    mean, spread = vectors.mean(0), vectors.std(0) + 1e-6
    inputs = torch.from_numpy(np.clip((vectors - mean) / spread, -4, 4)).float()
    targets = torch.from_numpy(labels)
    weight = torch.bincount(targets, minlength=len(EMOTIONS)).float().reciprocal()
    first, second = nn.Linear(inputs.shape[1], _HIDDEN), nn.Linear(_HIDDEN, len(EMOTIONS))
    optimiser = torch.optim.AdamW([*first.parameters(), *second.parameters()], 3e-3, weight_decay=0.05)
    for _ in range(_STEPS):
        chosen = torch.randint(0, len(inputs), (256,))
        noisy = inputs[chosen] + 0.1 * torch.randn(256, inputs.shape[1])
        scores = second(torch.tanh(first(noisy)))
        loss = nn.functional.cross_entropy(scores, targets[chosen], weight, label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    arrays = {
        "mean": mean,
        "spread": spread,
        "weight1": first.weight.detach().numpy().T,
        "bias1": first.bias.detach().numpy(),
        "weight2": second.weight.detach().numpy().T,
        "bias2": second.bias.detach().numpy(),
    }
    return {key: np.ascontiguousarray(value, dtype=np.float32) for key, value in arrays.items()}


def train_judge(lines: list[Line], voices: Path, codec: Path, target: Path, seed: int, workers: int) -> None:
    """Fit both classifiers and save them; does nothing when ``target`` exists."""
    if target.exists():
        return
    vectors, references, labels = gather(lines, voices, codec, seed, workers)
    sets = {"difference": fit(vectors - references, labels, seed), "alone": fit(vectors, labels, seed)}
    save_file({f"{name}.{key}": value for name, arrays in sets.items() for key, value in arrays.items()}, target)
