"""``render``: steered takes of sound files and demo lines, without a window."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cli_export import add_format_arguments, add_name_arguments, export_options
from studio.cli_output import ProgressBar, UsageError, print_json, say, table
from studio.emotions import TARGETS, parse_emotion
from studio.errors import StudioError
from studio.esn.automation import Automation

if TYPE_CHECKING:
    # torch loads only once a render really starts; --help must not wait for it.
    from studio.esn.emosteer import EmoVectors
    from studio.esn.mask import EsnMask
    from studio.judges.base import EmotionJudge
    from studio.lalm.base import SpeechLALM
    from studio.session.export import Exported
    from studio.session.settings import RenderSettings
    from studio.session.sources import Source
    from studio.session.take import Take

MODES = ("gain", "add", "clamp", "deactivate")


def add_parsers(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "render",
        help="render sound files or demo lines with another emotion",
        description="Render each source towards an emotion, steered by its emotion-sensitive neurons; writes sound "
        "files with a JSON file beside each that says how it was made.",
    )
    parser.add_argument("sources", nargs="+", metavar="SRC", help="sound file, or a demo line: demo:0011_000001")
    parser.add_argument("--to", required=True, type=_emotion, metavar="EMO", help="target: " + ", ".join(TARGETS))
    parser.add_argument(
        "--strength",
        action="append",
        default=[],
        type=strength_argument,
        metavar="EMO=X",
        help="steer EMO by X; repeatable",
    )
    parser.add_argument(
        "--ladder",
        type=_ladder,
        metavar="X,Y,...",
        help="one take per strength of the target emotion (per alpha, with --emosteer), in one batch",
    )
    parser.add_argument(
        "--ladder-of",
        action="append",
        type=_emotion,
        metavar="EMO",
        help="climb with EMO instead of the target; repeatable, to climb with several together",
    )
    parser.add_argument(
        "--curve",
        type=_curve,
        metavar="T:X,...",
        help="share X (0 to 1) of all strengths at T seconds, straight between",
    )
    parser.add_argument("--mode", choices=MODES, default="gain", help="intervention (default: gain)")
    parser.add_argument("--mask", type=Path, metavar="F", help="ESN mask (default: the one that ships with the model)")
    parser.add_argument("--emosteer", type=Path, metavar="F", help="learned vectors, beside a mask or instead of one")
    parser.add_argument(
        "--alpha", action="append", default=[], type=_alpha, metavar="EMO=X",
        help="steer EMO by learned vectors with alpha X; repeatable",
    )  # fmt: skip
    parser.add_argument("--layers", type=window_argument, metavar="A-B", help="steer only layers A to B")
    parser.add_argument("--module", default="language", help="gates to steer: language (default) or synthesis")
    parser.add_argument("--scope", choices=("all", "generated"), default="all", help="tokens to steer (default: all)")
    parser.add_argument(
        "--content",
        choices=("auto", "free", "lock"),
        default="auto",
        help="where words and timbre "
        "come from: free (the model), lock (the recording); auto: free for demo lines, else lock",
    )
    parser.add_argument("--seed", type=int, help="sample with this seed (default: greedy decoding)")
    parser.add_argument(
        "--text", help="what the source says, to measure the word error rate; a model that cannot listen speaks it"
    )
    parser.add_argument("--model", default="embedded", help="model to render with (see: models)")
    add_format_arguments(parser)
    add_name_arguments(parser)
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="folder for takes (default: out)")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of sentences")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Render every source; a source that fails does not stop the others. Returns 1 when any failed."""
    if args.text is not None and len(args.sources) > 1:
        raise UsageError("--text is the transcript of one source; render sources with transcripts one by one.")
    if args.ladder_of and args.ladder is None:
        raise UsageError("--ladder-of says what a ladder climbs with: add --ladder 0,0.5,1.")
    if args.mode == "deactivate" and not args.strength and args.ladder is None:
        raise UsageError(f"--mode deactivate needs to know whose neurons: add --strength {args.to}=1.")
    if args.alpha and args.emosteer is None:
        raise UsageError("--alpha scales learned vectors: name their file with --emosteer.")
    # Before the model loads: what cannot be written need not be rendered.
    export_options(args)
    from studio.lalm.catalog import load_model

    with closing(load_model(args.model)) as model:
        from studio.judges import embedded

        return render_all(args, model, embedded.load())


