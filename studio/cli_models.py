"""``models``: what can be used, what it can do; download, remove, configure, and agree to run code a model brings."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from studio.cli_output import ProgressBar, print_json
from studio.errors import StudioError

if TYPE_CHECKING:
    from studio.lalm.catalog import CatalogEntry
    from studio.lalm.consent import CodeOffer

_DEFAULT = "default"
"""Undoes a choice."""


def add_parsers(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "models",
        help="the models that can be used, and why others cannot; download, remove and configure them",
        description="Without more words: the models, what they can do, and why some cannot be used here.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of sentences")
    parser.set_defaults(run=run_list)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    for name, run, words in (
        ("download", run_download, "download a model's weights; stopped, the same command goes on"),
        ("remove", run_remove, "delete a model's weights"),
        ("set", run_set, "choose a model's precision, speaker, and whether it may ask the net; kept for every use"),
        ("consent", run_consent, "show the code a model brings along, agree to running it, or take that back"),
    ):
        action = actions.add_parser(name, help=words, description=words[0].upper() + words[1:] + ".")
        action.add_argument("name", metavar="NAME", help="model (see: models)")
        # SUPPRESS: else the action's default would undo a --json given before it.
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON document")
        action.set_defaults(run=run)
        if name == "set":
            _add_options(action)
        elif name == "consent":
            answer = action.add_mutually_exclusive_group()
            answer.add_argument("--yes", action="store_true", help="agree without being asked")
            answer.add_argument("--revoke", action="store_true", help="take the agreement back")


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--precision", metavar="P", help=f"such as bf16, 8bit or 4bit; '{_DEFAULT}' leaves it open")
    parser.add_argument("--speaker", metavar="S", help=f"one of the model's voices; '{_DEFAULT}' leaves it open")
    parser.add_argument(
        "--offline",
        action=argparse.BooleanOptionalAction,
        help="download nothing for this model; what is there is loaded from this machine alone, either way",
    )


def run_list(args: argparse.Namespace) -> int:
    """List the catalog."""
    from studio.lalm.catalog import models

    entries = models()
    if args.json:
        print_json({"models": [_document(entry) for entry in entries]})
        return 0
    for entry in entries:
        print(f"{entry.name:16} {'ready' if entry.available else 'not usable':11} {entry.description}")
        print(f"{'':16} {'; '.join(entry.facts.in_words)}")
        if entry.problem is not None:
            print(f"{'':16} {entry.problem}")
    return 0


def run_download(args: argparse.Namespace) -> int:
    """Download one model, showing how far it is."""
    from studio.lalm.catalog import find_model
    from studio.lalm.runtimes.records import find_record
    from studio.lalm.weights import download

    entry = find_model(args.name)
    record = find_record(entry.facts.runtime)
    if record is not None and record.host is not None:
        from studio.lalm.runtimes.start import fetching

        raise StudioError(f"{entry.title} runs on {record.host}; {fetching(entry.facts, record)}")
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


def run_set(args: argparse.Namespace) -> int:
    """Keep how a model is loaded; without options, say how."""
    from studio.lalm.catalog import find_model
    from studio.lalm.options import keep_options, options_of

    facts = find_model(args.name).facts
    before = options_of(facts.name)
    asked = {"precision": args.precision, "speaker": args.speaker}
    chosen: dict[str, Any] = {
        what: None if value == _DEFAULT else value for what, value in asked.items() if value is not None
    }
    if args.offline is not None:
        chosen["offline"] = args.offline
    options = replace(before, **chosen)
    keep_options(facts, options)
    if args.json:
        print_json({"name": facts.name, **asdict(options)})
    else:
        net = "nothing is downloaded" if options.offline else "may be downloaded"
        print(
            f"{facts.title}: precision {options.precision or _DEFAULT} (of {', '.join(facts.precisions)}), "
            f"speaker {options.speaker or _DEFAULT} (of {', '.join(facts.speakers)}), {net}."
        )
    return 0


def run_consent(args: argparse.Namespace) -> int:
    """Show a model's own code and take the user's answer; 0 when it may run afterwards, or may no longer."""
    from studio.lalm import consent
    from studio.lalm.catalog import code_of, find_model

    entry = find_model(args.name)
    if args.revoke:
        revoked = consent.revoke(entry.name)
        if args.json:
            print_json({"name": entry.name, "revoked": revoked})
        else:
            print(f"{entry.title} may not run code of its own." if revoked else f"{entry.title} was never agreed to.")
        return 0
    code = code_of(entry)
    if not args.json:
        print(_code_in_words(code))
    if not code.is_granted():
        if not args.yes and not _agrees(code, quiet=args.json):
            raise StudioError(f"{code.title} was not agreed to and will not run.")
        code.grant()
    if args.json:
        print_json(asdict(code) | {"folder": str(code.folder), "granted": True})
    else:
        print(f"{code.title} may run this code.")
    return 0


def _agrees(code: CodeOffer, *, quiet: bool) -> bool:
    if quiet or not sys.stdin.isatty():
        return False
    try:
        answer = input(f"Run the code of {code.title}? [y/N] ")
    except EOFError:  # Ctrl-D
        return False
    return answer.strip().lower() in ("y", "yes")


def _code_in_words(code: CodeOffer) -> str:
    from studio.lalm import consent

    listed = "".join(f"\n    {name}" for name in code.files)
    return (
        f"{consent.in_words(code)}\n\n  repository  {code.repository}\n  revision    {code.revision}\n"
        f"  SHA-256     {code.digest}\n  files       {len(code.files)}, {code.size / 1e3:.0f} kB, in '{code.folder}'"
        f"{listed}\n"
    )


def _document(entry: CatalogEntry) -> dict[str, Any]:
    return asdict(entry.facts) | {
        "abilities": entry.facts.abilities,
        "weights": str(entry.weights),
        "installed": entry.installed,
        "problem": entry.problem,
    }
