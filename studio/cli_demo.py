"""``demo``: one line in four emotions without a window, with a picture of what was done."""

from __future__ import annotations

import argparse
import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cli_output import ProgressBar, print_json, say
from studio.cli_render import describe
from studio.emotions import TARGETS
from studio.errors import StudioError

if TYPE_CHECKING:
    from studio.judges.base import EmotionJudge
    from studio.lalm.base import SpeechLALM

STRENGTH = 1.0
"""Gain on the target's own neurons: the paper's comparable strength (METHOD.md, section 4)."""


def add_parsers(verbs: Any) -> None:
    """Add the verb to the command line."""
    words = "render a demo line in four emotions, as asked and steered, with a picture"
    parser = verbs.add_parser("demo", help=words, description=words[0].upper() + words[1:] + ".")
    parser.add_argument("--line", default="demo:0011_000001", metavar="SRC", help="demo line or sound file")
    parser.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="folder for files (default: out)")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of sentences")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Render baseline and steered takes of one line, export them and draw ``demo.png`` beside them.

    A target the mask has no neurons for gets a baseline only.
    """
    from studio.lalm.catalog import load_model

    with closing(load_model()) as model:
        from studio.judges import embedded

        return show(args, model, embedded.load())


def show(args: argparse.Namespace, model: SpeechLALM, judge: EmotionJudge) -> int:
    """``run`` with a loaded model and judge."""
    from studio.session.export import export_take
    from studio.session.listening import recogniser_of
    from studio.session.masks import default_mask, load_mask
    from studio.session.render import render
    from studio.session.settings import RenderSettings
    from studio.session.sources import content_for, open_source

    path = default_mask(model.info)
    if path is None:
        raise StudioError("There is no ESN mask for the model in masks/; make one with: esn-studio identify.")
    mask = load_mask(path, model.info)
    source = open_source(args.line, max_seconds=model.info.max_seconds)
    content = content_for(source, model.info)
    settings = [
        RenderSettings(target, strengths={target: strength}, mask_path=str(path), content=content)
        for target in TARGETS
        for strength in ((0.0, STRENGTH) if target in mask.emotions else (0.0,))
    ]
    with ProgressBar(source.clip.name, quiet=args.json) as bar:
        takes = render(
            model,
            source.clip,
            settings,
            mask=mask,
            reference=source.text,
            judge=judge,
            recognise=recogniser_of(source.text) if source.text else None,
            progress=bar,
        )
    written = [export_take(take, args.out) for take in takes]
    # The picture is drawn by Qt without a screen; it must say so before Qt loads.
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from studio.gui.picture import draw_demo

    picture = args.out / "demo.png"
    draw_demo(picture, source.clip, takes, mask)
    if args.json:
        entries = [{"file": str(each.audio)} | take.describe() for take, each in zip(takes, written, strict=True)]
        print_json({"picture": str(picture), "takes": entries})
        return 0
    for take, each in zip(takes, written, strict=True):
        print(describe(take, each, len(takes)))
    print(f"{picture}  a picture of what was done")
    say("There is no display here, so no window was opened. On a desktop, or over 'ssh -X', 'make run' opens it;")
    say("'xvfb-run -a .venv/bin/python -m studio' opens it on a screen nobody sees.")
    return 0
