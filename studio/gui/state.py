"""What the window shows, with signals around it; no widget, no thread, no file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from PySide6.QtCore import QObject, Signal

from studio.esn.automation import Point
from studio.gui.analysis import Drawing
from studio.gui.shown import TAKE_LANES, A, Arriving, B, LaneContent, ShownMask, ShownTake, Source, Steer

if TYPE_CHECKING:
    # The session's modules reach torch; the window opens without waiting for it.
    from studio.lalm.base import ModelInfo
    from studio.session.take import Take


class StudioState(QObject):
    """Everything the views show. Views read attributes and call setters; setters emit what changed."""

    source_changed = Signal()
    sources_changed = Signal()
    source_closing = Signal(object)
    arriving_changed = Signal()
    steer_changed = Signal()
    mask_changed = Signal()
    model_changed = Signal()
    takes_changed = Signal()
    take_changed = Signal(object)
    take_marked = Signal(object, object)
    takes_removed = Signal(object, object)
    lane_changed = Signal(str)
    lane_assigned = Signal(str, object)
    locks_changed = Signal()
    gains_changed = Signal()
    options_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.source: Source | None = None
        self.sources: list[Source] = []
        self.arriving: Arriving | None = None
        self.steer = Steer()
        # Weak: no recording stays in memory for its curve.
        self._curves: WeakKeyDictionary[Drawing, tuple[Point, ...] | None] = WeakKeyDictionary()
        self.mask: ShownMask | None = None
        self.model: ModelInfo | None = None
        self.takes: list[ShownTake] = []
        self.next_number = 1
        self.lanes: dict[str, LaneContent | None] = {A: None, B: None}
        self.locks: set[str] = set()
        self.gains: dict[str, float] = {}
        self.level_match = True
        self.auto_render = True
        self.auto_play = True
        self.bypass = False
        self.tracks = frozenset({"waveform", "pitch"})

    def set_source(self, source: Source | None) -> None:
        """Open another source: lanes empty and unlock, since what they held was made from another.

        A curve goes with its recording and comes back with it. The source joins ``sources``, in place of one that is
        of the same recording.
        """
        if self.source is not None:
            self._curves[self.source.drawing] = self.steer.automation
        self.source = source
        curve = self._curves.get(source.drawing) if source is not None else None
        self.set_steer(replace(self.steer, automation=curve))
        if source is not None:
            self.keep_source(source)
        self.locks.clear()
        self.locks_changed.emit()
        self.source_changed.emit()
        for lane in TAKE_LANES:
            self.set_lane(lane, None)

    def set_arriving(self, arriving: Arriving | None) -> None:
        """Show what was read of the recording that is about to be the source; None when it is there, or is not."""
        if arriving is not self.arriving:
            self.arriving = arriving
            self.arriving_changed.emit()

    def keep_source(self, source: Source, place: int | None = None) -> None:
        """Put a source into the list without opening it: in place of one of the same recording, or at ``place``."""
        found = next((index for index, each in enumerate(self.sources) if each.is_of(source)), None)
        if found is None:
            self.sources.insert(len(self.sources) if place is None else place, source)
        else:
            self.sources[found] = source
        self.sources_changed.emit()

    def replace_sources(self, sources: Iterable[Source]) -> None:
        """Other sources altogether, as of another project; none of them is opened."""
        self.sources[:] = sources
        self.sources_changed.emit()

    def remove_source(self, source: Source) -> None:
        """Take a source off the list; if it was open, the next one opens. Takes made from it stay."""
        place = next((index for index, each in enumerate(self.sources) if each.is_of(source)), None)
        if place is None:
            return
        self.source_closing.emit(self.sources[place])
        del self.sources[place]
        self.sources_changed.emit()
        if source.is_of(self.source):
            self.set_source(self.sources[min(place, len(self.sources) - 1)] if self.sources else None)

    def set_reference(self, reference: str | None, *, read: bool = False) -> None:
        """Another transcript for the same source; ``read`` when the model read it."""
        if self.source is not None and reference != self.source.reference:
            self.source = replace(self.source, reference=reference, read=read)
            self.keep_source(self.source)
            self.source_changed.emit()

    def set_steer(self, steer: Steer) -> None:
        """Other steering values."""
        if steer != self.steer:
            self.steer = steer
            self.steer_changed.emit()

    def use_settings(self, steer: Steer, mask: ShownMask | None) -> None:
        """The steering values and the mask of some take, both at once; None leaves the mask."""
        other_mask = mask is not None and mask is not self.mask
        self.mask = mask or self.mask
        self.set_steer(steer)
        if other_mask:
            self.mask_changed.emit()

    def set_strength(self, emotion: str, value: float) -> None:
        """Another strength of one emotion, heard if it was muted."""
        steer = self.steer
        self.set_steer(replace(steer, strengths={**steer.strengths, emotion: value}, muted=steer.muted - {emotion}))

    def set_model(self, info: ModelInfo | None) -> None:
        """A model was loaded or closed."""
        self.model = info
        self.model_changed.emit()

    def set_mask(self, mask: ShownMask | None) -> None:
        """Another mask: its module is steered.

        Strengths of emotions it does not hold go to 0; a layer window goes where it has no such layers, or they are
        another module's.
        """
        self.mask = mask
        if mask is not None:
            kept = self.steer.learned
            held = {name: value for name, value in self.steer.strengths.items() if kept or name in mask.emotions}
            layers = self.steer.layers
            fits = layers is not None and layers[1] < mask.layers and mask.module == self.steer.module
            self.set_steer(replace(self.steer, strengths=held, layers=layers if fits else None, module=mask.module))
        self.mask_changed.emit()

    def take_numbered(self, number: int) -> ShownTake | None:
        """The take of a number, None when there is none (any more)."""
        return next((shown for shown in self.takes if shown.number == number), None)

    def add_take(self, take: ShownTake) -> None:
        """Append a take."""
        self.add_takes([take])

    def add_takes(self, takes: Iterable[ShownTake]) -> None:
        """Put takes where their numbers belong."""
        self.takes[:] = sorted([*self.takes, *takes], key=lambda shown: shown.number)
        self.next_number = max([self.next_number - 1, *(shown.number for shown in self.takes)]) + 1
        self.takes_changed.emit()

    def replace_takes(self, takes: Iterable[ShownTake]) -> None:
        """Other takes altogether, as of another project; the lanes are emptied."""
        self.takes.clear()
        self.next_number = 1
        for lane in TAKE_LANES:
            self.set_lane(lane, None)
        self.add_takes(takes)

    def remove_takes(self, takes: Iterable[ShownTake]) -> None:
        """Take takes off the list and out of the lanes."""
        removed = tuple(shown for shown in self.takes if shown in set(takes))
        held = {lane: content for lane, content in self.lanes.items() if content and content.shown in removed}
        self.takes[:] = [shown for shown in self.takes if shown not in removed]
        for lane in held:
            self.set_lane(lane, None)
        self.takes_changed.emit()
        self.takes_removed.emit(removed, held)

    def mark_take(self, shown: ShownTake, **marks: Any) -> None:
        """Change what a person says of a take: ``name``, ``note`` or ``stars``."""
        before = shown.take
        if any(getattr(before, field) != value for field, value in marks.items()):
            shown.take = replace(before, **marks)
            self.take_marked.emit(shown, before)
            self.take_changed.emit(shown)

    def complete_take(self, shown: ShownTake, take: Take) -> None:
        """Replace a take by itself with what was measured later."""
        shown.take = take
        self.take_changed.emit(shown)

    def set_lane(self, lane: str, content: LaneContent | None) -> None:
        """Fill or empty lane A or B."""
        self.lanes[lane] = content
        self.lane_changed.emit(lane)

    def assign_lane(self, lane: str, content: LaneContent | None) -> None:
        """Fill a lane because somebody asked for just that."""
        before = self.lanes[lane]
        self.set_lane(lane, content)
        self.lane_assigned.emit(lane, before)

    def set_locked(self, lane: str, locked: bool) -> None:
        """Keep a lane's take from being replaced by the next render."""
        if locked != (lane in self.locks):
            self.locks ^= {lane}
            self.locks_changed.emit()

    def set_gains(self, gains: Mapping[str, float]) -> None:
        """Level-matching gains in dB per lane."""
        self.gains = dict(gains)
        self.gains_changed.emit()

    def set_options(
        self,
        *,
        level_match: bool | None = None,
        auto_render: bool | None = None,
        auto_play: bool | None = None,
        bypass: bool | None = None,
    ) -> None:
        """Switch level matching, automatic rendering or playing, or the bypass, which leaves all steering out."""
        self.level_match = self.level_match if level_match is None else level_match
        self.auto_render = self.auto_render if auto_render is None else auto_render
        self.auto_play = self.auto_play if auto_play is None else auto_play
        self.bypass = self.bypass if bypass is None else bypass
        self.options_changed.emit()

    def show_tracks(self, tracks: frozenset[str]) -> None:
        """Draw other tracks in all lanes."""
        self.tracks = tracks
        self.options_changed.emit()

    def lane_for(self, *, baseline: bool) -> str | None:
        """Where a new render goes: a baseline to A, a steered one to B, to the other lane if that one is locked."""
        order = TAKE_LANES if baseline else TAKE_LANES[::-1]
        return next((lane for lane in order if lane not in self.locks), None)
