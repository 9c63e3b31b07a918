"""The front door: no verb opens the window, a verb runs headless."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Callable, Sequence

from studio.cli_output import UsageError, print_json, say
from studio.errors import StudioError
from studio.lalm.failures import is_out_of_memory

VERB_MODULES = (
    "studio.cli_render", "studio.cli_identify", "studio.cli_evaluate", "studio.cli_masks", "studio.cli_jobs",
    "studio.cli_about", "studio.cli_demo", "studio.cli_corpus", "studio.cli_verify", "studio.cli_reel",
    "studio.cli_emosteer", "studio.cli_fold", "studio.cli_recognise", "studio.cli_models",
    "studio.cli_runtime",
)  # fmt: skip
"""Each offers ``add_parsers(subparsers)``; its parsers set ``run`` to a handler (args) -> exit code."""

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")

_NO_MEMORY = (
    "The model ran out of memory; convert fewer clips at once or shorter ones, load it in another precision, or use "
    "the embedded model."
)

Handler = Callable[[argparse.Namespace], int]


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; importing neither torch nor Qt."""
    parser = argparse.ArgumentParser(
        prog="esn-studio",
        description="Steer the emotion of speech inside an audio language model. Without a verb the window opens.",
    )
    parser.set_defaults(run=_open_window)
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    verbs.add_parser("gui", help="open the window (the default)").set_defaults(run=_open_window)
    for name in VERB_MODULES:
        importlib.import_module(name).add_parsers(verbs)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    0 done, 1 failed (said in a sentence), 2 wrong usage, 130 interrupted, 141 nobody reads what is printed.
    """
    args = build_parser().parse_args(argv)
    handler: Handler = args.run
    _escape_what_cannot_be_shown()
    try:
        code = handler(args)
        sys.stdout.flush()
        return code
    except UsageError as error:
        say(f"esn-studio: {error}")
        return 2
    except StudioError as error:
        return _failed(args, str(error))
    except KeyboardInterrupt:
        say("esn-studio: interrupted; what was finished is kept")
        return 130
    except BrokenPipeError:
        # The interpreter flushes once more at its end, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return _failed(args, _NO_MEMORY)


def _failed(args: argparse.Namespace, sentence: str) -> int:
    if getattr(args, "json", False):
        print_json({"error": sentence})
    else:
        say(f"esn-studio: {sentence}")
    return 1


def _escape_what_cannot_be_shown() -> None:
    """File names that are no UTF-8, and letters a terminal lacks, must not end a verb that did its work."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _open_window(args: argparse.Namespace) -> int:
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in _DISPLAYS):
        # Qt itself would abort the process here.
        raise StudioError("There is no display to open a window on; the verbs work without one (esn-studio --help).")
    try:
        from studio.gui.app import main as open_window
    except ImportError as error:
        raise StudioError(
            f"The window cannot open because Qt does not load ({error}); see: esn-studio doctor."
        ) from error
    return open_window()
