"""``select`` and ``mask show | compare``: masks from statistics, and what is in them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cli_identify import SELECTORS, at_least
from studio.cli_output import UsageError, print_json, table
from studio.emotions import EMOTIONS, parse_emotion
from studio.errors import StudioError

if TYPE_CHECKING:
    # numpy loads only once there is work to do; --help must not wait for it.
    from studio.esn.activity import EmotionActivity
    from studio.esn.mask import EsnMask

DEFAULT_RATE = "0.005"
_BAR = 10
_FACTS = (
    ("model", {"model_id": "", "model_revision": "revision", "config_digest": "config"}),
    (
        "selector",
        {"selector": "", "rate": "rate", "percentile": "percentile", "threshold": "threshold", "seed": "seed"},
    ),
    ("compared", {"compare": ""}),
    ("successes", {"success_counts": "", "cap": "cap", "wer_threshold": "WER at most", "judge": "judge"}),
    ("corpus", {"corpus_fingerprint": "", "split": "split"}),
    ("made", {"date": "", "tool_version": "by ESN Studio"}),
)
"""Lines of ``mask show``: title, and the metadata on it with the words before each."""

_SHOWN_APART = {"module", "notes", *(key for _, keys in _FACTS for key in keys)}


def add_parsers(verbs: Any) -> None:
    """Add the verbs to the command line."""
    parser = verbs.add_parser(
        "select",
        help="make a mask from statistics",
        description="Select emotion-sensitive neurons from the statistics of successful conversions, without "
        "generating anything. The same statistics and settings give the same file, byte for byte.",
    )
    parser.add_argument("source", type=Path, metavar="JOB-or-STATS", help="identification job or *.stats.safetensors")
    parser.add_argument("--selector", choices=SELECTORS, default="cas", help="how neurons are ranked (default: cas)")
    parser.add_argument(
        "--rate", type=_rate, default=DEFAULT_RATE, help="share of all neurons per emotion (default: 0.005 = 0.5 %%)"
    )
    parser.add_argument("--cap", type=at_least(1), metavar="C", help="at most C successes per emotion")
    parser.add_argument(
        "--seed", type=at_least(0), metavar="N", help="of capping and random draws (default: the job's own)"
    )
    parser.add_argument(
        "--percentile", type=_percentile, default=95.0, metavar="P", help="lape's threshold over all P (default: 95)"
    )
    parser.add_argument(
        "--compare-set", nargs="+", type=_emotion, metavar="E", help="emotions to compare (default: the four targets)"
    )
    parser.add_argument(
        "--match-layers", type=Path, metavar="MASK", help="random: as many neurons in each layer as this mask has"
    )
    parser.add_argument(
        "--human", action="store_true", help="count what people accepted instead of the judge's successes (cas: CAS-H)"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="mask to write (*.esn.safetensors)")
    _finish(parser, run_select)

    masks = verbs.add_parser("mask", help="look into masks", description="Look into masks.")
    actions = masks.add_subparsers(title="actions", metavar="ACTION", required=True)
    show = actions.add_parser(
        "show", help="contents of a mask", description="Where a mask comes from and where it sits."
    )
    show.add_argument("mask", type=Path, metavar="FILE", help="mask file")
    _finish(show, run_show)
    compare = actions.add_parser(
        "compare",
        help="overlap of two masks",
        description="Jaccard overlap, direct match (share of A's neurons that B has too) and Jensen-Shannon divergence "
        "of the layer histograms in bits (0 equal, 1 disjoint), per emotion and averaged.",
    )
    compare.add_argument("a", type=Path, metavar="A", help="mask file")
    compare.add_argument("b", type=Path, metavar="B", help="mask file")
    _finish(compare, run_compare)


def run_select(args: argparse.Namespace) -> int:
    """Write a mask; returns 0."""
    if args.match_layers is not None and args.selector != "random":
        raise UsageError("--match-layers shapes random masks only: add --selector random.")
    from studio.esn.mask import EsnMask
    from studio.esn.selectors import Selector, select

    stats = _statistics(args)
    held_seed = stats.metadata.get("seed")
    seed = args.seed if args.seed is not None else held_seed if type(held_seed) is int else 0
    layer_counts = None
    if args.match_layers is not None:
        model_mask = EsnMask.load(args.match_layers)
        layer_counts = {emotion: model_mask.histogram(emotion).tolist() for emotion in model_mask.emotions}
    mask = select(
        stats,
        Selector(args.selector),
        args.rate,
        seed=seed,
        percentile=args.percentile,
        compare=args.compare_set,
        layer_counts=layer_counts,
    )
    mask.save(args.out)
    if args.json:
        print_json({"out": str(args.out), **_contents(mask)})
        return 0
    amount = f"rate {args.rate}" if args.match_layers is None else f"the counts per layer of {args.match_layers}"
    print(f"{args.out}: {mask.method} at {amount} of {sum(mask.widths):,} neurons")
    print()
    print(table(("emotion", "neurons", "tokens"), [
        (emotion, f"{mask.count(emotion):,}", f"{stats.by_emotion[emotion].tokens:,}") for emotion in mask.emotions
    ]))  # fmt: skip
    _print_notes(mask)
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Print what a mask holds; returns 0."""
    from studio.esn.mask import EsnMask

    mask = EsnMask.load(args.mask)
    if args.json:
        print_json({"file": str(args.mask), **_contents(mask)})
        return 0
    print(args.mask)
    module = mask.metadata.get("module") or "unnamed module"
    print(f"  {'module':<12}{_plain(module)}, {len(mask.widths)} layers, {sum(mask.widths):,} neurons")
    known = mask.metadata | {"selector": mask.method or None}
    for title, keys in _FACTS:
        facts = [f"{words} {_plain(known[key])}".strip() for key, words in keys.items() if known.get(key) is not None]
        if facts:
            print(f"  {title:<12}{'; '.join(facts)}")
    for key in sorted(set(mask.metadata) - _SHOWN_APART):
        print(f"  {_plain(key.replace('_', ' ')):<12}{_plain(mask.metadata[key])}")
    print(f"  {'SHA-256':<12}{mask.fingerprint()}")
    print()
    print(_histograms(mask))
    _print_notes(mask)
    return 0


