"""Train everything the embedded model ships: ``python -m studio.lalm.embedded.training --voices DIR --work DIR``.

Stages that left their result in the work folder are not repeated; an interrupted network run goes on from its last
checkpoint. Two CPU cores need about two and a half hours with the defaults.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch.multiprocessing.spawn import spawn

from studio.lalm.embedded.training.corpus import JUDGE_LINES, NETWORK_LINES, load_lines, prepare
from studio.lalm.embedded.training.publish import publish
from studio.lalm.embedded.training.train_codec import train_codec
from studio.lalm.embedded.training.train_judge import train_judge
from studio.lalm.embedded.training.train_network import MEETING, Plan, worker
from studio.paths import resources_dir


def main() -> None:
    """Parse the command line and run the stages in order."""
    parser = argparse.ArgumentParser(prog="python -m studio.lalm.embedded.training", description=__doc__)
    parser.add_argument("--voices", type=Path, required=True, help="spoken lines: <speaker>/<speaker>_<number>.ogg")
    parser.add_argument("--work", type=Path, required=True, help="folder for analysed lines and checkpoints")
    parser.add_argument("--out", type=Path, help="folder for the weights (default: where they ship)")
    parser.add_argument("--codec-minutes", type=float, default=6.0)
    parser.add_argument("--network-steps", type=int, default=3600)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    prepare(options.voices, options.work, options.workers)
    torch.set_num_threads(1)
    codec = options.work / "codec.safetensors"
    train_codec(load_lines(options.voices, options.work, NETWORK_LINES), codec, options.codec_minutes, options.seed)
    plan = Plan(options.work, options.network_steps, options.workers, options.seed)
    if plan.workers > 1:
        (plan.work / MEETING).unlink(missing_ok=True)
        spawn(worker, (plan, options.voices), nprocs=plan.workers)
    else:
        worker(0, plan, options.voices)
    judged = load_lines(options.voices, options.work, JUDGE_LINES)
    train_judge(judged, options.voices, codec, options.work / "judge.safetensors", options.seed, options.workers)
    publish(options.work, options.out or resources_dir() / "embedded")


if __name__ == "__main__":
    main()
