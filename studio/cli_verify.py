"""``verify``: what sound files claim about themselves, and whether they were altered."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cli_output import print_json, printable, say
from studio.errors import StudioError

if TYPE_CHECKING:
    from studio.session.verify import Report


def add_parsers(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "verify",
        help="what a sound file claims, and whether it was altered",
        description="Read what sound files claim (sidecar, bext and INFO texts or Vorbis comments, C2PA content "
        "credentials) and compare it with what is in them. Exit code 0: intact; 1: altered, or nothing to verify. "
        "Hashes reveal accidents and careless changes; only signed credentials withstand forgery.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="sound file")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of sentences")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look at every file; returns 0 when all are intact, else 1."""
    from studio.session.verify import Verdict, verify

    intact = True
    found: list[dict[str, Any]] = []
    for path in args.files:
        try:
            report = verify(path)
        except StudioError as error:
            intact = False
            found.append({"file": str(path), "error": str(error)})
            if not args.json:
                say(f"esn-studio: {error}")
            continue
        intact = intact and report.verdict is Verdict.INTACT
        found.append(_document(report))
        if not args.json:
            print(printable(describe(report)))
    if args.json:
        print_json({"files": found})
    return 0 if intact else 1


def describe(report: Report) -> str:
    """A report for a person: the verdict, the claims, and a line for each check."""
    lines = [f"{report.file}: {report.verdict}"]
    lines.append(
        "  claims to be synthetic speech" if report.synthetic else "  does not say whether the speech is synthetic"
    )
    claims = report.claims
    if claims is not None:
        named = (
            ("tool", claims.tool),
            ("model", claims.model),
            ("mask", claims.mask),
            ("settings", claims.settings),
        )
        lines += [f"  {name:9}{value}" for name, value in named if value]
    if report.manifest is not None:
        lines.append(f"  {'C2PA':9}{', '.join(report.manifest.source_types) or 'no source type'}")
    marks = {True: "ok", False: "ALTERED", None: "undecided"}
    lines += [f"  {marks[check.holds]}: {check.words}" for check in report.checks]
    return "\n".join(lines)


def _document(report: Report) -> dict[str, Any]:
    claims, manifest, sidecar = report.claims, report.manifest, report.sidecar
    return {
        "file": str(report.file),
        "verdict": str(report.verdict),
        "synthetic_speech": report.synthetic,
        "claims": None if claims is None else asdict(claims),
        "content_credentials": None if manifest is None else asdict(manifest),
        "sidecar": sidecar,
        "checks": [asdict(check) for check in report.checks],
    }
