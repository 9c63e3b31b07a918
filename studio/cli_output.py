"""What the verbs print: sentences and a progress bar for people, JSON for machines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from studio.errors import StudioError

_WIDTH = 30
_REDRAW_SECONDS = 0.1


class UsageError(StudioError):
    """The command line asks for something that makes no sense; exit code 2."""


def print_json(document: Any) -> None:
    """One JSON document on standard output; raises ValueError for numbers that are not finite."""
    print(printable(json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)))


def printable(text: str) -> str:
    """``text`` as it can be printed: bytes of file names that are no UTF-8 are escaped, the way JSON reads back."""
    return text.encode("utf-8", "backslashreplace").decode()


def say(sentence: str) -> None:
    """Something for a person, on standard error, so that standard output stays the result."""
    print(sentence, file=sys.stderr, flush=True)


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns: the first to the left, the others to the right."""
    columns = [max(len(row[place]) for row in [titles, *rows]) for place in range(len(titles))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if place == 0 else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, columns, strict=True))
        )
        for row in [titles, *rows]
    )


class ProgressBar:
    """One line on a terminal, redrawn ten times a second at most; nothing where output is not a terminal.

    Use as a context manager; the line is gone afterwards. ``quiet`` shows nothing either way. ``title`` may change.
    """

    def __init__(self, title: str, *, quiet: bool = False) -> None:
        self.title = title
        self._shown = not quiet and sys.stderr.isatty()
        self._drawn_at = 0.0

    def __call__(self, share: float) -> None:
        """Show ``share`` of the work, 0..1, as done."""
        now = time.monotonic()
        if not self._shown or (now - self._drawn_at < _REDRAW_SECONDS and share < 1):
            return
        self._drawn_at = now
        filled = round(_WIDTH * min(1.0, max(0.0, share)))
        bar = "=" * filled + "-" * (_WIDTH - filled)
        sys.stderr.write(f"\r\x1b[K{self.title} {bar} {share:4.0%}")
        sys.stderr.flush()

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
