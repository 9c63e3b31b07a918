"""``corpus check``: what is in a corpus, what is wrong with it, and how it would be split."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cli_identify import at_least, corpus_path
from studio.cli_output import ProgressBar, print_json, printable
from studio.emotions import EMOTIONS

if TYPE_CHECKING:
    # Sound libraries load only once there is work to do; --help must not wait for them.
    from studio.corpora.check import CorpusReport
    from studio.corpora.splits import Split, SplitRow

_SHOWN = 5
"""Problems of a kind named to a person; JSON names all."""


def add_parsers(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser("corpus", help="look into corpora", description="Look into corpora of emotional speech.")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="what is in a corpus and what is wrong with it",
        description="Read a corpus, decode every recording in it, and report speakers, emotions, rates, problems and "
        "the split. What is wrong is listed and ends nothing: the exit code is 0 unless there is no corpus.",
    )
    check.add_argument("corpus", metavar="DIR", help="corpus folder or manifest; 'demo' is the one that ships")
    check.add_argument("--layout", default="auto", metavar="L", help="layout of the corpus (default: found out)")
    check.add_argument("--seed", type=at_least(0), default=0, metavar="N", help="of the split (default: 0)")
    check.add_argument("--split", type=Path, metavar="FILE", help="show this split: a file, or the job folder it is in")
    check.add_argument("--json", action="store_true", help="print one JSON document with every problem")
    check.set_defaults(run=run_check)


def run_check(args: argparse.Namespace) -> int:
    """Check a corpus; returns 0 when that came to its end, whatever was found."""
    from studio.corpora.check import check_corpus
    from studio.corpora.splits import has_own_split, split_table

    with ProgressBar("check", quiet=args.json) as bar:
        report = check_corpus(corpus_path(args.corpus), args.layout, progress=bar)
    rows = split_table(_split(report, args))
    if args.json:
        print_json(report.as_dict() | {"seed": args.seed, "split": [row.as_dict() for row in rows]})
        return 0
    origin = f"seed {args.seed}"
    if args.split is not None:
        origin = str(args.split)
    elif has_own_split(report.layout, report.listed):
        origin = f"customary for {report.layout}"
    for line in (*_contents(report), "", *_split_lines(rows, origin), *_problem_lines(report)):
        print(printable(line))
    return 0


def _split(report: CorpusReport, args: argparse.Namespace) -> Split:
    """The split ``identify`` would use or has used, of which only what can be read is shown."""
    from studio.corpora.splits import FILE, choose_split, load_split

    if args.split is None:
        split = choose_split(report.layout, report.listed, args.seed)
    else:
        split = load_split(args.split / FILE if args.split.is_dir() else args.split, report.listed)
    readable = set(report.utterances)
    return {name: [each for each in part if each in readable] for name, part in split.items()}


def _contents(report: CorpusReport) -> Iterable[str]:
    yield f"{report.root}"
    yield f"  layout      {report.layout}"
    lost = len(report.listed) - len(report.utterances)
    yield f"  utterances  {len(report.utterances):,}" + (f" and {lost:,} that cannot be read" if lost else "")
    yield f"  length      {report.seconds / 3600:.2f} h"
    counts = sorted(report.speakers.values())
    span = dict.fromkeys((str(counts[0]), str(counts[-1])) if counts else ())
    each = f", {' to '.join(span)} utterances each" if span else ""
    yield f"  speakers    {len(counts)}{each}"
    yield f"  emotions    {_counts(report.emotions)}"
    yield f"  rates       {_counts({f'{rate} Hz': count for rate, count in report.rates.items()})}"
    if report.left_out:
        yield f"  left out    {_counts(report.left_out)} (none of the five emotions)"
    if report.passed_over:
        yield f"  passed over {report.passed_over:,} sound files whose names mean nothing in this layout"


def _split_lines(rows: Sequence[SplitRow], origin: str) -> Iterable[str]:
    emotions = [emotion for emotion in EMOTIONS if any(emotion in row.emotions for row in rows)]
    table = [(f"split ({origin})", "speakers", "lines", *emotions)]
    table += [
        (row.name, str(len(row.speakers)), str(row.lines), *(str(row.emotions.get(emotion, 0)) for emotion in emotions))
        for row in rows
    ]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        cells = (text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))
        yield "  ".join([row[0].ljust(widths[0]), *cells])


def _problem_lines(report: CorpusReport) -> Iterable[str]:
    yield ""
    if not report.problems:
        yield "No problems found."
    for kind, count in report.problem_counts.items():
        yield f"{kind}: {count:,}"
        details = [problem.detail for problem in report.problems if problem.kind == kind]
        yield from (f"  {detail}" for detail in details[:_SHOWN])
        if count > _SHOWN:
            yield f"  ... and {count - _SHOWN:,} more (--json names all)"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"
