"""``emosteer``: train learned vectors (EmoShift), and show what a file of them holds."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cli_identify import JUDGE_HELP, STOPPED, add_corpus_arguments, at_least, emotions, open_corpus, print_event
from studio.cli_output import ProgressBar, UsageError, print_json, say
from studio.cli_stopping import Stopping
from studio.emotions import NEUTRAL, TARGETS
from studio.errors import Cancelled

if TYPE_CHECKING:
    # torch loads only once there is work to do; --help must not wait for it.
    from studio.pipelines.emosteer import Step
    from studio.pipelines.own_speech import Spoken

_TAKES = 8


def add_parsers(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser("emosteer", help="learned steering vectors: train them, show a file of them")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    training = actions.add_parser(
        "train",
        help="train learned vectors on a frozen model",
        description="Train, per emotion, a matrix that shifts a hidden state of the frozen model (EmoShift). "
        "Interrupted, the same command goes on from its last checkpoint, to the same bytes.",
    )
    add_corpus_arguments(training)
    training.add_argument("--split", default="identification", help="part of the corpus (default: identification)")
    training.add_argument("--steps", type=at_least(1), default=200, metavar="N", help="steps (default: 200)")
    training.add_argument("--batch", type=at_least(1), default=8, metavar="N",
                          help="lines per emotion and step (default: 8)")  # fmt: skip
    training.add_argument("--learning-rate", type=float, default=0.05, metavar="X", help="of Adam (default: 0.05)")
    training.add_argument("--eps", type=float, default=0.001, metavar="X", help="the paper's epsilon (default: 0.001)")
    training.add_argument("--emotions", type=emotions, default=TARGETS, metavar="E,...", help="default: all targets")
    training.add_argument("--judge", metavar="J", help="who accepts what a model learns from that learns from its own "
                          f"speech (Qwen2.5-Omni): {JUDGE_HELP}")  # fmt: skip
    training.add_argument("--takes", type=at_least(1), metavar="N", help="conversions of each line such a model makes "
                          f"to learn from, the first greedily, the others sampled (default: {_TAKES})")  # fmt: skip
    training.add_argument("--out", type=Path, required=True, metavar="FILE", help="to write (*.emosteer.safetensors)")
    training.add_argument("--work", type=Path, metavar="DIR", help="checkpoints (default: FILE's name with .work)")
    training.add_argument("--json", action="store_true", help="print one JSON line per step")
    training.set_defaults(run=train)
    showing = actions.add_parser("show", help="what a file of learned vectors holds")
    showing.add_argument("file", type=Path, metavar="FILE")
    showing.add_argument("--json", action="store_true", help="print JSON instead of sentences")
    showing.set_defaults(run=show)


def train(args: argparse.Namespace) -> int:
    """Train and write the file; returns 0, or 130 when it was stopped and can go on."""
    if not args.learning_rate > 0 or not 0 < args.eps <= 1:
        raise UsageError("--learning-rate must be above 0, and --eps above 0 and at most 1.")
    from studio.corpora.splits import choose, choose_split, spread
    from studio.judges.catalog import DEFAULT, load_judge
    from studio.lalm.steerable import QWEN, SelfTaught, load_steerable
    from studio.pipelines import emosteer, own_speech
    from studio.pipelines.listening import usable

    if args.model not in QWEN and (args.judge is not None or args.takes is not None):
        raise UsageError(f"--judge and --takes are for models that learn from their own speech: {', '.join(QWEN)}.")
    out: Path = args.out
    work = args.work or out.with_name(out.name.removesuffix(".safetensors").removesuffix(".emosteer") + ".work")
    corpus = open_corpus(args)
    split = choose_split(corpus.layout, corpus.utterances, args.seed)
    part = choose(split, [args.split])
    # The limit counts lines; what is parallel to a line comes with it.
    kept = spread([each for each in part if each.emotion == NEUTRAL], args.limit, args.seed)
    lines = {(each.speaker, each.utterance) for each in kept}
    utterances = [each for each in part if (each.speaker, each.utterance) in lines]
    settings = emosteer.TrainSettings(args.emotions, args.steps, args.batch, args.learning_rate, args.eps, args.seed)
    judge = load_judge(args.judge or DEFAULT) if args.model in QWEN else None
    model = load_steerable(args.model)
    try:
        with (
            Stopping("Stopping after this step; once more to stop at once.") as stopping,
            ProgressBar("emosteer", quiet=args.json) as bar,
        ):
            report = _Report(bar, args.json)
            taught = None
            if judge is not None and isinstance(model, SelfTaught):
                taught = own_speech.teach(
                    model, judge, utterances, settings.emotions, work, takes=args.takes or _TAKES, seed=args.seed,
                    on_spoken=report.spoken, on_note=report.note, cancelled=stopping.asked,
                )  # fmt: skip
            else:
                heard = utterances if model.needs_recordings else kept
                useless = set(heard) - set(usable(heard, model.info.max_seconds, report.note, stopping.asked))
                utterances = [each for each in utterances if each not in useless]
            vectors = emosteer.train(
                model, utterances, settings, work, taught=taught, on_step=report, cancelled=stopping.asked
            )
    except Cancelled:
        if args.json:
            print_event({"event": "stopped", "work": str(work)})
        else:
            say(f"Stopped; what was finished is kept in {work}, and the same command goes on there.")
        return STOPPED
    vectors.save(out)
    if args.json:
        print_event({"event": "saved", "out": str(out), "fingerprint": vectors.fingerprint()})
    else:
        print(f"{out}: {_losses(vectors.metadata['training'])}")
    return 0


def show(args: argparse.Namespace) -> int:
    """Print what a file holds; returns 0."""
    from studio.esn.emosteer import EmoVectors

    vectors = EmoVectors.load(args.file)
    document = {
        "file": str(args.file),
        "fingerprint": vectors.fingerprint(),
        "site": vectors.site,
        "width": vectors.dim,
        "eps": vectors.eps,
        "emotions": list(vectors.emotions),
        "metadata": vectors.metadata,
    }
    if args.json:
        print_json(document)
        return 0
    print(
        f"{args.file}: {', '.join(vectors.emotions)}; input of {vectors.site}, {vectors.dim} wide, eps {vectors.eps:g}"
    )
    print(f"model {vectors.metadata.get('model_id', 'not said')} {vectors.metadata.get('model_revision', '')}".rstrip())
    training = vectors.metadata.get("training")
    if isinstance(training, dict) and (losses := _losses(training)):
        print(f"trained for {training.get('steps')} steps; {losses}")
        if isinstance(judge := training.get("judge"), str):
            print(f"learned from the model's own speech, as {judge} heard it; judge it by another, too")
    return 0


class _Report:
    """Steps as JSON lines, or as a progress bar that says how long is left."""

    def __init__(self, bar: ProgressBar, as_json: bool) -> None:
        self._bar = bar
        self._json = as_json

    def __call__(self, step: Step) -> None:
        if self._json:
            print_event({"event": "step", "done": step.done, "total": step.total, "losses": step.losses,
                         "seconds_left": round(step.seconds_left, 1)})  # fmt: skip
            return
        mean = sum(step.losses.values()) / len(step.losses)
        self._draw(f"loss {mean:.3f}", step)

    def spoken(self, spoken: Spoken) -> None:
        """Takes of a line are done."""
        if self._json:
            left = {"seconds_left": round(spoken.seconds_left, 1)}
            print_event({"event": "spoken"} | asdict(spoken) | left)
        else:
            self._draw(" ".join(f"{emotion} {count}" for emotion, count in spoken.accepted.items()), spoken)

    def note(self, sentence: str) -> None:
        """Something a person should know."""
        if self._json:
            print_event({"event": "note", "sentence": sentence})
        else:
            say(sentence)

    def _draw(self, found: str, reached: Step | Spoken) -> None:
        minutes, rest = divmod(round(reached.seconds_left), 60)
        self._bar.title = f"{found}  {minutes}:{rest:02d} left "
        self._bar(reached.done / reached.total)


def _losses(training: dict[str, Any]) -> str:
    """What the loss was and became, as far as the file says it in numbers: anybody may have written it."""
    first, last = training.get("loss_at_first"), training.get("loss_at_last")
    if not isinstance(first, dict) or not isinstance(last, dict):
        return ""
    both = ((emotion, first.get(emotion), value) for emotion, value in last.items())
    known = [(name, a, b) for name, a, b in both if isinstance(a, int | float) and isinstance(b, int | float)]
    return "loss " + ", ".join(f"{emotion} {a:.3f} to {b:.3f}" for emotion, a, b in known) if known else ""
