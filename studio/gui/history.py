"""Undo and redo: follows ``StudioState`` and remembers what people change, so that no panel has to.

Undone can be: steering values and masks, transcripts, names, notes, stars and deletions of takes, and which take
somebody put into a lane. Rendering is no such step: a take that arrives late would throw away what could be redone, and
undoing the change that asked for it shows the take from before again. Opening a recording is none either, as nothing is
lost.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any

from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtGui import QKeyEvent, QKeySequence, QUndoCommand, QUndoStack
from PySide6.QtWidgets import QAbstractSpinBox, QWidget

from studio.audio.clip import Clip
from studio.gui.formats import strength
from studio.gui.shown import LaneContent, ShownMask, ShownTake, Steer
from studio.gui.state import StudioState

MERGE_SECONDS = 1.0
"""Changes of the same value that follow each other within this time are one step."""

_MASK = "mask"
_MARKS = ("name", "note", "stars")
_PANEL = 1


class History(QObject):
    """Fills ``stack`` from the state's signals; undoing goes through the state's setters."""

    def __init__(self, state: StudioState) -> None:
        super().__init__()
        self._state = state
        self.stack = QUndoStack(self)
        self._applying = False
        self._opening = False
        self._panel = panel_values(state.steer, state.mask)
        self._transcript = _transcript(state)
        state.steer_changed.connect(self._note_panel)
        state.mask_changed.connect(self._note_panel)
        state.source_changed.connect(self._note_source)
        state.take_marked.connect(self._note_mark)
        state.takes_removed.connect(self._note_removal)
        state.lane_assigned.connect(self._note_lane)

    def clear(self) -> None:
        """Forget everything: what is shown now is where history begins."""
        self.stack.clear()
        self._panel = panel_values(self._state.steer, self._state.mask)
        self._transcript = _transcript(self._state)

    def restore_panel(self, values: Mapping[str, Any]) -> None:
        """Set some of the panel's values, named as by ``panel_values``."""
        with self._quietly():
            state = self._state
            if _MASK in values and values[_MASK] is not state.mask:
                state.set_mask(values[_MASK])
            state.set_steer(with_values(state.steer, values))
        self._panel = panel_values(self._state.steer, self._state.mask)

    def restore_transcript(self, clip: Clip, reference: str | None) -> None:
        """Set the transcript of a recording, if that one is open."""
        source = self._state.source
        if source is not None and source.drawing.clip is clip:
            with self._quietly():
                self._state.set_reference(reference)
            self._transcript = _transcript(self._state)

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

    def restore_lane(self, lane: str, content: LaneContent | None) -> None:
        """Put back what a lane held; a take that was deleted since, or is of another recording, leaves it empty."""
        shown, source = content.shown if content is not None else None, self._state.source
        there = shown in self._state.takes and source is not None and shown.source is source.drawing.clip
        with self._quietly():
            self._state.set_lane(lane, content if there else None)

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
        # The first mask comes by itself, and so does what another recording brings with it.
        if not changed or self._opening or (_MASK in changed and before[_MASK] is None):
            return
        first = {name: before.get(name) for name in changed}
        second = {name: values.get(name) for name in changed}
        self.stack.push(_PanelStep(self, first, second, self._state.steer))

    def _note_source(self) -> None:
        before, now = self._transcript, _transcript(self._state)
        self._transcript = now
        if before is None or now is None or before.clip is not now.clip:
            self._opening = True
            QTimer.singleShot(0, self, self._opened)
        elif before.reference != now.reference and not (self._applying or self._opening or self._read()):
            self.stack.push(_TranscriptStep(self, now.clip, before.reference, now.reference))

    def _read(self) -> bool:
        """Whether the transcript is what the model read: nobody changed anything."""
        source = self._state.source
        return source is not None and source.read

    def _opened(self) -> None:
        self._opening = False

    def _note_mark(self, shown: ShownTake, before: Any) -> None:
        if not self._applying:
            names = [name for name in _MARKS if getattr(shown.take, name) != getattr(before, name)]
            first = {name: getattr(before, name) for name in names}
            second = {name: getattr(shown.take, name) for name in names}
            self.stack.push(_MarkStep(self, shown, first, second))

    def _note_removal(self, takes: tuple[ShownTake, ...], lanes: Mapping[str, LaneContent]) -> None:
        if takes and not self._applying:
            self.stack.push(_RemovalStep(self, takes, lanes))

    def _note_lane(self, lane: str, before: LaneContent | None) -> None:
        content = self._state.lanes[lane]
        same = before is not None and content is not None and before.shown is content.shown
        if not self._applying and not same:
            # A lane that was still rendering has nothing to come back to.
            kept = before if before is not None and before.shown is not None else None
            self.stack.push(_LaneStep(self, lane, kept, content))


class _Step(QUndoCommand):
    """One entry; it was done already when it is pushed."""

    def __init__(self, history: History, text: str) -> None:
        super().__init__(text)
        self.history = history
        self._pushed = False

    def redo(self) -> None:
        """Do it again; the first call comes from the stack as it takes the step, and does nothing."""
        if self._pushed:
            self.again()
        self._pushed = True

    def again(self) -> None:
        raise NotImplementedError


