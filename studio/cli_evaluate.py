"""``evaluate``: what masks and learned vectors do to held-out speech, as a table and as JSON."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cli_identify import JUDGE_HELP, add_corpus_arguments, at_least, emotions, open_corpus
from studio.cli_output import ProgressBar, UsageError, print_json, table
from studio.emotions import NEUTRAL, TARGETS

if TYPE_CHECKING:
    # torch loads only once there is work to do; --help must not wait for it.
    from studio.corpora.base import Corpus, Utterance
    from studio.esn.calibration import Point
    from studio.pipelines.effects import Cell, Effect
    from studio.pipelines.evaluate import Evaluation, Group, Recogniser

MEASURES = ("acoustics", "naturalness", "utmos", "speaker", "speaker-wavlm")


def add_parsers(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "evaluate",
        help="measure what masks and learned vectors do to held-out speech",
        description="Convert held-out neutral speech without and with a mask and compare: match rate of the judge, "
        "self-effect, cross-effect, random masks with the same number of neurons per layer, deactivation, the matrix "
        "of mask and target emotions, word error rates. Changes are in points, with standard errors over utterances.",
    )
    add_corpus_arguments(parser)
    parser.add_argument("--mask", nargs="+", type=Path, default=[], metavar="F", help="masks to evaluate")
    parser.add_argument("--emosteer", nargs="+", type=Path, default=[], metavar="F",
                        help="learned vectors to evaluate, compared with the masks")  # fmt: skip
    parser.add_argument("--alphas", type=_strengths, default=(1.0, 2.0, 3.0), metavar="X,...",
                        help="of learned vectors; the last is the control (default: 1,2,3)")  # fmt: skip
    parser.add_argument("--judge", default="embedded", help=JUDGE_HELP)
    parser.add_argument("--split", type=_names, default=("test-seen", "test-unseen"), metavar="S,...",
                        help="parts of the corpus (default: test-seen,test-unseen)")  # fmt: skip
    parser.add_argument("--mode", choices=("gain", "add", "clamp"), default="gain", help="intervention (default: gain)")
    parser.add_argument("--strengths", type=_strengths, default=(0.3, 0.5, 1.0), metavar="X,...",
                        help="of the self-effect (default: 0.3,0.5,1.0)")  # fmt: skip
    parser.add_argument("--control", type=float, metavar="X",
                        help="strength of cross-effects and random masks (default: the largest)")  # fmt: skip
    parser.add_argument("--random", type=at_least(0), default=5, metavar="N", help="random masks (default: 5)")
    parser.add_argument("--no-deactivation", action="store_true", help="leave deactivation out")
    parser.add_argument("--emotions", type=emotions, default=TARGETS, metavar="E,...", help="targets (default: all)")
    parser.add_argument("--module", default="language", help="gates to steer: language (default) or synthesis")
    parser.add_argument("--asr", action="store_true", help="also measure WER by ear, with a recogniser on the audio")
    parser.add_argument("--measures", type=_measure_names, default=(), metavar="M,...",
                        help=f"also measure the audio: {', '.join(MEASURES)}")  # fmt: skip
    parser.add_argument("--batch", type=at_least(1), default=32, metavar="N", help="conversions at once (default: 32)")
    parser.add_argument("--calibrate", action="store_true",
                        help="keep what the strengths cost beside each mask: its zones in the window")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the results here, as JSON")
    parser.add_argument("--json", action="store_true", help="print the results as JSON instead of tables")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate each mask; returns 0."""
    control = max(args.strengths) if args.control is None else args.control
    if control not in args.strengths:
        raise UsageError(f"--control {control:g} must be one of --strengths.")
    if not args.mask and not args.emosteer:
        raise UsageError("Nothing to evaluate: name a --mask, learned vectors (--emosteer), or both.")
    from studio import atomic
    from studio.esn.calibration import write_calibration
    from studio.esn.emosteer import EmoVectors
    from studio.esn.intervention import Mode
    from studio.esn.mask import EsnMask
    from studio.judges.catalog import load_judge
    from studio.lalm.catalog import load_model
    from studio.pipelines.evaluate import EvaluateSettings, evaluate
    from studio.pipelines.measures import load_measure

    candidates: dict[Path, EsnMask | EmoVectors] = {path: EsnMask.load(path) for path in args.mask}
    candidates |= {path: EmoVectors.load(path) for path in args.emosteer}
    corpus = open_corpus(args)
    splits = _splits(corpus, args)
    settings = EvaluateSettings(
        targets=args.emotions,
        mode=Mode(args.mode),
        strengths=args.strengths,
        control=control,
        random=args.random,
        deactivate=not args.no_deactivation,
        module=args.module,
        batch=args.batch,
    )
    judge = load_judge(args.judge)
    recognise = _recogniser(corpus) if args.asr else None
    measures = [load_measure(name) for name in args.measures]
    alphas = replace(settings, strengths=args.alphas, control=args.alphas[-1])
    results: list[dict[str, Any]] = []
    evaluations: dict[Path, Evaluation] = {}
    with closing(load_model(args.model)) as model:
        for path, candidate in candidates.items():
            asked = alphas if isinstance(candidate, EmoVectors) else settings
            with ProgressBar(path.name, quiet=args.json) as bar:
                found = evaluate(
                    model, judge, splits, candidate, asked, recognise=recognise, measures=measures, progress=bar
                )
            results.append({"file": str(path)} | _document(found))
            evaluations[path] = found
            calibrates = args.calibrate and isinstance(candidate, EsnMask)
            if calibrates:
                kept = write_calibration(path, candidate.fingerprint(), {args.mode: sweep(found)})
                results[-1]["calibration"] = str(kept)
            if args.out is not None:
                # After each: a later one that fails or is interrupted takes nothing away.
                atomic.write_json(args.out, {"format": 1, "evaluations": results})
            if not args.json:
                print(report(path, found), flush=True)
                if calibrates:
                    print(f"zones kept in {kept}", flush=True)
    if len(evaluations) > 1 and not args.json:
        print("\n" + comparison(evaluations))
    if args.json:
        print_json({"format": 1, "evaluations": results})
    return 0


