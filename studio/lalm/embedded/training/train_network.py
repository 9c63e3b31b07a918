"""Train the network: words and speech tokens of random renderings, fresh strength at every visit."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from studio.emotions import EMOTIONS
from studio.lalm.embedded import features, text, tokens
from studio.lalm.embedded.codec import Codec, load_codec
from studio.lalm.embedded.network import LETTERS, SPEECH_POSITION, Decoded, Network, NetworkConfig, encoder_lengths
from studio.lalm.embedded.training.augment import Augmenter
from studio.lalm.embedded.training.corpus import JUDGE_LINES, NETWORK_LINES, Line, load_lines
from studio.lalm.embedded.training.memory import keep_freed_memory
from studio.lalm.embedded.training.renderings import coded_at, expected_strength, render
from studio.lalm.embedded.training.splices import Splicer

MEETING = "workers"
"""File by which the processes of one run find each other; must not exist when they start."""

_SOURCES = 12
_TARGETS = 2
_STRENGTH_SPREAD = 0.1
_WRONG_WORDS = 0.2
_TRAFFIC_COST = 0.03
"""Price of moving prosody by one class: departures from the source take few gates, open only for what needs them.

It grows over the first fifth of a run, in which gates find what to carry, and falls to nothing with the learning rate,
since any price also makes emotions fainter than they should be.
"""
_BACK_DOOR = 9.0
"""Price, on top of the usual, of what passes through a closed gate (SiLU is not zero below zero).

Without it emotions come to rest there from the start of a run: g > 0 never happens, and no mask finds their neurons.
"""

_LEAST_SIZE = 1e-4

_VALIDATION_SHARE = 20
_LEARNING_RATE = 2e-3
_CHECKPOINT_SECONDS = 120.0
# Heads weigh by what an error costs the listener: timing and pitch most, a single codebook little.
_HEAD_WEIGHTS = torch.tensor([1.5, 1.5, 1.5, 1.0, 1.0, 1.0, 1.0, 1.0] + [0.6] * tokens.CODEBOOKS)


@dataclass(frozen=True, eq=False)
class Batch:
    """Padded arrays of sources and of their renderings; ``owner`` [R] says which source a rendering is of."""

    features: Tensor
    lengths: Tensor
    lines: list[Line]
    owner: list[int]
    emotions: list[str]
    codes: list[Tensor]


def make_batch(
    lines: list[Line], codec: Codec, augmenter: Augmenter | None, per_line: int, rng: np.random.Generator
) -> Batch:
    """Draw ``per_line`` renderings of each line (every emotion equally often)."""
    heard = [augmenter.draw(line.mel, line.coded, rng) if augmenter else None for line in lines]
    inputs, owner, emotions, prosody, coded = [], [], [], [], []
    for index, (line, variant) in enumerate(zip(lines, heard, strict=True)):
        power, spectra = (variant.power, variant.coded) if variant else (line.mel, line.coded)
        inputs.append(torch.from_numpy(source_features(line, power)))
        for choice in rng.permutation(len(EMOTIONS))[:per_line]:
            emotion = EMOTIONS[choice]
            mean = expected_strength(line.text, emotion)
            strength = float(np.clip(mean + _STRENGTH_SPREAD * rng.standard_normal(), 0.0, 1.2))
            classes, frames = render(line, emotion, strength if emotion != EMOTIONS[0] else 0.0, rng)
            owner.append(index)
            emotions.append(emotion)
            prosody.append(torch.from_numpy(classes))
            coded.append(torch.from_numpy(coded_at(spectra, frames)))
    with torch.no_grad():
        spectrum = codec.encode(nn.utils.rnn.pad_sequence(coded, batch_first=True))
    codes = [torch.cat([part, spectrum[row, : len(part)]], 1) for row, part in enumerate(prosody)]
    lengths = torch.tensor([encoder_lengths(len(item)) for item in inputs])
    padded = nn.utils.rnn.pad_sequence(
        [item[: int(size) * 4] for item, size in zip(inputs, lengths, strict=True)], True
    )
    return Batch(padded, lengths, lines, owner, emotions, codes)


def source_features(line: Line, power: np.ndarray) -> np.ndarray:
    """What the encoder is given, [T, 66], where the line's mel power is ``power`` [T, 64]."""
    hertz = line.hertz.astype(np.float64)
    semitones, _ = features.continuous_pitch(hertz)
    at = np.minimum(np.arange(len(power)) * 2, len(hertz) - 1)
    pitch = np.stack([semitones[at] / 12.0, (hertz[at] > 0).astype(np.float64)], 1)
    return np.concatenate([features.scale(power.astype(np.float64)), pitch], 1).astype(np.float32)


