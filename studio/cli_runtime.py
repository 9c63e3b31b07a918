"""``runtime``: the environments of models that do not run in the window's own; make, check and delete them."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from studio.cli_output import ProgressBar, print_json, say

if TYPE_CHECKING:
    from studio.lalm.runtimes.records import RuntimeRecord
    from studio.lalm.runtimes.specs import RuntimeSpec


def add_parsers(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "runtime",
        help="environments for models that need other versions than the studio's: list, create, check, remove",
        description="Models that pin other versions of torch or transformers run in environments of their own, here or "
        "on a machine that ssh reaches.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, run, words in (
        ("list", run_list, "the environments, where they are, and what they need"),
        ("create", run_create, "make an environment; go on with one that was interrupted, renew or repair one"),
        ("check", run_check, "start the host in an environment and say whether it would serve its model"),
        ("remove", run_remove, "delete an environment; the model's weights stay"),
    ):
        action = actions.add_parser(name, help=words, description=words[0].upper() + words[1:] + ".")
        if name != "list":
            action.add_argument("name", metavar="NAME", help="environment (see: runtime list)")
        action.add_argument("--json", action="store_true", help="print one JSON document instead of sentences")
        action.set_defaults(run=run)
        if name == "create":
            action.add_argument("--at", metavar="USER@HOST", help="make it on another machine, which ssh reaches "
                                "without asking for a password")  # fmt: skip
            action.add_argument("--python", metavar="PROGRAM", help="make it with this Python")
            action.add_argument("--weights", metavar="FOLDER", help="where the model's weights lie on that machine "
                                "(default: in the cache of the hub)")  # fmt: skip


def run_list(args: argparse.Namespace) -> int:
    """List what can be made and what is."""
    from studio.lalm.runtimes.records import find_record, lacking
    from studio.lalm.runtimes.specs import runtimes

    known = [(spec, find_record(spec.name), lacking(spec)) for spec in runtimes()]
    if args.json:
        print_json({"runtimes": [_document(spec, record, problem) for spec, record, problem in known]})
        return 0
    for spec, record, problem in known:
        print(f"{spec.name:16} {'made' if problem is None else 'not usable':11} for {spec.title}")
        made_with = "" if record is None or not record.python else f", Python {record.python}"
        place = "" if record is None else f"in '{record.folder}' on {record.place.words}{made_with}; "
        print(f"{'':16} {place}takes about {spec.disk / 1e9:.1f} GB; wants Python {spec.python_range}")
        if problem is not None:
            print(f"{'':16} {problem}")
    return 0


def run_create(args: argparse.Namespace) -> int:
    """Make one, after saying what it needs."""
    from studio.lalm.runtimes.create import create, survey
    from studio.lalm.runtimes.places import Place
    from studio.lalm.runtimes.records import find_record
    from studio.lalm.runtimes.specs import find_runtime

    spec, record = find_runtime(args.name), find_record(args.name)
    place = Place(args.at) if args.at or record is None else record.place
    site = survey(spec, place, args.python)
    if not args.json:
        say(site.in_words(spec))
    with ProgressBar(spec.title, quiet=args.json) as bar:

        def tell(words: str) -> None:
            bar.title = f"{spec.title}: {words}"
            if not args.json and not sys.stderr.isatty():
                say(bar.title)

        made = create(spec, site, weights=args.weights, progress=bar, say=tell)
    if args.json:
        print_json(_document(spec, made, None))
    else:
        print(f"The environment of {spec.title} is in '{made.folder}' on {made.place.words}.")
    return 0


def run_check(args: argparse.Namespace) -> int:
    """Start the host there. Raises StudioError for what is wrong."""
    from studio.lalm.runtimes.check import check
    from studio.lalm.runtimes.specs import find_runtime
    from studio.lalm.runtimes.words import check_in_words

    spec = find_runtime(args.name)
    record, found = check(spec)
    if args.json:
        print_json(_document(spec, record, None) | {"python": found.python, "device": found.device})
        return 0
    print(check_in_words(spec, record, found))
    return 0


def run_remove(args: argparse.Namespace) -> int:
    """Delete one."""
    from studio.lalm.runtimes.create import remove
    from studio.lalm.runtimes.specs import find_runtime

    spec = find_runtime(args.name)
    record = remove(spec)
    if args.json:
        print_json({"name": spec.name, "removed": record.folder})
    else:
        print(f"The environment of {spec.title} is deleted from {record.place.words}.")
    return 0


def _document(spec: RuntimeSpec, record: RuntimeRecord | None, problem: str | None) -> dict[str, Any]:
    return {
        "name": spec.name,
        "title": spec.title,
        "pythons": spec.python_range,
        "disk": spec.disk,
        "requirements": [*spec.requirements, *spec.alone],
        "made": None if record is None else asdict(record),
        "problem": problem,
    }