def render_all(args: argparse.Namespace, model: SpeechLALM, judge: EmotionJudge) -> int:
    """``run`` with a loaded model and judge."""
    from studio.session.export import export_take

    options = export_options(args)
    mask, mask_path = _mask(args, model)
    vectors = _vectors(args, model)
    takes: list[dict[str, Any]] = []
    ladders: list[dict[str, Any]] = []
    errors: list[dict[str, str]] = []
    for spec in args.sources:
        try:
            batch = _render(args, model, judge, spec, mask, mask_path, vectors)
            for take in batch:
                written = export_take(take, args.out, options, number=len(takes) + 1)
                takes.append(_entry(take, written))
                if not args.json:
                    print(describe(take, written, len(batch)), flush=True)
            if args.ladder is not None:
                ladders.append({"source": spec, "steps": ladder_steps(args.ladder, takes[-len(batch) :])})
                if not args.json:
                    print(ladder_table(args.to, ladders[-1]["steps"]), flush=True)
        except StudioError as error:
            errors.append({"source": spec, "error": str(error)})
            if not args.json:
                say(f"esn-studio: {error}")
    if args.json:
        print_json({"takes": takes, "errors": errors} | ({"ladders": ladders} if args.ladder is not None else {}))
    return 1 if errors else 0


def describe(take: Take, written: Exported, batch: int) -> str:
    """One take, of ``batch`` rendered together, in one line for a person, and a line for each of its flags."""
    parts = [str(written.audio), f'"{take.text}"']
    if take.wer is not None:
        parts.append(f"WER {take.wer:.0%}")
    if take.heard_wer is not None:
        parts.append(f"WER by ear {take.heard_wer:.0%}")
    if take.verdict is not None:
        parts.append(f"judged {take.verdict} {take.judged[take.verdict]:.0%}")
    together = f" with {batch - 1} more" if batch > 1 else ""
    parts.append(f"{take.audio.seconds:.2f} s of speech, rendered{together} in {take.seconds:.2f} s")
    line = "  ".join(parts)
    remarks = [*(flag.sentence for flag in take.flags), *written.prepared.notes]
    return "\n".join([line, *(f"    {remark}" for remark in remarks)])


