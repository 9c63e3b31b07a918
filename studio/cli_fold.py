"""``fold``: a checkpoint with an intervention folded into its weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from studio.cli_output import ProgressBar, print_json
from studio.cli_render import strength_argument, window_argument
from studio.errors import StudioError


def add_parsers(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "fold",
        help="write a checkpoint that is steered by itself, for any server",
        description="Copy a checkpoint folder with gain or deactivation folded into its weights. Other programs then "
        "serve the steered voice unmodified.",
    )
    parser.add_argument("model", metavar="MODEL", help="folder of a checkpoint, or a downloaded model (see: models)")
    parser.add_argument("--mask", type=Path, required=True, metavar="F", help="mask made for this model")
    parser.add_argument(
        "--strength", action="append", required=True, type=strength_argument, metavar="EMO=X",
        help="steer EMO by X; repeatable",
    )  # fmt: skip
    parser.add_argument("--mode", choices=("gain", "add", "clamp", "deactivate"), default="gain",
                        help="gain (default) or deactivate; the others cannot be folded")  # fmt: skip
    parser.add_argument("--layers", type=window_argument, metavar="A-B", help="only layers A to B")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Fold; returns 0."""
    from studio.esn.intervention import Mode, Steering
    from studio.esn.mask import EsnMask
    from studio.lalm.fold import SIDECAR, fold
    from studio.session.masks import module_of

    source = _checkpoint(args.model)
    mask = EsnMask.load(args.mask)
    steering = Steering(mask, Mode(args.mode), dict(args.strength), args.layers)
    with ProgressBar("folding", quiet=args.json) as bar:
        fold(source, steering, args.out, module=module_of(mask), progress=bar)
    if args.json:
        print_json({"folder": str(args.out), "sidecar": str(args.out / SIDECAR)})
    else:
        print(f"{args.out}: loads wherever the original does; {SIDECAR} says what was folded.")
    return 0


def _checkpoint(model: str) -> Path:
    """The folder of that path, else of the catalog's model of that name."""
    if Path(model).is_dir():
        return Path(model)
    from studio.lalm.catalog import find_model

    entry = find_model(model)
    if entry.facts.repo is None:
        raise StudioError(f"{entry.title} is no checkpoint that other programs serve; there is nothing to fold it for.")
    if entry.problem is not None:
        raise StudioError(f"{entry.title} cannot be folded. {entry.problem}")
    return entry.weights
