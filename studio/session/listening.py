"""The recogniser a take's words are checked with by ear."""

from __future__ import annotations

from studio.errors import StudioError
from studio.session.render import Recogniser
from studio.session.sources import demo_lines


def recogniser_of(reference: str) -> Recogniser | None:
    """A recogniser that expects ``reference`` among the lines of the demo corpus; None where none can be had.

    A single expected line would be heard in anything, so others compete with it. None without the (optional)
    recogniser package, or when its dictionary has none of the words.
    """
    try:
        from studio.judges.asr import recogniser_for
    except ImportError:
        return None
    try:
        sentences = {line.text for line in demo_lines() if line.text}
    except StudioError:
        sentences = set()
    try:
        return recogniser_for(frozenset(sentences | {reference}))
    except (StudioError, ImportError):
        return None