def smoothing_matrices() -> list[Tensor]:
    """Soft targets per head: classes near the true one, on the head's own axis, are nearly right."""

    def near(size: int, width: float) -> Tensor:
        distance = torch.arange(size)[:, None] - torch.arange(size)[None]
        return F.normalize(torch.exp(-0.5 * (distance / width) ** 2), p=1, dim=1)

    level = near(8, 0.4)
    pair = torch.einsum("ab,cd->acbd", level, level).reshape(64, 64)
    ordinal = {name: near(size, 0.7) for name, size in zip(tokens.PROSODY_HEADS, tokens.PROSODY_SIZES, strict=True)}
    ordinal["voicing"] = torch.eye(tokens.VOICING_PATTERNS)
    return [ordinal[name] for name in tokens.PROSODY_HEADS] + [pair] * tokens.CODEBOOKS


def losses(
    network: Network, batch: Batch, smoothing: list[Tensor], corrupt: bool, traffic_cost: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Total loss and its parts: text, CTC, traffic through the gates, then one per head."""
    encoded, ctc = network.encoder(batch.features, batch.lengths)
    letters = [torch.tensor([LETTERS.index(letter) + 1 for letter in line.text]) for line in batch.lines]
    ctc_loss = F.ctc_loss(
        F.log_softmax(ctc.float(), -1).transpose(0, 1),
        torch.cat(letters),
        batch.lengths,
        torch.tensor([len(item) for item in letters]),
        zero_infinity=True,
    )
    codes = nn.utils.rnn.pad_sequence(batch.codes, batch_first=True)
    starts = torch.stack([torch.from_numpy(tokens.positions(row.numpy())) for row in codes]).float()
    owner = torch.tensor(batch.owner)
    seen = network.at_source(batch.features[owner], encoded[owner], batch.lengths[owner], starts)
    rows, positions, words_at, speech_at = [], [], [], []
    for row, source in enumerate(batch.owner):
        prompt, places = network.prompt(encoded[source], int(batch.lengths[source]), batch.emotions[row])
        words = torch.tensor(text.encode(batch.lines[source].text))
        if corrupt:
            # A wrong word now and then: the next one has to be heard, not recited from a remembered line.
            guesses = torch.randint(text.SPEECH + 1, len(text.VOCABULARY), words.shape)
            words = torch.where(torch.rand(words.shape) < _WRONG_WORDS, guesses, words)
        count = len(batch.codes[row])
        speech = seen.embedding[row, :count]
        speech = torch.cat([speech[:1] + network.speech_start().to(speech.dtype), speech[1:]])
        rows.append(torch.cat([prompt, network.embed_words(words).to(prompt.dtype), speech.to(prompt.dtype)]))
        after = int(places[-1]) + 1 + torch.arange(len(words))
        positions.append(torch.cat([places, after, SPEECH_POSITION + torch.arange(count)]))
        words_at.append((len(prompt) - 1, len(words)))
        speech_at.append((len(prompt) + len(words), count))
    inputs = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    places = nn.utils.rnn.pad_sequence(positions, batch_first=True)
    with _Traffic(network) as traffic:
        decoded = network.decode(inputs, places, torch.ones(inputs.shape[:2], dtype=torch.long))
    text_states = torch.cat([decoded.state[row, at : at + count + 1] for row, (at, count) in enumerate(words_at)])
    # The state at the last word predicts <speech>; it is the position just before the first speech token.
    text_targets = torch.cat(
        [torch.tensor([*text.encode(batch.lines[source].text), text.SPEECH]) for source in batch.owner]
    )
    text_loss = F.cross_entropy(network.lm_head(text_states).float(), text_targets)
    index = torch.cat(
        [row * inputs.shape[1] + torch.arange(at, at + count) for row, (at, count) in enumerate(speech_at)]
    )
    spoken = Decoded(decoded.state.flatten(0, 1)[index], decoded.written.flatten(0, 1)[index])
    own = torch.cat([seen.own[row, :count] for row, (_, count) in enumerate(speech_at)])
    logits = network.speech_logits(spoken, own).float().split(list(tokens.HEAD_SIZES), 1)
    targets = torch.cat(batch.codes)
    head_losses = torch.stack(
        [
            -(matrix[targets[:, head]] * F.log_softmax(scores, 1)).sum(1).mean()
            for head, (scores, matrix) in enumerate(zip(logits, smoothing, strict=True))
        ]
    )
    emotions = torch.tensor([EMOTIONS.index(emotion) for emotion in batch.emotions])
    counts = torch.tensor([count for _, count in speech_at])
    moved = traffic.classes_moved(index, emotions.repeat_interleave(counts))
    total = (head_losses * _HEAD_WEIGHTS).sum() / _HEAD_WEIGHTS.sum() + text_loss + 0.5 * ctc_loss
    parts = torch.cat([torch.stack([text_loss, ctc_loss, moved]), head_losses]).detach()
    return total + traffic_cost * moved, parts


class _Traffic:
    """Watches, while it is entered, how far each gate opens and what it lets through."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._inputs: list[Tensor] = []
        self._products: list[Tensor] = []

    def __enter__(self) -> _Traffic:
        self._hooks = [
            gate.register_forward_pre_hook(lambda _, given: self._inputs.append(given[0]))
            for gate in self._network.gates()
        ] + [
            mlp.get_submodule("down_proj").register_forward_pre_hook(lambda _, given: self._products.append(given[0]))
            for mlp in self._network.mlps()
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def classes_moved(self, index: Tensor, emotions: Tensor) -> Tensor:
        """How far neurons move prosody in all, in classes, for speech positions ``index`` [P] of ``emotions`` [P].

        Per neuron (sum over emotions of the root of its mean size)^2: twice the price for one that serves two emotions
        instead of one. The opening counts beside what passes: otherwise gates would stay open for every emotion
        and leave the telling apart to the factor beside them, where no statistics of gates would see it.
        """
        share = F.one_hot(emotions, len(EMOTIONS)).float()
        share = share / share.sum(0).clamp(min=1)
        total = torch.zeros(())
        for inputs, products, reach in zip(self._inputs, self._products, self._network.prosody_reach(), strict=True):
            given, passed = inputs.flatten(0, 1)[index].float(), products.flatten(0, 1)[index].float().abs()
            size = F.softplus(given) + passed * (1 + _BACK_DOOR * (given < 0))
            roots = (share.T @ size + _LEAST_SIZE).sqrt() - _LEAST_SIZE**0.5
            total = total + (roots.sum(0).square() * reach.float()).sum() / len(EMOTIONS)
        return total


@dataclass(frozen=True)
class Plan:
    """Where and how many steps to train; ``workers`` processes average their gradients."""

    work: Path
    steps: int
    workers: int = 2
    seed: int = 0
    config: NetworkConfig = field(default_factory=NetworkConfig)


def worker(rank: int, plan: Plan, voices: Path) -> None:
    """:func:`train_network` in a process of its own, which must be importable by name."""
    keep_freed_memory()
    lines = load_lines(voices, plan.work, NETWORK_LINES)
    held_out = load_lines(voices, plan.work, JUDGE_LINES)[::_VALIDATION_SHARE] if rank == 0 else []
    train_network(rank, plan, lines, held_out)


def train_network(rank: int, plan: Plan, lines: list[Line], held_out: list[Line]) -> None:
    """One process of the training run; resumes from ``work/network.safetensors`` with its optimiser state."""
    torch.set_num_threads(1)
    if plan.workers > 1:
        meeting = (plan.work / MEETING).resolve().as_uri()
        dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=plan.workers)
    torch.manual_seed(plan.seed)
    network = Network(plan.config)
    codec = load_codec(plan.work / "codec.safetensors")
    matrices = [parameter for parameter in network.parameters() if parameter.ndim >= 2]
    vectors = [parameter for parameter in network.parameters() if parameter.ndim < 2]
    optimiser = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.02}, {"params": vectors, "weight_decay": 0.0}],
        _LEARNING_RATE,
        (0.9, 0.98),
    )
    parameters = matrices + vectors
    checkpoint = plan.work / "network.safetensors"
    elapsed, steps = _resume(checkpoint, network, optimiser, parameters)
    rng = np.random.default_rng([plan.seed, rank, steps])
    torch.manual_seed(plan.seed * 1000 + rank + 7919 * steps)
    augmenter, smoothing = Augmenter(), smoothing_matrices()
    splicer = Splicer(lines)
    lines = sorted(lines, key=lambda line: line.frames)
    queue: list[np.ndarray] = []
    started, saved, recent = time.monotonic() - elapsed, time.monotonic(), []
    while steps < plan.steps:
        share = steps / plan.steps
        if not queue:
            order = np.argsort(np.arange(len(lines)) + rng.normal(0, 60, len(lines)))
            queue = [order[at : at + _SOURCES] for at in range(0, len(order), _SOURCES)]
            rng.shuffle(queue)
        chosen = [splicer.draw(lines[index], rng) for index in queue.pop()]
        for group in optimiser.param_groups:
            group["lr"] = _LEARNING_RATE * min(1.0, (steps + 1) / 150) * (1 - share) + 1e-5
        batch = make_batch(chosen, codec, augmenter, _TARGETS, rng)
        with torch.autocast("cpu", torch.bfloat16):
            loss, parts = losses(network, batch, smoothing, True, _TRAFFIC_COST * min(1.0, 5 * share) * (1 - share))
        optimiser.zero_grad()
        loss.backward()
        if plan.workers > 1:
            _average(parameters, plan.workers)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        steps += 1
        recent.append(parts)
        if rank == 0 and steps % 100 == 0:
            _report(steps, time.monotonic() - started, torch.stack(recent[-100:]).mean(0), "train")
            _report(steps, time.monotonic() - started, _validate(network, codec, held_out, smoothing), "valid")
        if rank == 0 and (time.monotonic() - saved > _CHECKPOINT_SECONDS or steps == plan.steps):
            _save(checkpoint, network, optimiser, parameters, time.monotonic() - started, steps)
            saved = time.monotonic()
    if plan.workers > 1:
        dist.destroy_process_group()


