"""``identify``: from a corpus to an ESN mask, without a window."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cli_output import ProgressBar, UsageError, printable, say
from studio.cli_stopping import Stopping
from studio.emotions import EMOTIONS, TARGETS, parse_emotion
from studio.errors import Cancelled, StudioError
from studio.pipelines.recipe import EVERYTHING, Recipe, save_recipe, settings_of, split_of, to_convert

if TYPE_CHECKING:
    # torch loads only once there is work to do; --help must not wait for it.
    from studio.corpora.base import Corpus
    from studio.pipelines.identify import Event
    from studio.pipelines.workers import Workers

JUDGE_HELP = (
    "embedded (default), emotion2vec, audio-flamingo-3, qwen2.5-omni, qwen3-omni, or choice:MODULE:FUNCTION, which "
    "asks an audio language model of yours"
)

DEMO = "demo"
"""Names the corpus that ships."""

SELECTORS = ("cas", "mad", "lape", "lap", "random")
STOPPED = 130
"""Exit code of work that was stopped from outside."""

_SPLITS = ("identification", "development", "test-seen", "test-unseen", EVERYTHING)


def add_parsers(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "identify",
        help="find emotion-sensitive neurons in a corpus",
        description="Convert neutral speech to each emotion, keep the conversions that succeed, count how often each "
        "gate is active in them and select the neurons that stand out. Stopped or killed, the same command goes on "
        "where it was.",
    )
    add_corpus_arguments(parser)
    parser.add_argument("--judge", default="embedded", help=JUDGE_HELP)
    parser.add_argument("--selector", choices=SELECTORS, default="cas", help="how neurons are ranked (default: cas)")
    parser.add_argument("--rate", type=share, default=0.005, help="share of neurons per emotion (default: 0.005)")
    parser.add_argument("--percentile", type=float, default=95.0, metavar="P", help="lape's threshold (default: 95)")
    parser.add_argument("--cap", type=at_least(1), default=50, metavar="C", help="successes per emotion (default: 50)")
    parser.add_argument("--wer", type=float, default=0.15, metavar="X", help="highest WER of a success (default: 0.15)")
    parser.add_argument("--split", choices=_SPLITS, default=_SPLITS[0], help="part to use (default: %(default)s)")
    parser.add_argument(
        "--emotions", type=emotions, default=TARGETS, metavar="E,...", help=f"targets (default: {','.join(TARGETS)})"
    )
    parser.add_argument("--module", default="language", help="gates to look at: language (default) or synthesis")
    parser.add_argument(
        "--part", type=_part, default=(1, 1), metavar="K/N", help="do every N-th batch only; job merge joins the parts"
    )
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="convert on a Ray cluster: HOST:PORT, or auto (this machine's, or else one of its own GPUs or cores)",
    )
    parser.add_argument(
        "--ray-workers", type=at_least(1), metavar="N", help="models on it (default: one per GPU or core)"
    )
    parser.add_argument("--batch", type=at_least(1), default=32, metavar="N", help="conversions at once (default: 32)")
    parser.add_argument("--convert-all", action="store_true", help="go on with an emotion after C successes")
    parser.add_argument("--no-audio", action="store_true", help="do not keep what was generated")
    parser.add_argument(
        "--successes-only", action="store_true", help="keep no counts of rejections; people cannot accept them then"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="MASK", help="mask to write (*.esn.safetensors)")
    parser.add_argument("--work", type=Path, metavar="DIR", help="job folder (default: MASK's name with .job)")
    parser.add_argument("--json", action="store_true", help="print one JSON line per event")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Identify and write the mask; returns 0, 1 when the work failed, 130 when it was stopped and can go on."""
    if not args.wer >= 0 or not 0 <= args.percentile <= 100:
        raise UsageError("--wer must be 0 or more, and --percentile between 0 and 100.")
    if args.ray_workers is not None and args.ray is None:
        raise UsageError("--ray-workers says how many models a Ray cluster gets: add --ray auto, or its address.")
    try:
        return _identify(args)
    except StudioError as error:
        if not args.json:
            raise
        print_event({"event": "failed", "error": str(error)})
        return 1
    except (Cancelled, KeyboardInterrupt):
        if args.json:
            print_event({"event": "stopped", "job": str(_work(args))})
        else:
            say(f"Stopped; what was finished is kept in {_work(args)}, and the same command goes on there.")
        return STOPPED


def _identify(args: argparse.Namespace) -> int:
    from studio.corpora.splits import FILE as SPLIT_FILE
    from studio.corpora.splits import save_split
    from studio.pipelines.identify import identify

    corpus = open_corpus(args)
    recipe = _recipe(args)
    split = split_of(recipe, corpus.layout, corpus.utterances)
    utterances = to_convert(recipe, split)
    settings = settings_of(recipe)
    work = _work(args)

    def keep() -> None:
        save_split(work / SPLIT_FILE, split)
        save_recipe(recipe, work)

    with (
        _workers(args) as workers,
        Stopping("Stopping after what is being converted; once more to stop at once.") as stopping,
        ProgressBar("identify", quiet=args.json) as bar,
    ):
        report = _Report(bar, args.json, keep)
        found = identify(workers, utterances, settings, work, on_event=report, progress=bar, pausing=stopping.asked)
    found.mask.save(args.out)
    if args.json:
        print_event({"event": "saved", "out": str(args.out), "fingerprint": found.mask.fingerprint()})
    else:
        counts = ", ".join(f"{emotion} {found.mask.count(emotion)}" for emotion in found.mask.emotions)
        print(f"{args.out}: {found.mask.method} at rate {args.rate:g} ({counts} neurons); the job is in {work}")
    return 0