def sweep(found: Evaluation) -> dict[str, list[Point]]:
    """What each strength of the self-effect costs against the baseline, per emotion, over all splits."""
    from studio.esn.calibration import Point

    group = found.groups["all"]
    baseline = group.effect("baseline").targets
    swept: dict[str, list[Point]] = {}
    for effect in group.effects:
        for target, cell in effect.targets.items() if effect.condition.kind == "self" else ():
            before = baseline[target]
            wer = cell.wer - before.wer
            if cell.heard_wer is not None and before.heard_wer is not None:
                wer = max(wer, cell.heard_wer - before.heard_wer)
            voices = before.measures.get("speaker"), cell.measures.get("speaker")
            lost = None if voices[0] is None or voices[1] is None else round(voices[0] - voices[1], 4)
            swept.setdefault(target, []).append(Point(effect.condition.strength, round(wer, 2), lost))
    return swept


def report(path: Path, found: Evaluation) -> str:
    """Everything found with one mask, as tables for a person."""
    facts = found.metadata
    what = (
        f"{facts['method']} at rate {facts['rate']}, {facts['mode']}"
        if "rate" in facts
        else (f"{facts['method']} before {facts['site']}, strengths are alphas")
    )
    lines = [f"{path}  {what}, judge {facts['judge']}"]
    lines += found.notes
    for name, group in found.groups.items():
        lines += ["", f"{name}: {group.utterances} utterances", *_effects(group), "", *_matrix(group)]
        if group.gap is not None:
            lines += [f"self-cross gap {group.gap:+.1f} points"]
        if group.source_heard_wer is not None:
            lines += [f"WER by ear of the sources {group.source_heard_wer:.1f} %"]
    return "\n".join(lines)


def comparison(evaluations: Mapping[Path, Evaluation]) -> str:
    """All that was evaluated, side by side: over all utterances, each at every strength and with its random control."""
    rows = [["compared, points of match", "self", "cross", "random", "gap", "p", "WER"]]
    for path, found in evaluations.items():
        group = found.groups["all"]
        by_kind: dict[tuple[str, float], Effect] = {
            (effect.condition.kind, effect.condition.strength): effect for effect in group.effects
        }
        if not rows[1:]:
            base = by_kind["baseline", 0.0].mean
            rows.append(["baseline", f"{base.match:.1f} %", "", "", "", f"{base.probability:.3f}", f"{base.wer:.1f}"])
        for (kind, strength), effect in by_kind.items():
            if kind != "self":
                continue
            others = [by_kind.get((other, strength)) for other in ("cross", "random")]
            gap = group.gap if others[0] is not None else None
            rows.append([
                f"{path.name} {found.metadata['mode']} {strength:g}",
                *("-" if each is None else _points(each, each.mean) for each in (effect, *others)),
                _number(gap, 1, "+"),
                f"{effect.mean.probability:.3f}",
                f"{effect.mean.wer:.1f}",
            ])  # fmt: skip
    return table(rows[0], rows[1:])


