"""``fold``: a checkpoint with the steering folded into its weights, for any server."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from studio.cli_output import ProgressBar, UsageError, print_json
from studio.cli_render import MODES, _strength, _window
from studio.errors import StudioError


def add_parsers(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "fold",
        help="write a checkpoint with a mask's steering folded in",
        description="Scale the columns of down_proj that belong to a mask's neurons and write the checkpoint anew: it "
        "loads like the original, and any server runs it. Gain and deactivate only.",
    )
    parser.add_argument("model", metavar="MODEL", help="checkpoint folder, or a downloaded model (see: models)")
    parser.add_argument("--mask", required=True, type=Path, metavar="M", help="ESN mask")
    parser.add_argument(
        "--strength", action="append", default=[], type=_strength, metavar="EMO=X", help="steer EMO by X; repeatable"
    )
    parser.add_argument("--mode", choices=MODES, default="gain", help="gain (default) or deactivate")
    parser.add_argument("--layers", type=_window, metavar="A-B", help="steer only layers A to B")
    parser.add_argument("--module", default="language", help="gates to steer: language (default) or synthesis")
    parser.add_argument("--scope", choices=("all", "generated"), default="all", help="only 'all' can be folded")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="new folder for the checkpoint")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of sentences")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Fold and write; returns 0."""
    if not args.strength:
        raise UsageError("Say what to fold in: --strength angry=0.5.")
    from studio.esn.intervention import Mode, Steering, TokenScope
    from studio.esn.mask import EsnMask
    from studio.lalm.fold import fold

    source = _checkpoint(args.model)
    mask = EsnMask.load(args.mask)
    made_for = mask.metadata.get("module")
    if made_for is not None and made_for != args.module:
        raise StudioError(f"'{args.mask}' is a mask of the module '{made_for}'; add --module {made_for}.")
    steering = Steering(mask, Mode(args.mode), dict(args.strength), args.layers, TokenScope(args.scope))
    with ProgressBar("fold", quiet=args.json) as bar:
        document = fold(source, steering, args.out, module=args.module, progress=bar)
    if args.json:
        print_json({"out": str(args.out)} | document)
    else:
        print(f"{args.out}: {document['neurons_scaled']} neurons scaled in the module '{args.module}'")
    return 0


def _checkpoint(model: str) -> Path:
    if Path(model).is_dir():
        return Path(model)
    from studio.lalm.catalog import find_model

    entry = find_model(model)
    if entry.facts.repo is None:
        raise StudioError(f"{entry.title} is no transformers checkpoint, so there is no server to fold it for.")
    if not entry.installed:
        raise StudioError(str(entry.problem))
    return entry.weights
