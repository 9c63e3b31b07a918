"""What the window shows, as plain values with signals around them; no widget, no thread, no file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from studio.audio.clip import Clip
from studio.esn.automation import Point
from studio.gui.analysis import Drawing
from studio.gui.intensity import RANGES, IntensityRange
from studio.gui.words import Word

if TYPE_CHECKING:
    # The session's modules reach torch; the window opens without waiting for it.
    from studio.esn.mask import EsnMask
    from studio.lalm.base import ModelInfo
    from studio.session.take import Take

SOURCE, A, B = "source", "A", "B"
LANES: tuple[str, ...] = (SOURCE, A, B)
TAKE_LANES: tuple[str, ...] = (A, B)

TRACKS: tuple[str, ...] = ("waveform", "pitch", "energy", "spectrogram")
"""What every lane can draw."""


LEARNED = "learned"
"""The mode in which learned vectors steer instead of a mask's neurons; strengths are alphas."""


@dataclass(frozen=True)
class LearnedFile:
    """A file of learned vectors that was read: where it is, what it held, and for which emotions."""

    path: str
    fingerprint: str
    emotions: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called."""
        return Path(self.path).name.removesuffix(".safetensors").removesuffix(".emosteer")


@dataclass(frozen=True)
class Steer:
    """The steering panel's values; plain strings, so that showing them needs no model code.

    ``muted`` emotions keep their strength on the panel and count as 0; ``automation`` is the intensity curve.
    ``vectors`` is the file of learned vectors, whose alphas the strengths are in the mode ``learned``.
    """

    target: str | None = None
    mode: str = "gain"
    strengths: Mapping[str, float] = field(default_factory=dict)
    layers: tuple[int, int] | None = None
    module: str = "language"
    scope: str = "all"
    seed: int | None = None
    content: str = "free"
    automation: tuple[Point, ...] | None = None
    muted: frozenset[str] = frozenset()
    vectors: LearnedFile | None = None

    @property
    def learned(self) -> bool:
        """Whether learned vectors steer, and not neurons."""
        return self.mode == LEARNED

    @property
    def heard(self) -> dict[str, float]:
        """The strengths that take effect: above 0 and not muted."""
        return {name: value for name, value in sorted(self.strengths.items()) if value > 0.0 and name not in self.muted}

    @property
    def is_baseline(self) -> bool:
        """Whether nothing is steered."""
        silent = self.automation is not None and not any(share for _, share in self.automation)
        return silent or not self.heard

    def baseline(self) -> Steer:
        """The same conversion with every strength at 0; what only matters when steering is forgotten."""
        return replace(
            self,
            mode="gain",
            strengths={},
            layers=None,
            scope="all",
            module="language",
            automation=None,
            muted=frozenset(),
            vectors=None,
        )

    def canonical(self) -> Steer:
        """Equal for settings that cannot differ in sound: zero and muted strengths dropped, a baseline only itself."""
        if self.is_baseline:
            return self.baseline()
        level = self.automation is not None and all(share == 1.0 for _, share in self.automation)
        automation = None if level else self.automation
        heard = replace(self, strengths=self.heard, muted=frozenset(), automation=automation)
        if self.learned:  # where in the network a mask steers says nothing then
            return replace(heard, layers=None, scope="all", module="language")
        return replace(heard, vectors=None)

    def mute(self, emotion: str) -> Steer:
        """With an emotion muted, or heard again."""
        return replace(self, muted=self.muted ^ {emotion})

    def solo(self, emotion: str) -> Steer:
        """With all other steered emotions muted; all heard again when they are already."""
        others = frozenset(name for name in self.strengths if name != emotion)
        return replace(self, muted=frozenset() if self.muted == others else others)


@dataclass(frozen=True, eq=False)
class Source:
    """What is converted, drawn: a recording, or ``region`` (seconds) of the longer recording ``whole``.

    ``reference`` is its transcript where one is known; ``read`` says that it is only what the model read.
    """

    drawing: Drawing
    name: str
    reference: str | None = None
    demo: bool = False
    whole: Drawing | None = None
    region: tuple[float, float] | None = None
    read: bool = False

    @property
    def recording(self) -> Drawing:
        """The recording, all of it."""
        return self.whole if self.whole is not None else self.drawing

    def is_of(self, other: Source | None) -> bool:
        """Whether both are of one recording."""
        return other is not None and self.recording.clip is other.recording.clip


@dataclass(eq=False)
class ShownTake:
    """A take with its number (from 1, never given twice), its drawing and marked words; ``steer`` and the rest made it.

    ``origin`` is what was open when it was made; ``source`` is the clip of that. ``take`` is replaced when somebody
    names or rates it, ``drawing`` when its pitch arrives late; the rest stays.
    """

    number: int
    take: Take
    steer: Steer
    drawing: Drawing
    words: tuple[Word, ...]
    source: Clip
    mask: ShownMask | None
    origin: Source | None = None


@dataclass(frozen=True, eq=False)
class LaneContent:
    """What lane A or B holds: a finished take, or one that is arriving (``shown`` None)."""

    title: str
    drawing: Drawing | None = None
    shown: ShownTake | None = None


@dataclass(frozen=True, eq=False)
class ShownMask:
    """A mask with its numbers counted, so that showing it needs no model code; ``module`` names the gates it is of.

    ``ranges``: by mode and emotion, what a sweep with this mask showed to be safe and strong, where there was one.
    """

    mask: EsnMask
    name: str
    path: Path
    widths: tuple[int, ...]
    counts: Mapping[str, tuple[int, ...]]
    facts: tuple[tuple[str, str], ...] = ()
    module: str = "language"
    fingerprint: str = ""
    ranges: Mapping[str, Mapping[str, IntensityRange]] = field(default_factory=dict)

    def range_of(self, mode: str, emotion: str) -> IntensityRange | None:
        """The slider's range: as measured with this mask, otherwise the mode's; None for a mode without strengths."""
        return self.ranges.get(mode, {}).get(emotion) or RANGES.get(mode)

    @property
    def layers(self) -> int:
        """How many layers it covers."""
        return len(self.widths)

    @property
    def emotions(self) -> tuple[str, ...]:
        """Emotions it holds neurons for."""
        return tuple(emotion for emotion, counts in self.counts.items() if any(counts))


class StudioState(QObject):
    """Everything the views show. Views read attributes and call setters; setters emit what changed."""

    source_changed = Signal()
    sources_changed = Signal()
    source_removed = Signal(object, int)
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
        self.steer = Steer()
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
        """Open another source: lanes empty and unlock, since what they held was made from another; its curve goes too.

        It joins ``sources``, in place of one that is of the same recording.
        """
        self.source = source
        self.set_steer(replace(self.steer, automation=None))
        if source is not None:
            self.keep_source(source)
        self.locks.clear()
        self.locks_changed.emit()
        self.source_changed.emit()
        for lane in TAKE_LANES:
            self.set_lane(lane, None)

    def keep_source(self, source: Source) -> None:
        """Put a source into the list without opening it, in place of one that is of the same recording."""
        place = next((index for index, each in enumerate(self.sources) if each.is_of(source)), None)
        if place is None:
            self.sources.append(source)
        else:
            self.sources[place] = source
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
        removed = self.sources.pop(place)
        self.sources_changed.emit()
        self.source_removed.emit(removed, place)
        if source.is_of(self.source):
            self.set_source(self.sources[min(place, len(self.sources) - 1)] if self.sources else None)

    def restore_source(self, source: Source, place: int) -> None:
        """Put a source that was taken off back into the list, unless it is there again."""
        if not any(each.is_of(source) for each in self.sources):
            self.sources.insert(place, source)
            self.sources_changed.emit()

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