def _effects(group: Group) -> list[str]:
    targets = list(group.effects[0].targets)
    measured = sorted({name for effect in group.effects for name in effect.mean.measures})
    heard = any(effect.mean.heard_wer is not None for effect in group.effects)
    titles = ["match, change in points", *targets, "mean", "p", "WER", *(["by ear"] if heard else []), *measured]
    rows = [titles]
    for effect in group.effects:
        mean = effect.mean
        rows.append([
            effect.condition.name,
            *(_points(effect, effect.targets.get(target)) for target in targets),
            _points(effect, mean),
            f"{mean.probability:.3f}",
            f"{mean.wer:.1f}",
            *([_number(mean.heard_wer)] if heard else []),
            *(_number(mean.measures.get(name), 2) for name in measured),
        ])  # fmt: skip
    return table(rows[0], rows[1:]).splitlines()


def _matrix(group: Group) -> list[str]:
    targets = list(group.effects[0].targets)
    rows = [["mask \\ target", *targets]]
    rows += [
        [mask, *(_number(changes.get(target), 1, "+") for target in targets)] for mask, changes in group.matrix.items()
    ]
    return table(rows[0], rows[1:]).splitlines() if group.matrix else []


def _points(effect: Effect, cell: Cell | None) -> str:
    if cell is None:
        return "-"
    if effect.condition.kind == "baseline":
        interval = "" if cell.low is None else f" [{cell.low:.0f}-{cell.high:.0f}]"
        return f"{cell.match:.1f} %{interval}"
    error = "" if cell.error is None else f" ± {cell.error:.1f}"
    return f"{cell.change:+.1f}{error}"


def _number(value: float | None, digits: int = 1, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.{digits}f}"


def _document(found: Evaluation) -> dict[str, Any]:
    """The results as JSON-able data, conditions by name; without the single rows."""
    groups = {
        name: {
            "utterances": group.utterances,
            "effects": {
                effect.condition.name: {
                    "kind": effect.condition.kind,
                    "strength": effect.condition.strength,
                    "targets": {target: asdict(cell) for target, cell in effect.targets.items()},
                    "mean": asdict(effect.mean),
                    "variants": effect.variants,
                }
                for effect in group.effects
            },
            "matrix": group.matrix,
            "gap": group.gap,
            "source_heard_wer": group.source_heard_wer,
        }
        for name, group in found.groups.items()
    }
    return {"metadata": found.metadata, "notes": list(found.notes), "groups": groups}


def _splits(corpus: Corpus, args: argparse.Namespace) -> dict[str, list[Utterance]]:
    from studio.corpora.splits import choose, choose_split, spread

    split = choose_split(corpus.layout, corpus.utterances, args.seed)
    parts = {
        name: [each for each in choose(split, [name]) if each.emotion == NEUTRAL] for name in dict.fromkeys(args.split)
    }
    # The limit holds for all parts together, each keeping its share.
    kept = set(spread([each for part in parts.values() for each in part], args.limit, args.seed))
    return {name: [each for each in part if each in kept] for name, part in parts.items()}


def _recogniser(corpus: Corpus) -> Recogniser:
    from studio.judges.asr import recogniser_for

    return recogniser_for(frozenset(each.text for each in corpus.utterances if each.text))


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _measure_names(text: str) -> tuple[str, ...]:
    names = _names(text)
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        raise argparse.ArgumentTypeError(f"'{unknown[0]}' is none of {', '.join(MEASURES)}")
    return names


def _strengths(text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or not all(0 < number < float("inf") for number in numbers):
        raise argparse.ArgumentTypeError(f"'{text}' is no list of numbers above 0, such as 0.3,0.5,1.0")
    return numbers