def _average(parameters: list[nn.Parameter], workers: int) -> None:
    """Average gradients over all processes."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= workers
    for gradient, mean in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


@torch.no_grad()
def _validate(network: Network, codec: Codec, lines: list[Line], smoothing: list[Tensor]) -> Tensor:
    network.eval()
    rng = np.random.default_rng(0)
    parts = []
    for at in range(0, len(lines), _SOURCES):
        batch = make_batch(lines[at : at + _SOURCES], codec, None, _TARGETS, rng)
        parts.append(losses(network, batch, smoothing, corrupt=False)[1])
    network.train()
    return torch.stack(parts).mean(0)


def _report(steps: int, seconds: float, parts: Tensor, name: str) -> None:
    heads = " ".join(f"{value:.2f}" for value in parts[3:].tolist())
    text_and_more = f"text {parts[0]:.3f} ctc {parts[1]:.2f} traffic {parts[2]:.1f}"
    print(f"{name} {steps} steps {seconds:.0f} s {text_and_more} heads {heads}", flush=True)


def _save(
    path: Path,
    network: Network,
    optimiser: torch.optim.Optimizer,
    parameters: list[nn.Parameter],
    elapsed: float,
    steps: int,
) -> None:
    arrays = {f"network.{key}": value.contiguous() for key, value in network.state_dict().items()}
    for index, parameter in enumerate(parameters):
        state = optimiser.state[parameter]
        arrays |= {f"optimiser.{index}.{key}": torch.as_tensor(value) for key, value in state.items()}
    partial = path.with_suffix(".partial")
    metadata = {
        "elapsed": json.dumps(elapsed),
        "steps": json.dumps(steps),
        "config": json.dumps(network.config.as_dict()),
    }
    save_file(arrays, partial, metadata)
    partial.replace(path)


def _resume(
    path: Path, network: Network, optimiser: torch.optim.Optimizer, parameters: list[nn.Parameter]
) -> tuple[float, int]:
    if not path.exists():
        return 0.0, 0
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    arrays = load_file(path)
    network.load_state_dict({key[8:]: value for key, value in arrays.items() if key.startswith("network.")})
    for index, parameter in enumerate(parameters):
        prefix = f"optimiser.{index}."
        optimiser.state[parameter] = {
            key[len(prefix) :]: value for key, value in arrays.items() if key.startswith(prefix)
        }
    return json.loads(metadata["elapsed"]), json.loads(metadata["steps"])
