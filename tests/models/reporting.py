"""What the checks run by hand share: a recording, masks, and one line per fact that was checked."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from studio.audio.clip import Clip
from studio.errors import Cancelled
from studio.esn.automation import Automation, Point
from studio.esn.intervention import Mode, Steering
from studio.esn.mask import EsnMask
from studio.lalm.base import ConversionRequest
from studio.lalm.guest import GuestLALM
from studio.lalm.passes import Passes

SOURCE = Clip(
    (0.3 * np.sin(2 * np.pi * 220 * np.arange(22_050) / 22_050) * np.hanning(22_050)).astype(np.float32), 22_050, "tone"
)


STRENGTH = 8.0
"""Of gain, so that it is heard."""

WORDS = "one two three four"
"""What the recording is said to say."""


class Report:
    """Prints each fact as it is checked; ``code`` is what the program should exit with."""

    def __init__(self, *packages: str) -> None:
        self.code = 0
        print(f"Python {platform.python_version()}")
        for package in packages:
            try:
                print(f"  {package} {importlib.metadata.version(package)}")
            except importlib.metadata.PackageNotFoundError:
                print(f"  {package}: not installed")

    def check(self, says: str, holds: object) -> None:
        """One fact."""
        print(f"{'ok  ' if holds else 'FAIL'} {says}")
        if not holds:
            self.code = 1

    def did_not_run(self, *parts: str) -> None:
        """What had no chance to be checked here."""
        for part in parts:
            print(f"--   not run: {part}")

    def leave(self) -> None:
        """End the program."""
        sys.exit(self.code)


def steering(model: GuestLALM, module: str, strength: float, mode: Mode = Mode.GAIN) -> Steering:
    """Every neuron of every layer of a module, for happy."""
    widths = model.info.gates[module]
    pairs = [(layer, neuron) for layer, width in enumerate(widths) for neuron in range(width)]
    mask = EsnMask(
        widths,
        {"happy": np.array(pairs, dtype=np.int32)},
        {"happy": np.zeros(len(pairs), dtype=np.float32)},
        {"model_id": model.info.model_id, "module": module},
    )
    return Steering(mask, mode, {"happy": strength})


def check_model(report: Report, model: GuestLALM, module: str, passes: Passes) -> None:
    """Everything that is asked of a module's gates; ``passes`` counts those of the decoder they are in."""

    def convert(steer: Steering | None = None, seed: int | None = None, **more: Any) -> Any:
        return model.convert([ConversionRequest(SOURCE, "happy", steer, seed=seed)], module=module, **more)[0]

    plain = convert()
    steps = passes.count
    again, still = convert(), convert(steering(model, module, 0.0))
    report.check(
        f"{module}: speech of {len(plain.audio.samples)} samples at {plain.audio.rate} Hz", len(plain.audio.samples)
    )
    report.check(f"{module}: greedy twice is the same, text, tokens and samples", same(plain, again))
    report.check(f"{module}: strength 0 is the baseline, sample for sample", same(plain, still))
    recorded = convert(record=True)
    counts = recorded.statistics
    report.check(f"{module}: counting changes nothing", same(plain, recorded))
    report.check(
        f"{module}: {steps} passes, {counts.tokens} positions counted, {int((counts.active > 0).sum())} of "
        f"{sum(model.info.gates[module])} neurons active",
        counts.tokens > steps > 1 and (counts.active > 0).any(),
    )
    report.check(
        f"{module}: no neuron is active more often than there were positions", (counts.active <= counts.tokens).all()
    )
    for mode, strength in ((Mode.GAIN, 8.0), (Mode.ADD, 2.0), (Mode.CLAMP, 2.0), (Mode.DEACTIVATE, 1.0)):
        steered = convert(steering(model, module, strength, mode))
        report.check(f"{module}: {mode} changes the speech", not same(plain, steered))
    report.check(f"{module}: sampled, one seed gives one result", same(convert(seed=7), convert(seed=7)))
    asked = 0

    def third() -> bool:
        nonlocal asked
        asked += 1
        return asked >= 3

    try:
        convert(cancelled=third)
        report.check(f"{module}: cancelling ends it", False)
    except Cancelled:
        report.check(f"{module}: cancelled at the third pass, after {passes.count} of them", asked == 3)
    report.check(f"{module}: as before after cancelling", same(plain, convert()))


