"""The steps that can be undone, and the steering panel's values by name."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from PySide6.QtGui import QUndoCommand

from studio.esn.automation import Point
from studio.gui.analysis import Drawing
from studio.gui.closed import ClosedSource
from studio.gui.formats import strength
from studio.gui.shown import LaneContent, ShownMask, ShownTake, Source, Steer

if TYPE_CHECKING:
    from studio.gui.history import History

MERGE_SECONDS = 1.0
"""Changes of the same value that follow each other within this time are one step."""

MASK = "mask"
_PANEL = 1

Curve = tuple[Point, ...] | None

Transcript = tuple[str | None, bool]
"""A transcript, if any, and whether the model read it."""


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


class PanelStep(_Step):
    """Values of the steering panel, or another mask; a curve is that of the recording ``drawing``."""

    def __init__(
        self, history: History, first: dict[str, Any], second: dict[str, Any], steer: Steer, drawing: Drawing | None
    ) -> None:
        super().__init__(history, panel_text(second, steer))
        self.first, self.second = first, second
        self.drawing = drawing
        self.moment = time.monotonic()

    def id(self) -> int:
        """Steps of one kind may be taken together."""
        return _PANEL

    def undo(self) -> None:
        """Take it back."""
        self.history.restore_panel(self.first, self.drawing)

    def again(self) -> None:
        """Do it once more."""
        self.history.restore_panel(self.second, self.drawing)

    def mergeWith(self, other: QUndoCommand) -> bool:
        """Take up a later change of the same values, so that a slider that was dragged is one step."""
        if not isinstance(other, PanelStep) or other.moment - self.moment > MERGE_SECONDS:
            return False
        if other.second.keys() != self.second.keys() or not all(map(_slides, self.second)):
            return False
        # A point that is dragged passes other places; one that is set or removed is a step of its own.
        if _points(other.second) != _points(self.second) or other.drawing is not self.drawing:
            return False
        self.second, self.moment = other.second, other.moment
        self.setText(other.text())
        self.setObsolete(self.first == self.second)
        return True


class TranscriptStep(_Step):
    """The transcript of a recording."""

    def __init__(self, history: History, drawing: Drawing, first: Transcript, second: Transcript) -> None:
        super().__init__(history, "transcript")
        # With the drawing a recording that was closed comes back as the same one, not as one read anew.
        self._drawing, self._first, self._second = drawing, first, second

    def undo(self) -> None:
        """Take it back."""
        self.history.restore_transcript(self._drawing, *self._first)

    def again(self) -> None:
        """Do it once more."""
        self.history.restore_transcript(self._drawing, *self._second)


class MarkStep(_Step):
    """What a person says of a take."""

    def __init__(self, history: History, shown: ShownTake, first: dict[str, Any], second: dict[str, Any]) -> None:
        super().__init__(history, f"{' and '.join(second)} of take {shown.number}")
        self._shown, self._first, self._second = shown, first, second

    def undo(self) -> None:
        """Take it back."""
        self.history.restore_marks(self._shown, self._first)

    def again(self) -> None:
        """Do it once more."""
        self.history.restore_marks(self._shown, self._second)


class RemovalStep(_Step):
    """Takes that were deleted."""

    def __init__(self, history: History, takes: tuple[ShownTake, ...], lanes: Mapping[str, LaneContent]) -> None:
        which = f"take {takes[0].number}" if len(takes) == 1 else f"{len(takes)} takes"
        super().__init__(history, f"deleting {which}")
        self._takes, self._lanes = takes, lanes

    def undo(self) -> None:
        """Take it back."""
        self.history.restore_takes(self._takes, self._lanes)

    def again(self) -> None:
        """Do it once more."""
        self.history.remove_takes(self._takes)


class LaneStep(_Step):
    """The take that somebody put into a lane, while the recording ``drawing`` was open."""

    def __init__(
        self,
        history: History,
        lane: str,
        first: LaneContent | None,
        second: LaneContent | None,
        drawing: Drawing | None,
    ) -> None:
        super().__init__(history, lane_text(lane, second))
        self._lane, self._first, self._second, self._drawing = lane, first, second, drawing

    def undo(self) -> None:
        """Take it back."""
        self.history.restore_lane(self._lane, self._first, self._drawing)

    def again(self) -> None:
        """Do it once more."""
        self.history.restore_lane(self._lane, self._second, self._drawing)


@dataclass(frozen=True)
class View:
    """A recording that was open, and what its lanes held; ``settled``: no render was under way."""

    source: Source
    lanes: Mapping[str, LaneContent | None]
    settled: bool


class VisitStep(_Step):
    """The take of another recording that somebody put into a lane, by which that one was opened."""

    def __init__(self, history: History, text: str, left: View, entered: View) -> None:
        super().__init__(history, text)
        self._left, self._entered = left, entered

    def undo(self) -> None:
        """Take it back."""
        self.history.restore_view(self._left)

    def again(self) -> None:
        """Do it once more."""
        self.history.restore_view(self._entered)


class RegionStep(_Step):
    """Another region of the open recording; with the old one come its curve and its lanes."""

    def __init__(
        self,
        history: History,
        first: Source,
        second: Source,
        curve: Curve,
        lanes: Mapping[str, LaneContent | None],
        *,
        settled: bool,
    ) -> None:
        super().__init__(history, "region")
        self._settled = settled
        self._first, self._second = first, second
        self._curve, self._lanes = curve, dict(lanes)

    def undo(self) -> None:
        """Take it back."""
        self._second = self.history.restore_region(
            self._second, self._first, self._curve, self._lanes, settled=self._settled
        )

    def again(self) -> None:
        """Do it once more."""
        self._first = self.history.restore_region(self._first, self._second, None, {}, settled=False)


class CloseStep(_Step):
    """A recording that was closed; undone, it may be read again first, which takes its time."""

    def __init__(self, history: History, closed: ClosedSource) -> None:
        super().__init__(history, f"closing {closed.name}")
        self._closed = closed

    def undo(self) -> None:
        """Take it back."""
        self.history.restore_source(self._closed)

    def again(self) -> None:
        """Do it once more."""
        self._closed = self.history.close_source(self._closed)


def lane_text(lane: str, content: LaneContent | None) -> str:
    """What was put into a lane, in a few words: ``take 3 to A``."""
    shown = content.shown if content is not None else None
    return f"take {shown.number} to {lane}" if shown is not None else f"lane {lane}"


def panel_values(steer: Steer, mask: ShownMask | None) -> dict[str, Any]:
    """The panel's values by name; those of a mapping one by one, such as ``strengths/angry``, without zeros."""
    values: dict[str, Any] = {MASK: mask}
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
        elif name != MASK:
            changes[field] = value
    return replace(steer, **changes)


def _slides(name: str) -> bool:
    """Whether a value passes others on its way, as a slider's does."""
    return "/" in name or name in ("layers", "seed", "automation")


def _points(values: Mapping[str, Any]) -> int:
    """How many points the curve has in some of the panel's values."""
    return len(values.get("automation") or ())


def panel_text(changed: Mapping[str, Any], steer: Steer) -> str:
    """What was changed, in a few words: ``angry 0.50``, ``mode add``, ``mask``."""
    for name in (MASK, "mode", "target"):
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
    if first == "automation" and changed[first] is None:
        return "clearing the curve"
    return {"scope": "tokens", "automation": "curve"}.get(first, first.replace("_", " "))
