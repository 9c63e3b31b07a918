"""``recognise``: neurons a model recognises emotions with, tested by ablation and gain."""

from __future__ import annotations

import argparse
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cli_identify import SELECTORS, add_corpus_arguments, at_least, open_corpus, share
from studio.cli_output import ProgressBar, UsageError, print_json
from studio.lalm.recognisers import AUDIO_FLAMINGO_3

if TYPE_CHECKING:
    # torch loads only once there is work to do; --help must not wait for it.
    from studio.pipelines.recognise import RecognitionStudy


def add_parsers(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "recognise",
        help="find the neurons a model recognises emotions with, and switch them off",
        description="Let an audio language model recognise emotional recordings by a choice among five options, count "
        "how often each gate is active while it answers rightly, select the neurons that stand out for one emotion, "
        "and measure on other recordings what ablation of them and gain on them do to its answers, beside random "
        "neurons (arXiv 2601.03115).",
    )
    add_corpus_arguments(parser)
    parser.set_defaults(model=AUDIO_FLAMINGO_3)
    parser.add_argument("--selector", choices=SELECTORS, default="cas", help="how neurons are ranked (default: cas)")
    parser.add_argument("--rate", type=share, default=0.005, help="share of neurons per emotion (default: 0.005)")
    parser.add_argument("--cap", type=at_least(1), default=50, metavar="C",
                        help="correct clips per emotion that count (default: 50)")  # fmt: skip
    parser.add_argument("--gain", type=float, default=1.0, metavar="X", help="strength of the gain (default: 1)")
    parser.add_argument("--random", type=at_least(0), default=3, metavar="N", help="random masks (default: 3)")
    parser.add_argument("--test", default="test-seen,test-unseen", metavar="S,...",
                        help="parts of the corpus to test on (default: test-seen,test-unseen)")  # fmt: skip
    parser.add_argument("--batch", type=at_least(1), default=8, metavar="N", help="clips at once (default: 8)")
    parser.add_argument("--out", type=Path, metavar="MASK", help="mask to write (*.esn.safetensors)")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Identify and test; returns 0."""
    if not args.gain > 0:
        raise UsageError("--gain must be above 0.")
    from studio.corpora.splits import IDENTIFICATION, choose, choose_split, spread
    from studio.esn.selectors import Selector
    from studio.lalm.recognisers import load_recogniser
    from studio.pipelines.recognise import RecogniseSettings, study

    corpus = open_corpus(args)
    split = choose_split(corpus.layout, corpus.utterances, args.seed)
    parts = [part.strip() for part in args.test.split(",") if part.strip()]
    settings = RecogniseSettings(
        Selector(args.selector), args.rate, cap=args.cap, seed=args.seed, gain=args.gain, random=args.random,
        batch=args.batch, split=IDENTIFICATION,
    )  # fmt: skip
    identification, test = (spread(choose(split, names), args.limit, args.seed) for names in ([IDENTIFICATION], parts))
    with closing(load_recogniser(args.model)) as model, ProgressBar("recognising", quiet=args.json) as bar:
        found = study(model, identification, test, settings, progress=bar)
    if args.out is not None:
        found.mask.save(args.out)
    if args.json:
        print_json(document(found) | {"mask": None if args.out is None else str(args.out)})
    else:
        print(report(found))
    return 0


def document(found: RecognitionStudy) -> dict[str, Any]:
    """The study as JSON-able data."""
    return {
        "format": 1,
        "metadata": found.metadata,
        "identification": {"heard": found.heard, "correct": found.correct},
        "neurons": {emotion: found.mask.count(emotion) for emotion in found.mask.emotions},
        "test": {"clips": found.clips, "accuracy": found.accuracy},
        "effects": {kind: asdict(effect) for kind, effect in found.effects.items()},
        "notes": list(found.notes),
    }


def report(found: RecognitionStudy) -> str:
    """The study for a person."""
    lines = [*found.notes, "Recognised while identifying: " + ", ".join(
        f"{emotion} {found.correct[emotion]} of {found.heard[emotion]}" for emotion in found.heard)]  # fmt: skip
    lines.append("Accuracy on the test's clips, %: " + ", ".join(
        f"{emotion} {share:.1f} ({found.clips[emotion]})" for emotion, share in found.accuracy.items()))  # fmt: skip
    for kind, effect in found.effects.items():
        lines += ["", f"{kind}: change of accuracy in points; rows: neurons of, columns: recordings of"]
        lines.append(f"{'':10}" + "".join(f"{true:>10}" for true in found.clips) + f"{'answered':>10}")
        for mask, changes in effect.accuracy.items():
            numbers = "".join(f"{changes[true]:+10.1f}" for true in found.clips)
            lines.append(f"{mask:10}{numbers}{effect.pull[mask]:+10.1f}")
        means = [(words, mean) for words, mean in (("own", effect.own), ("others", effect.others)) if mean is not None]
        lines.append("mean " + ", ".join(f"{words} {mean:+.1f}" for words, mean in means))
    return "\n".join(lines)
