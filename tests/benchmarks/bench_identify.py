"""Conversions per second of an identification, against the plain way; run by hand:

    python -m tests.benchmarks.bench_identify

The plain way is what a script does: one utterance at a time, each token a forward pass of transformers' model with its
own cache, with a Python hook on each gate that stores every value, summed afterwards. "One by one" is the same through
the studio's decoder, which is faster for single conversions too. "Batched" is what ``identify`` does. All convert the
same lines of the demo corpus to the four emotions with the model that ships, taking turns in one run, and none knows
the recordings from a turn before; ratios are of the times of a round, the median over the rounds. Processor time is
printed too: where there is a second core, batches overlap. Also prints how many bytes each way holds for its counts as
conversions get longer.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.cache_utils import DynamicCache

from studio.audio.clip import Clip
from studio.audio.files import load_clip
from studio.corpora import esd
from studio.corpora.splits import IDENTIFICATION, esd_split, spread
from studio.emotions import TARGETS
from studio.esn.statistics import GateStatistics
from studio.lalm import embedded
from studio.lalm.base import Conversion, ConversionRequest, Progress, never
from studio.lalm.embedded.lalm import EmbeddedLALM
from studio.lalm.embedded.network import Decoded, Network
from studio.paths import resources_dir
from studio.pipelines.identify import IdentifySettings
from studio.pipelines.workers import overlapped

LINES = 32
ROUNDS = 3
LENGTHS = (1.0, 2.0, 4.0)

Job = tuple[Sequence[Clip], str]
"""Recordings, and the emotion they are converted to."""


class StoringHooks:
    """Keeps every value every gate puts out."""

    def __init__(self, gates: Sequence[nn.Module]) -> None:
        self.values: list[list[torch.Tensor]] = [[] for _ in gates]
        self._handles = [
            gate.register_forward_hook(lambda module, args, value, held=held: held.append(value.detach().clone()))
            for gate, held in zip(gates, self.values, strict=True)
        ]

    def count(self, widths: Sequence[int]) -> GateStatistics:
        """Sum what was kept, and forget it."""
        layers = [torch.cat(held, dim=1)[0].double() for held in self.values]
        for held in self.values:
            held.clear()
        gate = torch.cat(layers, dim=1)
        return GateStatistics(tuple(widths), (gate > 0).sum(0), gate.sum(0), gate.square().sum(0), len(gate))

    def held(self) -> int:
        """Bytes kept now."""
        return sum(value.nbytes for held in self.values for value in held)

    def remove(self) -> None:
        """Take the hooks off."""
        for handle in self._handles:
            handle.remove()


class PlainSteps:
    """Stands in for ``StepDecoder``: every step a call of transformers' model."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def start(self, prompt: DynamicCache, valid: Tensor | None) -> PlainSteps:
        """Go on after a prompt."""
        self._cache, self._valid = prompt, valid
        return self

    def __call__(self, inputs: Tensor, places: Tensor) -> Decoded:
        """One position of every row."""
        if self._valid is not None:
            self._valid = F.pad(self._valid, (0, 1), value=True)
        mask = None if self._valid is None else self._valid.long()
        return self._network.decode(inputs, places[:, None], mask, self._cache)


@contextmanager
def transformers_steps(model: EmbeddedLALM) -> Iterator[None]:
    """Decode with ``PlainSteps`` meanwhile."""
    decoder = model.decoders.first
    own = decoder.steps
    decoder.steps = PlainSteps(decoder.network)  # type: ignore[assignment]
    try:
        yield
    finally:
        decoder.steps = own


def plain(model: EmbeddedLALM, jobs: Sequence[Job]) -> list[GateStatistics]:
    """One at a time with transformers' forward pass, everything stored."""
    with transformers_steps(model):
        return one_by_one(model, jobs)


def one_by_one(model: EmbeddedLALM, jobs: Sequence[Job]) -> list[GateStatistics]:
    """One at a time, everything stored, nothing known of a recording that was converted before."""
    hooks = StoringHooks(model.decoders.first.network.gates())
    counts = []
    for clips, emotion in jobs:
        for clip in clips:
            model.sources.clear()
            model.convert([ConversionRequest(clip, emotion)])
            counts.append(hooks.count(model.info.gates["language"]))
    hooks.remove()
    return counts


def batched(model: EmbeddedLALM, jobs: Sequence[Job]) -> list[GateStatistics]:
    """As ``identify`` does it."""
    model.sources.clear()

    def convert(job: Job, progress: Progress, cancelled: Callable[[], bool]) -> list[Conversion]:
        requests = [ConversionRequest(clip, job[1]) for clip in job[0]]
        return model.convert(requests, record=True, progress=progress, cancelled=cancelled)

    made = overlapped(jobs, convert, lambda job, share: None, never)
    return [each.statistics for _, batch in made for each in batch if each.statistics is not None]


def main() -> None:
    """Print the figures."""
    torch.set_num_threads(1)
    model = embedded.load()
    assert isinstance(model, EmbeddedLALM)
    lines = spread(esd_split(esd.read(resources_dir() / "demo"))[IDENTIFICATION], LINES)
    clips = [load_clip(each.path) for each in lines]
    size = IdentifySettings().batch
    jobs = [(clips[start : start + size], emotion) for start in range(0, LINES, size) for emotion in TARGETS]
    ways = {"plain": plain, "one by one": one_by_one, "batched": batched}
    for way in ways.values():
        way(model, [(clips[:2], "sad")])
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            began, used = time.perf_counter(), time.process_time()
            counts = way(model, jobs)
            seconds[name].append(time.perf_counter() - began)
            print(
                f"  {name:10} {len(counts) / seconds[name][-1]:6.2f} conversions per second, "
                f"{(time.process_time() - used) / len(counts):.3f} s of processor time each, "
                f"{sum(each.tokens for each in counts)} tokens counted",
                flush=True,
            )
    for name in ("plain", "one by one"):
        ratios = [slow / fast for slow, fast in zip(seconds[name], seconds["batched"], strict=True)]
        print(f"batched: {statistics.median(ratios):.2f} x {name} ({min(ratios):.2f} to {max(ratios):.2f})")
    whole = max(clips, key=lambda clip: clip.seconds)
    for length in LENGTHS:
        clip = Clip(whole.samples[: round(length * whole.rate)], whole.rate, whole.name)
        hooks = StoringHooks(model.decoders.first.network.gates())
        model.convert([ConversionRequest(clip, "sad")])
        held = hooks.held()
        hooks.remove()
        [counted] = batched(model, [([clip], "sad")])
        taps = counted.active.nbytes + counted.total.nbytes + counted.total_sq.nbytes
        print(f"{counted.tokens:5} tokens: the plain way holds {held / 1e6:6.2f} MB, the taps {taps / 1e6:.2f} MB")
    model.close()


if __name__ == "__main__":
    main()
