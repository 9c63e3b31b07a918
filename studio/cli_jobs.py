"""``job show | merge``: what identification jobs have found, and making one of several."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from studio.cli_output import print_json
from studio.emotions import in_order


def add_parsers(verbs: Any) -> None:
    """Add the verb to the command line."""
    jobs = verbs.add_parser("job", help="look into identification jobs, merge them", description="Identification jobs.")
    actions = jobs.add_subparsers(title="actions", metavar="ACTION", required=True)
    show = actions.add_parser("show", help="what a job has found", description="Settings and yield of a job.")
    show.add_argument("job", type=Path, metavar="JOB", help="job folder")
    show.add_argument("--json", action="store_true", help="print one JSON document instead of sentences")
    show.set_defaults(run=run_show)
    merge = actions.add_parser(
        "merge",
        help="make one job of several",
        description="Merge jobs of the same settings over different parts of a corpus, or of its plan (identify "
        "--part). In any order and grouping the result is the same; select makes masks from it.",
    )
    merge.add_argument("jobs", nargs="+", type=Path, metavar="JOB", help="job folders, finished or not")
    merge.add_argument("--out", type=Path, required=True, metavar="DIR", help="new job folder")
    merge.add_argument("--json", action="store_true", help="print one JSON document instead of sentences")
    merge.set_defaults(run=run_merge)


def run_show(args: argparse.Namespace) -> int:
    """Print what a job holds; returns 0."""
    _print(args.job, args.json)
    return 0


def run_merge(args: argparse.Namespace) -> int:
    """Merge jobs and print what the result holds; returns 0."""
    from studio.pipelines.merge import merge_jobs

    merge_jobs(args.jobs, args.out)
    _print(args.out, args.json)
    return 0


def _print(folder: Path, as_json: bool) -> None:
    from studio.pipelines.records import read_attempts, read_document, rejections_of, settings_of
    from studio.pipelines.verdicts import load_verdicts

    document = read_document(folder)
    settings = settings_of(document, folder)
    attempts, verdicts = read_attempts(folder), load_verdicts(folder)
    tried = Counter(each.emotion for each in attempts)
    succeeded = Counter(each.emotion for each in attempts if each.success)
    accepted = Counter(each.emotion for each in attempts if verdicts.get(each.id))
    rejections = rejections_of(attempts)
    emotions = in_order(tried)
    if as_json:
        print_json(
            {
                "job": str(folder),
                "settings": settings,
                "cap": document.get("cap"),
                "date": document.get("date"),
                "parts": document.get("parts") or [],
                "attempts": {emotion: tried[emotion] for emotion in emotions},
                "successes": {emotion: succeeded[emotion] for emotion in emotions},
                "rejections": {emotion: rejections.get(emotion, {}) for emotion in emotions},
                "verdicts": len(verdicts),
                "accepted": {emotion: accepted[emotion] for emotion in emotions},
            }
        )
        return
    print(
        f"{folder}: {settings.get('model_id')}, {settings.get('module')}, judge {settings.get('judge')}, "
        f"{document.get('date')}"
    )
    for emotion in emotions:
        people = f", {accepted[emotion]} accepted by people" if verdicts else ""
        print(f"  {emotion:9} {succeeded[emotion]:4} of {tried[emotion]} conversions succeeded{people}")
        if emotion in rejections:
            kinds = ", ".join(f"{kind} {count}" for kind, count in rejections[emotion].items())
            print(f"            rejected: {kinds}")
    if not emotions:
        print("  nothing has been converted yet")
