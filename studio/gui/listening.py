"""Speech recognition in a process of its own: the recogniser holds the interpreter while it listens."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import TYPE_CHECKING

from studio.audio.clip import Clip
from studio.errors import StudioError

if TYPE_CHECKING:
    from studio.session.render import Recogniser


class Listener:
    """Hears clips against sentences; its process starts with the first clip and ends with ``close``."""

    def __init__(self, sentences: frozenset[str]) -> None:
        self._sentences = sentences
        self._pool: ProcessPoolExecutor | None = None

    def recogniser(self, reference: str) -> Recogniser | None:
        """What hears takes of a line; the line's words compete with all other sentences. None without recogniser."""
        try:
            import pocketsphinx  # noqa: F401
        except ImportError:
            return None
        return partial(self._hear, self._sentences | {reference})

    def close(self) -> None:
        """End the process."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _hear(self, sentences: frozenset[str], clip: Clip) -> str:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        try:
            return self._pool.submit(_recognise, sentences, clip).result()
        except BrokenProcessPool as error:
            self._pool = None
            raise StudioError("The speech recogniser's process was ended from outside; render again.") from error


def _recognise(sentences: frozenset[str], clip: Clip) -> str:
    """Runs in the process; what cannot be listened for is heard as nothing."""
    from studio.judges.asr import recognise

    try:
        return recognise(clip, sentences)
    except StudioError:
        return ""
