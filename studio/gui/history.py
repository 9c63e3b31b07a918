"""Undo and redo: follows ``StudioState`` and remembers what people change, so that no panel has to.

Undone can be: steering values and masks, transcripts, regions, closing a recording, names, notes, stars and deletions
of takes, and which take somebody put into a lane, with the recording that opened for it. Rendering is no such step: a
take that arrives late would throw away what could be redone, and undoing the change that asked for it shows the take
from before again. Opening a recording is none either, as nothing is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QEvent, QObject, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence, QUndoStack
from PySide6.QtWidgets import QAbstractSpinBox, QWidget

from studio.gui.analysis import Drawing
from studio.gui.closed import ClosedSource, Closings
from studio.gui.historysteps import (
    MASK,
    CloseStep,
    Curve,
    LaneStep,
    MarkStep,
    PanelStep,
    RegionStep,
    RemovalStep,
    TranscriptStep,
    View,
    VisitStep,
    lane_text,
    panel_values,
    with_values,
)
from studio.gui.shown import TAKE_LANES, LaneContent, ShownTake, Source
from studio.gui.state import StudioState

_MARKS = ("name", "note", "stars")


class History(QObject):
    """Fills ``stack`` from the state's signals; undoing goes through the state's setters.

    ``rendering`` says whether a render is under way; where none was, ``lanes_restored`` tells that an undone step put
    back all that the lanes held before it.
    """

    lanes_restored = Signal()

    def __init__(self, state: StudioState, closings: Closings, rendering: Callable[[], bool]) -> None:
        super().__init__()
        self._state = state
        self._closings = closings
        self._rendering = rendering
        self.stack = QUndoStack(self)
        self._applying = False
        self._opening = False
        self._left: View | None = None
        self._panel = panel_values(state.steer, state.mask)
        self._source = state.source
        self._curve: Curve = None
        state.steer_changed.connect(self._note_panel)
        state.mask_changed.connect(self._note_panel)
        state.source_changed.connect(self._note_source)
        state.source_closing.connect(self._note_closing)
        state.take_marked.connect(self._note_mark)
        state.takes_removed.connect(self._note_removal)
        state.lane_assigned.connect(self._note_lane)

    def clear(self) -> None:
        """Forget everything: what is shown now is where history begins."""
        self._closings.give_up_all()
        self.stack.clear()
        self._panel = panel_values(self._state.steer, self._state.mask)
        self._source = self._state.source

    def restore_panel(self, values: Mapping[str, Any], drawing: Drawing | None) -> None:
        """Set some of the panel's values, named as by ``panel_values``; a curve only where its recording is open."""
        with self._quietly():
            state = self._state
            if not self._is_open(drawing):
                values = {name: value for name, value in values.items() if name != "automation"}
            if MASK in values and values[MASK] is not state.mask:
                state.set_mask(values[MASK])
            state.set_steer(with_values(state.steer, values))
        self._panel = panel_values(self._state.steer, self._state.mask)

    def restore_transcript(self, drawing: Drawing, reference: str | None, read: bool) -> None:
        """Set the transcript of a recording that is listed, as typed or as the model read it."""
        listed = next((each for each in self._state.sources if each.drawing.clip is drawing.clip), None)
        with self._quietly():
            if self._is_open(drawing):
                self._state.set_reference(reference, read=read)
            elif listed is not None:
                self._state.keep_source(replace(listed, reference=reference, read=read))

    def _is_open(self, drawing: Drawing | None) -> bool:
        """Whether a recording, or a region of one, is the open one; None is for where nothing was open."""
        source = self._state.source
        return source is None if drawing is None else source is not None and source.drawing.clip is drawing.clip

    def restore_region(
        self, left: Source, source: Source, curve: Curve, lanes: Mapping[str, LaneContent | None], *, settled: bool
    ) -> Source:
        """Go from one region of a recording to another, with its curve and what its lanes held.

        The region that was left as it is now: the model may have read it since. Where another recording is open, only
        the list changes; where this one was closed, nothing.
        """
        state = self._state
        listed = next((each for each in state.sources if each.is_of(source)), left)
        with self._quietly():
            if source.is_of(state.source):
                state.set_source(source)
                state.set_steer(replace(state.steer, automation=curve))
                self._fill_lanes(lanes, settled=settled)
            elif any(each.is_of(source) for each in state.sources):
                state.keep_source(source)
        self._panel = panel_values(state.steer, state.mask)
        return listed if listed.drawing.clip is left.drawing.clip else left

    def restore_source(self, closed: ClosedSource) -> None:
        """Bring back a recording that was closed, with its lanes if it was open and no other was opened meanwhile."""
        now = self._state.source

        def put_back(source: Source) -> None:
            state = self._state
            opened = closed.opened and (state.source is now or (now is not None and now.is_of(state.source)))
            with self._quietly():
                self._closings.put_back(closed, source, opened=opened)
                if opened:
                    self._fill_lanes(closed.lanes, settled=closed.settled)
            self._panel = panel_values(state.steer, state.mask)

        self._closings.bring_back(closed, put_back)

    def close_source(self, closed: ClosedSource) -> ClosedSource:
        """Close a recording once more; what is kept of it this time."""
        with self._quietly():
            result = self._closings.close_again(closed, settled=not self._rendering())
        self._panel = panel_values(self._state.steer, self._state.mask)
        return result

    def _fill_lanes(self, lanes: Mapping[str, LaneContent | None], *, settled: bool) -> None:
        """Put back what lanes held, as far as it is still there; ``settled``: nothing else was to come into them."""
        held = {lane: content for lane, content in lanes.items() if content is not None}
        there = {lane: content for lane, content in held.items() if content.shown in self._state.takes}
        for lane, content in there.items():
            self._state.set_lane(lane, content)
        if settled and there and there.keys() == held.keys():
            self.lanes_restored.emit()

    def restore_marks(self, shown: ShownTake, marks: Mapping[str, Any]) -> None:
        """Set what is said of a take."""
        with self._quietly():
            self._state.mark_take(shown, **marks)

    def restore_takes(self, takes: tuple[ShownTake, ...], lanes: Mapping[str, LaneContent]) -> None:
        """Bring takes back, also into the lanes they were in, if those are empty and the recording is still open."""
        source = self._state.source
        with self._quietly():
            self._state.add_takes(takes)
            for lane, content in lanes.items():
                shown = content.shown
                mine = shown is not None and source is not None and shown.source is source.drawing.clip
                if mine and self._state.lanes[lane] is None:
                    self._state.set_lane(lane, content)

    def remove_takes(self, takes: tuple[ShownTake, ...]) -> None:
        """Delete takes once more."""
        with self._quietly():
            self._state.remove_takes(takes)

    def restore_lane(self, lane: str, content: LaneContent | None, drawing: Drawing | None) -> None:
        """Put back what a lane held, if its recording is open; a take that was deleted since leaves it empty."""
        there = content is not None and content.shown in self._state.takes
        if self._is_open(drawing):
            with self._quietly():
                self._state.set_lane(lane, content if there else None)

    def restore_view(self, view: View) -> None:
        """Open a recording again, if it is still listed, with what its lanes held."""
        listed = next((each for each in self._state.sources if each.drawing.clip is view.source.drawing.clip), None)
        if listed is not None:
            with self._quietly():
                if not listed.is_of(self._state.source):
                    self._state.set_source(listed)
                self._fill_lanes(view.lanes, settled=view.settled)
            self._panel = panel_values(self._state.steer, self._state.mask)

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """While a step is undone or redone, what the state tells is not new."""
        before, self._applying = self._applying, True
        try:
            yield
        finally:
            self._applying = before

    def _note_panel(self) -> None:
        if self._applying:
            return
        values = panel_values(self._state.steer, self._state.mask)
        before = self._panel
        changed = {name for name in values.keys() | before.keys() if values.get(name) != before.get(name)}
        self._panel = values
        if self._state.source is not self._source:
            # Another source drops the curve, and is told of after that.
            self._curve = before["automation"]
            return
        # The first mask comes by itself, and so does what another recording brings with it.
        if not changed or self._opening or (MASK in changed and before[MASK] is None):
            return
        first = {name: before.get(name) for name in changed}
        second = {name: values.get(name) for name in changed}
        self.stack.push(PanelStep(self, first, second, self._state.steer, self._drawing()))

    def _note_source(self) -> None:
        before, now = self._source, self._state.source
        curve, self._curve = self._curve, None
        self._source = now
        if before is None or now is None or not now.is_of(before):
            self._opening = True
            if before is not None and not self._applying:
                self._left = View(before, self._held(), not self._rendering())
            QTimer.singleShot(0, self, self._opened)
        elif self._applying or self._opening:
            return
        elif now.drawing.clip is not before.drawing.clip:
            self.stack.push(RegionStep(self, before, now, curve, self._held(), settled=not self._rendering()))
        elif before.reference != now.reference and not self._read():
            transcripts = (before.reference, before.read), (now.reference, now.read)
            self.stack.push(TranscriptStep(self, now.drawing, *transcripts))

    def _drawing(self) -> Drawing | None:
        return self._state.source.drawing if self._state.source is not None else None

    def _note_closing(self, source: Source) -> None:
        if not self._applying:
            self.stack.push(CloseStep(self, self._closings.note(source, settled=not self._rendering())))

    def _held(self) -> dict[str, LaneContent | None]:
        """What the lanes hold, as far as it can come back."""
        return {lane: self._state.lanes[lane] for lane in TAKE_LANES}

    def _read(self) -> bool:
        """Whether the transcript is what the model read: nobody changed anything."""
        source = self._state.source
        return source is not None and source.read

    def _opened(self) -> None:
        self._opening, self._left = False, None

    def _note_mark(self, shown: ShownTake, before: Any) -> None:
        if not self._applying:
            names = [name for name in _MARKS if getattr(shown.take, name) != getattr(before, name)]
            first = {name: getattr(before, name) for name in names}
            second = {name: getattr(shown.take, name) for name in names}
            self.stack.push(MarkStep(self, shown, first, second))

    def _note_removal(self, takes: tuple[ShownTake, ...], lanes: Mapping[str, LaneContent]) -> None:
        if takes and not self._applying:
            self.stack.push(RemovalStep(self, takes, lanes))

    def _note_lane(self, lane: str, before: LaneContent | None) -> None:
        content = self._state.lanes[lane]
        same = before is not None and content is not None and before.shown is content.shown
        if self._applying or same:
            return
        source, left = self._state.source, self._left
        if source is not None and left is not None:
            self._left = None
            entered = View(source, {lane: content}, settled=True)
            self.stack.push(VisitStep(self, lane_text(lane, content), left, entered))
        else:
            # A lane that was still rendering has nothing to come back to.
            kept = before if before is not None and before.shown is not None else None
            self.stack.push(LaneStep(self, lane, kept, content, self._drawing()))


class SpinBoxUndo(QObject):
    """Undo and redo pressed in a number's field undo the last step, not the typing of a number that is long in use."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        for box in window.findChildren(QAbstractSpinBox):
            box.installEventFilter(self)
            box.lineEdit().installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Leave the keys to the menu."""
        if event.type() != QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent):
            return False
        if event.matches(QKeySequence.StandardKey.Undo) or event.matches(QKeySequence.StandardKey.Redo):
            event.ignore()
            return True
        return False
