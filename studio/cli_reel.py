"""``reel``: two readings in turn in one sound file, for somebody who is to choose."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from studio.cli_export import add_format_arguments, export_options
from studio.cli_output import print_json


def add_parsers(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "reel",
        help="alternate two readings in one sound file, with a cue sheet",
        description="Write one sound file that alternates A and B at the same loudness; one low tone announces A, two "
        "high tones B. A .cue sheet and a JSON file with times and settings come beside it.",
    )
    parser.add_argument("a", type=Path, metavar="A", help="sound file")
    parser.add_argument("b", type=Path, metavar="B", help="sound file")
    parser.add_argument("--repeats", type=int, default=2, metavar="N", help="how often each is heard (default: 2)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="sound file to write")
    add_format_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of sentences")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the reel; returns 0."""
    from studio.session.reel import open_part, write_reel

    options = export_options(args)
    written, document = write_reel(args.out, open_part(args.a), open_part(args.b), options, repeats=args.repeats)
    if args.json:
        print_json({"reel": str(written), **document})
        return 0
    print(f"{written}  {document['audio']['seconds']:.2f} s; {document['legend']}")
    for cue in document["cues"]:
        title = document["readings"][cue["label"]]["title"]
        print(f"{cue['speech_seconds']:8.2f} s  {cue['label']}  {title}")
    return 0