def ladder_steps(strengths: Sequence[float], entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A ladder's summary from the JSON entries of its takes: what changes from step to step."""
    kept = ("file", "text", "wer", "heard_wer", "verdict", "judged", "flags", "loudness_lufs")
    return [
        {"strength": strength, **{name: entry[name] for name in kept}}
        for strength, entry in zip(strengths, entries, strict=True)
    ]


def ladder_table(target: str, steps: Sequence[Mapping[str, Any]]) -> str:
    """A ladder's summary for people."""

    def share(value: float | None) -> str:
        return "-" if value is None else f"{value:.0%}"

    titles = ("strength", "WER", "by ear", f"judged {target}", "heard as", "LUFS", "flags")
    rows = [
        (
            f"{step['strength']:g}",
            share(step["wer"]),
            share(step["heard_wer"]),
            share(step["judged"].get(target)),
            step["verdict"] or "-",
            "-" if step["loudness_lufs"] is None else f"{step['loudness_lufs']:.1f}",
            ", ".join(step["flags"]) or "-",
        )
        for step in steps
    ]
    return table(titles, rows)


def _render(
    args: argparse.Namespace,
    model: SpeechLALM,
    judge: EmotionJudge,
    spec: str,
    mask: EsnMask | None,
    mask_path: Path | None,
    vectors: EmoVectors | None,
) -> list[Take]:
    from studio.session.listening import recogniser_of
    from studio.session.render import render
    from studio.session.sources import open_source

    source = open_source(spec, text=args.text, max_seconds=model.info.max_seconds)
    settings = _settings(args, source, model, mask_path)
    with ProgressBar(source.clip.name, quiet=args.json) as bar:
        return render(
            model,
            source.clip,
            settings,
            mask=mask,
            vectors=vectors,
            reference=source.text,
            judge=judge,
            recognise=recogniser_of(source.text) if source.text else None,
            progress=bar,
        )


def _settings(
    args: argparse.Namespace, source: Source, model: SpeechLALM, mask_path: Path | None
) -> list[RenderSettings]:
    from studio.esn.intervention import Mode, TokenScope
    from studio.lalm.base import Content
    from studio.session.settings import RenderSettings
    from studio.session.sources import content_for

    climbing = args.ladder_of or [args.to]
    steps = [{}] if args.ladder is None else [dict.fromkeys(climbing, step) for step in args.ladder]
    learned = args.emosteer is not None
    wanted = None if args.content == "auto" else Content(args.content)
    return [
        RenderSettings(
            target=args.to,
            mode=Mode(args.mode),
            strengths=dict(args.strength) | ({} if learned else step),
            alphas=dict(args.alpha) | (step if learned else {}),
            emosteer_path=None if args.emosteer is None else str(args.emosteer),
            mask_path=None if mask_path is None else str(mask_path),
            module=args.module,
            layers=args.layers,
            scope=TokenScope(args.scope),
            automation=args.curve,
            seed=args.seed,
            content=content_for(source, model.info, wanted),
        )
        for step in steps
    ]


def _mask(args: argparse.Namespace, model: SpeechLALM) -> tuple[EsnMask | None, Path | None]:
    from studio.session.masks import default_mask, load_mask

    path = args.mask or default_mask(model.info, args.module)
    return (None, None) if path is None else (load_mask(path, model.info, args.module), path)


def _vectors(args: argparse.Namespace, model: SpeechLALM) -> EmoVectors | None:
    from studio.esn.emosteer import EmoVectors

    if args.emosteer is None:
        return None
    vectors = EmoVectors.load(args.emosteer)
    vectors.check_fits(model.info.model_id, model.info.emosteer_sites)
    return vectors


def _entry(take: Take, written: Exported) -> dict[str, Any]:
    prepared = written.prepared
    files = {
        "file": str(written.audio),
        "sidecar": None if written.sidecar is None else str(written.sidecar),
        "rate": prepared.rate,
        "gain_db": prepared.gain,
        "loudness_lufs": prepared.loudness,
        "clipped_samples": prepared.clipped_samples,
        "notes": list(prepared.notes),
    }
    return files | take.describe()


def _emotion(text: str) -> str:
    emotion = parse_emotion(text)
    if emotion is None:
        raise argparse.ArgumentTypeError(f"'{text}' is no emotion; choose {', '.join(TARGETS)}")
    return emotion


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number") from None
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"strength {text} must be a number of 0 or more")
    return number


def strength_argument(text: str) -> tuple[str, float]:
    """Read EMO=X; for argparse."""
    emotion, equals, number = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"write a strength as EMO=X, for example angry=0.5, not '{text}'")
    return _emotion(emotion), _number(number)


def _alpha(text: str) -> tuple[str, float]:
    emotion, equals, number = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"write an alpha as EMO=X, for example angry=3, not '{text}'")
    return _emotion(emotion), _number(number)


def _ladder(text: str) -> list[float]:
    return [_number(part) for part in text.split(",")]


def _curve(text: str) -> Automation:
    try:
        pairs = (part.partition(":") for part in text.split(","))
        return Automation(tuple((float(time), float(share)) for time, _, share in pairs))
    except ValueError:
        raise argparse.ArgumentTypeError(f"write the curve as T:X,T:X, for example 0:0,0.8:1, not '{text}'") from None
    except StudioError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def window_argument(text: str) -> tuple[int, int]:
    """Read A-B as first and last layer; for argparse."""
    first, dash, last = text.partition("-")
    if not (first.isdecimal() and (last.isdecimal() if dash else not last)):
        raise argparse.ArgumentTypeError(f"write layers as A-B, for example 3-7, not '{text}'")
    window = int(first), int(last or first)
    if window[0] > window[1]:
        raise argparse.ArgumentTypeError(f"layers {text} run backwards; write the lower one first")
    return window