class _PanelStep(_Step):
    def __init__(self, history: History, first: dict[str, Any], second: dict[str, Any], steer: Steer) -> None:
        super().__init__(history, panel_text(second, steer))
        self.first, self.second = first, second
        self.moment = time.monotonic()

    def id(self) -> int:
        return _PANEL

    def undo(self) -> None:
        self.history.restore_panel(self.first)

    def again(self) -> None:
        self.history.restore_panel(self.second)

    def mergeWith(self, other: QUndoCommand) -> bool:
        """Take up a later change of the same values, so that a slider that was dragged is one step."""
        if not isinstance(other, _PanelStep) or other.moment - self.moment > MERGE_SECONDS:
            return False
        if other.second.keys() != self.second.keys() or not all(map(_slides, self.second)):
            return False
        self.second, self.moment = other.second, other.moment
        self.setText(other.text())
        self.setObsolete(self.first == self.second)
        return True


class _TranscriptStep(_Step):
    def __init__(self, history: History, clip: Clip, first: str | None, second: str | None) -> None:
        super().__init__(history, "transcript")
        self._clip, self._first, self._second = clip, first, second

    def undo(self) -> None:
        self.history.restore_transcript(self._clip, self._first)

    def again(self) -> None:
        self.history.restore_transcript(self._clip, self._second)


class _MarkStep(_Step):
    def __init__(self, history: History, shown: ShownTake, first: dict[str, Any], second: dict[str, Any]) -> None:
        super().__init__(history, f"{' and '.join(second)} of take {shown.number}")
        self._shown, self._first, self._second = shown, first, second

    def undo(self) -> None:
        self.history.restore_marks(self._shown, self._first)

    def again(self) -> None:
        self.history.restore_marks(self._shown, self._second)


class _RemovalStep(_Step):
    def __init__(self, history: History, takes: tuple[ShownTake, ...], lanes: Mapping[str, LaneContent]) -> None:
        which = f"take {takes[0].number}" if len(takes) == 1 else f"{len(takes)} takes"
        super().__init__(history, f"deleting {which}")
        self._takes, self._lanes = takes, lanes

    def undo(self) -> None:
        self.history.restore_takes(self._takes, self._lanes)

    def again(self) -> None:
        self.history.remove_takes(self._takes)


class _LaneStep(_Step):
    def __init__(self, history: History, lane: str, first: LaneContent | None, second: LaneContent | None) -> None:
        shown = second.shown if second is not None else None
        super().__init__(history, f"take {shown.number} to {lane}" if shown is not None else f"lane {lane}")
        self._lane, self._first, self._second = lane, first, second

    def undo(self) -> None:
        self.history.restore_lane(self._lane, self._first)

    def again(self) -> None:
        self.history.restore_lane(self._lane, self._second)


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


@dataclass(frozen=True, eq=False)
class _Transcript:
    clip: Clip
    reference: str | None


def _transcript(state: StudioState) -> _Transcript | None:
    source = state.source
    return _Transcript(source.drawing.clip, source.reference) if source is not None else None


def panel_values(steer: Steer, mask: ShownMask | None) -> dict[str, Any]:
    """The panel's values by name; those of a mapping one by one, such as ``strengths/angry``, without zeros."""
    values: dict[str, Any] = {_MASK: mask}
    for each in fields(steer):
        value = getattr(steer, each.name)
        if isinstance(value, Mapping):
            values |= {f"{each.name}/{key}": item for key, item in value.items() if item}
        else:
            values[each.name] = value
    return values


def with_values(steer: Steer, values: Mapping[str, Any]) -> Steer:
    """``steer`` with some values of ``panel_values`` put in; None takes a mapping's item away."""
    changes: dict[str, Any] = {}
    for name, value in values.items():
        field, _, key = name.partition("/")
        if key:
            held = changes.setdefault(field, dict(getattr(steer, field)))
            held.pop(key, None)
            held.update({} if value is None else {key: value})
        elif name != _MASK:
            changes[field] = value
    return replace(steer, **changes)


def _slides(name: str) -> bool:
    """Whether a value passes others on its way, as a slider's does."""
    return "/" in name or name in ("layers", "seed", "automation")


def panel_text(changed: Mapping[str, Any], steer: Steer) -> str:
    """What was changed, in a few words: ``angry 0.50``, ``mode add``, ``mask``."""
    for name in (_MASK, "mode", "target"):
        if name in changed:
            value = changed[name]
            return f"mask {value.name}" if isinstance(value, ShownMask) else f"{name} {value or 'none'}"
    strengths = {name.partition("/")[2]: value for name, value in changed.items() if name.startswith("strengths/")}
    if strengths:
        if not any(steer.strengths.values()):
            return "reset of intensities"
        if len(strengths) == 1:
            ((emotion, value),) = strengths.items()
            return f"{emotion} {strength(value or 0.0)}"
        return "intensities"
    first = next(iter(changed)).partition("/")[0]
    return {"scope": "tokens", "automation": "curve"}.get(first, first.replace("_", " "))
