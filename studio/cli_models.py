"""``models``: what can be used, what it can do, and downloading and removing its weights."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from studio.cli_output import ProgressBar, print_json

if TYPE_CHECKING:
    from studio.lalm.catalog import CatalogEntry


def add_parsers(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "models",
        help="the models that can be used, and why others cannot; download and remove them",
        description="Without more words: the models, what they can do, and why some cannot be used here.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of sentences")
    parser.set_defaults(run=run_list)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    for name, run, words in (
        ("download", run_download, "download a model's weights; stopped, the same command goes on"),
        ("remove", run_remove, "delete a model's weights"),
    ):
        action = actions.add_parser(name, help=words, description=words[0].upper() + words[1:] + ".")
        action.add_argument("name", metavar="NAME", help="model (see: models)")
        # SUPPRESS: else the action's default would undo a --json given before it.
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON document")
        action.set_defaults(run=run)


def run_list(args: argparse.Namespace) -> int:
    """List the catalog."""
    from studio.lalm.catalog import models

    entries = models()
    if args.json:
        print_json({"models": [_document(entry) for entry in entries]})
        return 0
    for entry in entries:
        print(f"{entry.name:16} {'ready' if entry.available else 'not usable':11} {entry.description}")
        print(f"{'':16} {'; '.join(facts_in_words(entry))}")
        if entry.problem is not None:
            print(f"{'':16} {entry.problem}")
    return 0


def run_download(args: argparse.Namespace) -> int:
    """Download one model, showing how far it is."""
    from studio.lalm.catalog import find_model
    from studio.lalm.weights import download

    entry = find_model(args.name)
    with ProgressBar(entry.title, quiet=args.json) as bar:
        folder = download(entry.facts, progress=bar)
    if args.json:
        print_json({"name": entry.name, "folder": str(folder)})
    else:
        print(f"{entry.title} is in '{folder}'.")
    return 0


def run_remove(args: argparse.Namespace) -> int:
    """Delete one model's weights."""
    from studio.lalm.catalog import find_model
    from studio.lalm.weights import remove

    entry = find_model(args.name)
    freed = remove(entry.facts)
    if args.json:
        print_json({"name": entry.name, "freed_bytes": freed})
    else:
        print(f"{entry.title} is deleted; {freed / 1e9:.1f} GB are free again.")
    return 0


def facts_in_words(entry: CatalogEntry) -> list[str]:
    """What a model can do, its gates, sizes and licence, each in a few words."""
    facts = entry.facts
    words = [f"can {', '.join(facts.abilities)}", f"gates: {', '.join(facts.gates) or 'none'}"]
    if facts.disk is not None:
        words.append(f"{facts.disk / 1e9:.1f} GB to download")
    if facts.memory:
        needs = ", ".join(f"{need / 2**30:.1f} GiB at {name}" for name, need in facts.memory.items())
        words.append(f"about {needs}")
    return [*words, f"runs {facts.runtime}", f"licence: {facts.licence}"]


def _document(entry: CatalogEntry) -> dict[str, Any]:
    return asdict(entry.facts) | {
        "abilities": entry.facts.abilities,
        "weights": str(entry.weights),
        "installed": entry.installed,
        "problem": entry.problem,
    }
