"""``doctor``: what is there, and what will work on this machine."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from studio.cli_output import print_json
from studio.errors import StudioError

OK, WARNING, FAILURE = "ok", "warning", "failure"

_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Finding:
    """One thing looked at: ``level`` ok, warning (something is missing, the rest works) or failure."""

    topic: str
    level: str
    words: str


def add_parsers(verbs: Any) -> None:
    """Add the verb to the command line."""
    words = "look at this machine and say what will work"
    parser = verbs.add_parser("doctor", help=words, description=words[0].upper() + words[1:] + ".")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of sentences")
    parser.set_defaults(run=run_doctor)


def run_doctor(args: argparse.Namespace) -> int:
    """Look at everything; returns 1 when something without which nothing renders is missing."""
    findings = examine()
    if args.json:
        print_json({"findings": [asdict(finding) for finding in findings]})
    else:
        marks = {OK: "ok", WARNING: "note", FAILURE: "FAIL"}
        for finding in findings:
            print(f"{marks[finding.level]:5} {finding.topic:10} {finding.words}")
    return int(any(finding.level == FAILURE for finding in findings))


def examine() -> list[Finding]:
    """Everything ``doctor`` looks at, in the order it says it."""
    checks: tuple[Callable[[], list[Finding]], ...] = (
        _python, _packages, _torch, _disk, _models, _masks, _demo, _sound, _window
    )  # fmt: skip
    return [finding for check in checks for finding in check()]


def _python() -> list[Finding]:
    level = OK if sys.version_info >= (3, 11) else FAILURE
    return [Finding("python", level, f"{platform.python_version()} on {platform.platform()}")]


def _packages() -> list[Finding]:
    found, missing = [], []
    try:
        names = [_NAME.match(line) for line in requires("esn-studio") or () if "extra ==" not in line]
    except PackageNotFoundError:
        return [Finding("packages", FAILURE, "esn-studio itself is not installed; run: make run, or pip install -e .")]
    for name in sorted({match.group() for match in names if match}, key=str.lower):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    findings = [Finding("packages", OK, ", ".join(found))]
    if missing:
        findings.append(Finding("packages", FAILURE, f"missing: {', '.join(missing)}; run: pip install -e ."))
    return findings


def _torch() -> list[Finding]:
    try:
        import torch
    except (ImportError, OSError) as error:
        return [Finding("torch", FAILURE, f"torch does not load ({error}); install it again")]
    if not torch.cuda.is_available():
        return [Finding("torch", OK, f"no CUDA device; {torch.get_num_threads()} CPU threads")]
    cards = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    driver = _driver()
    return [
        Finding("torch", OK, f"{card.name}, {card.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}{driver}")
        for card in cards
    ]


def _driver() -> str:
    """The NVIDIA driver's version, as the kernel module tells it; empty where that cannot be read."""
    try:
        return f", driver {Path('/sys/module/nvidia/version').read_text().strip()}"
    except OSError:
        return ""


def _disk() -> list[Finding]:
    from studio.lalm.weights import cache

    place = cache()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 1e9
    return [Finding("disk", OK if free > 2 else WARNING, f"{free:.1f} GB free for models, in '{cache()}'")]


def _models() -> list[Finding]:
    from studio.lalm.catalog import DEFAULT, models
    from studio.lalm.fit import first_card, fit
    from studio.lalm.options import ModelOptions, all_options
    from studio.lalm.runtimes.records import host_of

    card = first_card(whole=False)
    findings = []
    try:
        chosen = all_options()
    except StudioError as error:
        chosen = {}
        findings.append(Finding("model", WARNING, str(error)))
    for entry in models():
        host = host_of(entry.facts.runtime)
        fitting = fit(entry.facts, chosen.get(entry.name, ModelOptions()), card) if host is None else None
        there = "weights are there" if host is None else f"runs on {host}"
        says = [f"{entry.title}: {entry.problem or there}", *([fitting.words] if fitting is not None else [])]
        if not entry.available:
            level = FAILURE if entry.name == DEFAULT else WARNING
        else:
            level = OK if fitting is None or fitting.fits else WARNING
        findings.append(Finding("model", level, "; ".join(says)))
    return findings


def _masks() -> list[Finding]:
    from studio.esn.mask import EsnMask
    from studio.paths import masks_dir
    from studio.session.masks import SUFFIX

    findings = []
    for path in sorted(masks_dir().glob(f"*{SUFFIX}")):
        try:
            mask = EsnMask.load(path)
        except StudioError as error:
            findings.append(Finding("mask", WARNING, str(error)))
        else:
            counts = ", ".join(f"{emotion} {mask.count(emotion)}" for emotion in mask.emotions)
            findings.append(Finding("mask", OK, f"{path.name}: {counts}"))
    return findings or [Finding("mask", WARNING, f"none in '{masks_dir()}'; make one with: esn-studio identify")]


def _demo() -> list[Finding]:
    from studio.session.sources import demo_lines

    try:
        lines = demo_lines()
    except StudioError as error:
        return [Finding("demo", WARNING, str(error))]
    speakers = len({line.speaker for line in lines})
    return [Finding("demo", OK, f"{len(lines)} lines by {speakers} speakers")]


def _sound() -> list[Finding]:
    advice = "everything but playing and recording works"
    try:
        import sounddevice

        devices = list(sounddevice.query_devices())
    except (ImportError, OSError) as error:
        return [Finding("sound", WARNING, f"PortAudio does not load ({error}); {advice}; on Debian: libportaudio2")]
    outputs = [device["name"] for device in devices if device["max_output_channels"] > 0]
    inputs = [device["name"] for device in devices if device["max_input_channels"] > 0]
    if not outputs:
        return [Finding("sound", WARNING, f"no sound device; {advice}")]
    return [Finding("sound", OK, f"{len(outputs)} to play on, {len(inputs)} to record from; first: {outputs[0]}")]


def _window() -> list[Finding]:
    try:
        # By name: only the window's own package may import Qt, and this must say so when Qt does not load.
        importlib.import_module("PySide6.QtWidgets")
    except ImportError as error:
        return [Finding("window", WARNING, f"Qt does not load ({error}); run 'make run' once, or see the README")]
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return [Finding("window", WARNING, "no display; verbs work, the window needs a desktop (or: xvfb-run)")]
    return [Finding("window", OK, "Qt loads and there is a display")]
