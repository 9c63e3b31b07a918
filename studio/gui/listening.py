"""Speech recognition in a process of its own: the recogniser holds the interpreter while it listens."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from studio.audio.clip import Clip
from studio.errors import StudioError
from studio.gui.helper import HelperProcess

if TYPE_CHECKING:
    from studio.session.render import Recogniser


class Listener:
    """Hears clips against sentences; its process starts with the first clip and ends with ``close``."""

    def __init__(self, sentences: frozenset[str]) -> None:
        self._sentences = sentences
        self._helper = HelperProcess(_recognise)

    def recogniser(self, reference: str) -> Recogniser | None:
        """What hears takes of a line; the line's words compete with all other sentences. None without recogniser."""
        try:
            import pocketsphinx  # noqa: F401
        except ImportError:
            return None
        return partial(self._hear, self._sentences | {reference})

    def close(self) -> None:
        """End the process."""
        self._helper.close()

    def _hear(self, sentences: frozenset[str], clip: Clip) -> str:
        try:
            heard: str = self._helper.ask(sentences, clip)
        except (EOFError, OSError) as error:
            raise StudioError("The speech recogniser's process was ended from outside; render again.") from error
        return heard


def _recognise(sentences: frozenset[str], clip: Clip) -> str:
    """Runs in the process; what cannot be listened for is heard as nothing."""
    from studio.judges.asr import recognise

    try:
        return recognise(clip, sentences)
    except StudioError:
        return ""
