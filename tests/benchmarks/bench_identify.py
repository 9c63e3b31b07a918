"""Conversions per second of an identification, against the plain way; run by hand:

    python -m tests.benchmarks.bench_identify

The plain way is what a script does: one utterance at a time, with a Python hook on each gate that stores every value,
summed afterwards. Both ways convert the same lines of the demo corpus with the model that ships, taking turns in one
run; the ratio is of the times of a round, the median over the rounds. Also prints how many bytes each way holds for
its counts as conversions get longer.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import torch
from torch import nn

from studio.audio.clip import Clip
from studio.audio.files import load_clip
from studio.corpora import esd
from studio.corpora.splits import IDENTIFICATION, esd_split, spread
from studio.esn.statistics import GateStatistics
from studio.lalm import embedded
from studio.lalm.base import ConversionRequest
from studio.lalm.embedded.lalm import EmbeddedLALM
from studio.paths import resources_dir
from studio.pipelines.identify import IdentifySettings

LINES = 48
ROUNDS = 3
LENGTHS = (1.0, 2.0, 4.0)


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


def plain(model: EmbeddedLALM, clips: Sequence[Clip], emotion: str) -> list[GateStatistics]:
    """One at a time, everything stored."""
    hooks = StoringHooks(model._network.gates())
    counts = []
    for clip in clips:
        model.convert([ConversionRequest(clip, emotion)])
        counts.append(hooks.count(model.info.gates["language"]))
    hooks.remove()
    return counts


def batched(model: EmbeddedLALM, clips: Sequence[Clip], emotion: str) -> list[GateStatistics]:
    """As ``identify`` does it."""
    size = IdentifySettings().batch
    counts = []
    for start in range(0, len(clips), size):
        requests = [ConversionRequest(clip, emotion) for clip in clips[start : start + size]]
        counts += [each.statistics for each in model.convert(requests, record=True) if each.statistics is not None]
    return counts


def main() -> None:
    """Print the figures."""
    torch.set_num_threads(1)
    model = embedded.load()
    assert isinstance(model, EmbeddedLALM)
    lines = spread(esd_split(esd.read(resources_dir() / "demo"))[IDENTIFICATION], LINES)
    clips = [load_clip(each.path) for each in lines]
    plain(model, clips[:2], "sad")
    batched(model, clips[:2], "sad")
    seconds: dict[str, list[float]] = {"plain": [], "batched": []}
    for _ in range(ROUNDS):
        for name, way in (("plain", plain), ("batched", batched)):
            began = time.perf_counter()
            counts = way(model, clips, "sad")
            seconds[name].append(time.perf_counter() - began)
            print(
                f"  {name:8} {len(clips) / seconds[name][-1]:6.2f} conversions per second, "
                f"{sum(each.tokens for each in counts)} tokens counted"
            )
    ratios = [slow / fast for slow, fast in zip(seconds["plain"], seconds["batched"], strict=True)]
    print(f"{statistics.median(ratios):.2f} x the plain way ({min(ratios):.2f} to {max(ratios):.2f})")
    whole = max(clips, key=lambda clip: clip.seconds)
    for length in LENGTHS:
        clip = Clip(whole.samples[: round(length * whole.rate)], whole.rate, whole.name)
        hooks = StoringHooks(model._network.gates())
        model.convert([ConversionRequest(clip, "sad")])
        held = hooks.held()
        hooks.remove()
        [counted] = batched(model, [clip], "sad")
        taps = counted.active.nbytes + counted.total.nbytes + counted.total_sq.nbytes
        print(f"{counted.tokens:5} tokens: the plain way holds {held / 1e6:6.2f} MB, the taps {taps / 1e6:.2f} MB")
    model.close()


if __name__ == "__main__":
    main()