def _recipe(args: argparse.Namespace) -> Recipe:
    return Recipe(
        corpus=corpus_path(args.corpus).absolute(),
        layout=args.layout,
        part=args.split,
        limit=args.limit,
        model=args.model,
        judge=args.judge,
        emotions=args.emotions,
        module=args.module,
        selector=args.selector,
        rate=args.rate,
        percentile=args.percentile,
        cap=args.cap,
        wer_threshold=args.wer,
        seed=args.seed,
        batch=args.batch,
        stop_early=not args.convert_all,
        share=args.part,
        keep_audio=not args.no_audio,
        keep_rejected=not args.successes_only,
    )


@contextmanager
def _workers(args: argparse.Namespace) -> Iterator[Workers]:
    if args.ray is not None:
        from studio.pipelines.cluster import RayWorkers

        with RayWorkers(args.ray, args.model, args.judge, args.ray_workers) as cluster:
            yield cluster
        return
    from studio.judges.catalog import load_judge
    from studio.lalm.catalog import load_model
    from studio.pipelines.workers import InProcess

    judge = load_judge(args.judge)
    with closing(load_model(args.model)) as model:
        yield InProcess(model, judge)


def _work(args: argparse.Namespace) -> Path:
    out: Path = args.out
    return args.work or out.with_name(out.name.removesuffix(".safetensors").removesuffix(".esn") + ".job")


class _Report:
    """Events as JSON lines, or as sentences around a progress bar; ``on_start`` is called once the job is open."""

    def __init__(self, bar: ProgressBar, as_json: bool, on_start: Callable[[], None]) -> None:
        self._bar = bar
        self._json = as_json
        self._on_start = on_start

    def __call__(self, event: Event) -> None:
        from studio.pipelines.identify import Finished, Progressed, Started, Warned

        if isinstance(event, Started):
            self._on_start()
        if self._json:
            print_event({"event": type(event).__name__.lower()} | asdict(event))
            return
        match event:
            case Started(total=total, done=done, job=job):
                before = f", {done} of them done before" if done else ""
                say(f"Up to {total} conversions{before}; the job is in {job}.")
            case Progressed(seconds_left=seconds, successes=successes):
                minutes, rest = divmod(round(seconds), 60)
                found = " ".join(f"{emotion} {count}" for emotion, count in successes.items())
                self._bar.title = f"{found}  {minutes}:{rest:02d} left "
            case Warned(sentence=sentence):
                say(sentence)
            case Finished(attempts=attempts, successes=successes, seconds=seconds):
                say(f"{sum(attempts.values())} conversions in {seconds:.0f} s; successes used:")
                for emotion, count in attempts.items():
                    say(f"  {emotion:9} {successes.get(emotion, 0):4} (of {count} conversions)")


def add_corpus_arguments(parser: argparse.ArgumentParser) -> None:
    """The corpus, how it is read and split, and the model."""
    parser.add_argument("corpus", metavar="CORPUS", help=f"corpus folder or manifest; '{DEMO}' is the one that ships")
    parser.add_argument("--layout", default="auto", help="layout of the corpus (default: found out)")
    parser.add_argument("--model", default="embedded", help="model (see: models; default: embedded)")
    parser.add_argument("--limit", type=at_least(1), metavar="N", help="at most N utterances, spread over the speakers")
    parser.add_argument("--seed", type=at_least(0), default=0, metavar="N", help="of every draw (default: 0)")


def open_corpus(args: argparse.Namespace) -> Corpus:
    """Read the corpus and say what could not be used; raises CorpusError when nothing can."""
    from studio.corpora.layouts import read_corpus

    corpus = read_corpus(corpus_path(args.corpus), args.layout)
    if not args.json:
        for problem in corpus.problems[:5]:
            say(problem.detail)
        if len(corpus.problems) > 5:
            say(f"... and {len(corpus.problems) - 5} more problems in the corpus.")
        if corpus.left_out:
            counts = ", ".join(f"{label} {count}" for label, count in sorted(corpus.left_out.items()))
            say(f"Left out, being none of the five emotions: {counts}.")
    return corpus


def corpus_path(name: str) -> Path:
    """Where the corpus ``name`` lies, which may be the one that ships."""
    from studio.paths import resources_dir

    return resources_dir() / DEMO if name == DEMO and not os.path.lexists(name) else Path(name)


def print_event(document: dict[str, Any]) -> None:
    """One JSON document on a line of its own, at once."""
    print(printable(json.dumps(document, ensure_ascii=False, allow_nan=False)), flush=True)


def at_least(least: int) -> Callable[[str], int]:
    """Argument type: a whole number not below ``least``."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"'{text}' is no whole number of at least {least}")
        return value

    return parse


def _part(text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"'{text}' is no part such as 2/3, the second of three")
    return int(part), int(parts)


def share(text: str) -> float:
    """Argument type: above 0 and at most 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no share above 0 and at most 1 (0.005 is 0.5 %)")
    return value


def emotions(text: str) -> tuple[str, ...]:
    """Argument type: emotions separated by commas, each once, in the project's order."""
    named = [parse_emotion(part) for part in text.split(",") if part.strip()]
    if not named or None in named:
        raise argparse.ArgumentTypeError(f"'{text}' names none, or others, of {', '.join(EMOTIONS)}")
    return tuple(emotion for emotion in EMOTIONS if emotion in named)
