"""Naturalness and likeness of voice of takes, measured after they are shown, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from studio.audio.clip import Clip
from studio.engine import JobContext
from studio.errors import Cancelled, StudioError
from studio.gui.engine_thread import EngineThread
from studio.gui.helper import HelperProcess
from studio.gui.shown import ShownTake
from studio.gui.state import StudioState

if TYPE_CHECKING:
    from studio.session.measures import Measures

_NICE = 10


class Measurer:
    """Measures takes in a process that gives way to renders; it starts with the first take and ends with ``close``.

    ``lacking`` says why something is not measured here, ``able`` whether anything is.
    """

    def __init__(self) -> None:
        from studio.session.measures import lacking

        self.lacking = lacking()
        self.able = len(self.lacking) < 2
        self._helper = HelperProcess(_measured, _NICE)

    def measure(self, audio: Clip, source: Clip, cancelled: Callable[[], bool]) -> Measures:
        """Measure one take of ``source``; raises Cancelled when asked to stop, StudioError when the process died."""
        try:
            measures: Measures = self._helper.ask(audio, source, cancelled=cancelled)
        except (EOFError, OSError) as error:
            raise StudioError("Takes are not measured any more: the process that did it has ended.") from error
        return measures

    def close(self) -> None:
        """End the process."""
        self._helper.close()


class Measuring(QObject):
    """Measures every new take in the background; ``reason`` says why takes stay without some measure."""

    reason_changed = Signal()

    def __init__(self, state: StudioState, worker: EngineThread) -> None:
        super().__init__()
        self._state = state
        self._worker = worker
        self._measurer: Measurer | None = None
        self._seen: set[str] = set()
        self.reason = "Takes are measured once the model is loaded"
        state.takes_changed.connect(self._look)

    def use(self, measurer: Measurer | None) -> None:
        """Measure with this from now on; None for a model whose takes are not measured."""
        self._measurer = measurer
        if measurer is None:
            self.reason = "Takes of this model are not measured"
        else:
            self.reason = "\n".join(measurer.lacking) or "Being measured"
        self.reason_changed.emit()
        self._look()

    def _look(self) -> None:
        if self._measurer is None or not self._measurer.able:
            return
        for shown in self._state.takes:
            take = shown.take
            if take.id not in self._seen and take.naturalness is None and take.similarity is None:
                self._seen.add(take.id)
                work = partial(_measure, self._measurer, take.audio, take.source)
                self._worker.submit(f"measure {take.id}", work, partial(self._show, shown), failed=self._give_up)

    def _show(self, shown: ShownTake, measures: Measures) -> None:
        from studio.session.measures import with_measures

        self._state.complete_take(shown, with_measures(shown.take, measures))

    def _give_up(self, error: BaseException) -> None:
        if isinstance(error, Cancelled):
            return
        self._measurer = None
        self.reason = str(error)
        self.reason_changed.emit()
        self._worker.tell(error)


def _measure(measurer: Measurer, audio: Clip, source: Clip, context: JobContext) -> Measures:
    return measurer.measure(audio, source, context.cancelled)


def _measured(audio: Clip, source: Clip) -> Measures:
    """Runs in the process."""
    from studio.session.measures import measure

    return measure(audio, source)