def check_curve(report: Report, model: GuestLALM, module: str, token_seconds: float) -> None:
    """A module whose gates follow an intensity curve on the clock of its speech tokens."""
    plain, full = follow(model, module, None, 0.0), follow(model, module, None)
    check_level(report, model, module, plain, full)
    at = 3
    late = follow(model, module, ((token_seconds * (at - 1), 0.0), (token_seconds * at, 1.0)))
    few = min(len(late.speech_tokens), len(plain.speech_tokens))
    changed = np.flatnonzero((late.speech_tokens[:few] != plain.speech_tokens[:few]).any(1)).tolist()
    report.check(
        f"{module}: a curve that rises at speech token {at} first changes {changed[:1]}, and is not full strength",
        changed and changed[0] >= at and not same(late, full),
    )
    shares: list[float] = []
    curve = Automation(((0.0, 0.25), (8.0, 0.75)))
    taps = model._guest.sites[module].taps
    intensity = taps.intensity

    def keep(each: Sequence[float]) -> None:
        shares.append(each[0])
        intensity(each)

    vars(taps)["intensity"] = keep
    made = follow(model, module, curve.points)
    del vars(taps)["intensity"]
    count = len(made.speech_tokens)
    # The last pass may end the speech and so make no token.
    ends = [curve.at(token * token_seconds) for token in range(count + 1)]
    first = len(shares) - count
    report.check(
        f"{module}: {len(shares)} passes make {count} speech tokens; each was steered at the share of its time, "
        f"{min(shares):.3f} to {max(shares):.3f}",
        any(np.allclose(shares, [0.25] * (first - over) + ends[: count + over], atol=1e-12) for over in (0, 1)),
    )


def check_level(report: Report, model: GuestLALM, module: str, plain: Any, full: Any) -> None:
    """Curves that come to one strength."""
    third = follow(model, module, None, STRENGTH * 0.3)
    level = follow(model, module, ((0.0, 0.3), (0.5, 0.3)))
    report.check(f"{module}: a level curve at 0.3 is 0.3 of the strength, to the bit", same(level, third))
    silent = follow(model, module, ((0.1, 0.0),))
    report.check(f"{module}: a curve at 0 is the baseline, to the bit", same(silent, plain))
    high, low = (follow(model, module, ((500.0, on), (600.0, 1.0 - on))) for on in (1.0, 0.0))
    report.check(
        f"{module}: a curve that changes after the end comes to full strength and to the baseline, to the bit",
        same(high, full) and same(low, plain) and not same(plain, full),
    )


def follow(model: GuestLALM, module: str, points: tuple[Point, ...] | None, strength: float = STRENGTH) -> Any:
    """What a curve makes of the source."""
    steer = replace(steering(model, module, strength), automation=None if points is None else Automation(points))
    return model.convert([ConversionRequest(SOURCE, "happy", steer, text=WORDS)], module=module)[0]


def same(a: Any, b: Any) -> bool:
    """Whether two conversions are one, to the bit."""
    return (
        a.text == b.text
        and np.array_equal(a.speech_tokens, b.speech_tokens)
        and np.array_equal(a.audio.samples, b.audio.samples)
    )


def small_random(model: torch.nn.Module, seed: int = 0) -> None:
    """Weights large enough that what is generated depends on the input."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1 and "norm" not in name:
                weight.normal_(0.0, 2.0 / weight.shape[-1] ** 0.5)