def run_compare(args: argparse.Namespace) -> int:
    """Print how alike two masks are; returns 0."""
    from studio.esn.mask import EsnMask, average, compare

    first, second = EsnMask.load(args.a), EsnMask.load(args.b)
    overlaps = compare(first, second)
    mean = average(overlaps)
    only = {"only_in_a": _missing(first, second), "only_in_b": _missing(second, first)}
    if args.json:
        each = {emotion: asdict(overlap) for emotion, overlap in overlaps.items()}
        print_json({"a": str(args.a), "b": str(args.b), "emotions": each, "average": asdict(mean), **only})
        return 0
    rows = [
        (emotion, f"{first.count(emotion):,}" if emotion in first.indices else "",
         f"{second.count(emotion):,}" if emotion in second.indices else "",
         f"{overlap.jaccard:.3f}", f"{overlap.direct_match:.3f}", f"{overlap.jsd:.3f}")
        for emotion, overlap in [*overlaps.items(), ("average", mean)]
    ]  # fmt: skip
    print(table(("emotion", "in A", "in B", "Jaccard", "direct match", "JSD (bits)"), rows))
    for name, emotions in (("A", only["only_in_a"]), ("B", only["only_in_b"])):
        if emotions:
            print(f"\nOnly {name} has neurons for {', '.join(emotions)}.")
    return 0


def _statistics(args: argparse.Namespace) -> EmotionActivity:
    if args.source.is_dir():
        from studio.pipelines.activity import load_job_activity

        return load_job_activity(args.source, args.cap, args.seed, human=args.human)
    if args.human:
        raise StudioError(f"'{args.source}' holds no verdicts of people; give the identification job's folder instead.")
    from studio.esn.activity import EmotionActivity

    stats = EmotionActivity.load(args.source)
    held = stats.metadata.get("cap")
    if args.cap is not None and args.cap != held:
        holds = "does not say how many successes it sums" if held is None else f"sums at most {_plain(held)} successes"
        raise StudioError(
            f"'{args.source}' {holds} per emotion and cannot be cut to {args.cap}; "
            "give the identification job's folder instead, or leave --cap out."
        )
    return stats


def _contents(mask: EsnMask) -> dict[str, Any]:
    return {
        "fingerprint": mask.fingerprint(),
        "method": mask.method,
        "widths": list(mask.widths),
        "neurons": sum(mask.widths),
        "emotions": list(mask.emotions),
        "counts": {emotion: mask.count(emotion) for emotion in mask.emotions},
        "histogram": {emotion: mask.histogram(emotion).tolist() for emotion in mask.emotions},
        "notes": mask.metadata.get("notes") or [],
        "metadata": mask.metadata,
    }


def _histograms(mask: EsnMask) -> str:
    counts = {emotion: mask.histogram(emotion) for emotion in mask.emotions}
    highest = max(1, *(int(histogram.max()) for histogram in counts.values()))
    digits = max(len(f"{max(mask.count(emotion) for emotion in mask.emotions):,}"), 1)

    def cell(count: int) -> str:
        # Rounded up: a layer with a single neuron must not look empty.
        return f"{count:>{digits},} {'#' * -(-_BAR * count // highest):<{_BAR}}"

    lines = [" ".join(["layer", *(f"{_plain(emotion):<{digits + 1 + _BAR}}" for emotion in counts)])]
    for layer in range(len(mask.widths)):
        lines.append(" ".join([f"{layer:>5}", *(cell(int(histogram[layer])) for histogram in counts.values())]))
    lines.append(" ".join(["total", *(f"{mask.count(emotion):>{digits},} {'':<{_BAR}}" for emotion in counts)]))
    return "\n".join(line.rstrip() for line in lines)


def _print_notes(mask: EsnMask) -> None:
    notes = mask.metadata.get("notes")
    if isinstance(notes, list) and notes:
        print()
        for note in notes:
            print(_plain(note))


def _missing(mask: EsnMask, other: EsnMask) -> list[str]:
    return [emotion for emotion in mask.emotions if emotion not in other.indices]


def _plain(value: Any) -> str:
    """Metadata as one line of printable characters, whoever wrote the file."""
    if isinstance(value, dict):
        value = ", ".join(f"{key} {entry}" for key, entry in value.items())
    elif isinstance(value, list):
        value = ", ".join(map(str, value))
    return "".join(character if character.isprintable() else "?" for character in str(value))


def _finish(parser: argparse.ArgumentParser, handler: Callable[[argparse.Namespace], int]) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of sentences")
    parser.set_defaults(run=handler)


def _rate(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not (value.is_finite() and 0 < value <= 1):
        raise argparse.ArgumentTypeError(f"'{text}' is no share above 0 and at most 1 (0.005 is 0.5 %)")
    return value


def _percentile(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"'{text}' is no percentile between 0 and 100")
    return value


def _emotion(text: str) -> str:
    emotion = parse_emotion(text)
    if emotion is None:
        raise argparse.ArgumentTypeError(f"'{text}' is none of {', '.join(EMOTIONS)}")
    return emotion
