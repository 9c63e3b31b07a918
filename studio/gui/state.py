"""What the window shows, as plain values with signals around them; no widget, no thread, no file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from studio.audio.clip import Clip
from studio.gui.analysis import Drawing
from studio.gui.words import Word

if TYPE_CHECKING:
    # The session's modules reach torch; the window opens without waiting for it.
    from studio.esn.mask import EsnMask
    from studio.lalm.base import ModelInfo
    from studio.session.take import Take

SOURCE, A, B = "source", "A", "B"
LANES: tuple[str, ...] = (SOURCE, A, B)
TAKE_LANES: tuple[str, ...] = (A, B)


@dataclass(frozen=True)
class Steer:
    """The steering panel's values; plain strings, so that showing them needs no model code."""

    target: str | None = None
    mode: str = "gain"
    strengths: Mapping[str, float] = field(default_factory=dict)
    layers: tuple[int, int] | None = None
    module: str = "language"
    scope: str = "all"
    seed: int | None = None
    content: str = "free"

    @property
    def is_baseline(self) -> bool:
        """Whether nothing is steered."""
        return not any(value > 0.0 for value in self.strengths.values())

    def baseline(self) -> Steer:
        """The same conversion with every strength at 0; what only matters when steering is forgotten."""
        return replace(self, mode="gain", strengths={}, layers=None, scope="all", module="language")

    def canonical(self) -> Steer:
        """Equal for settings that cannot differ in sound: zero strengths dropped, a baseline reduced to itself."""
        if self.is_baseline:
            return self.baseline()
        return replace(self, strengths={name: value for name, value in sorted(self.strengths.items()) if value > 0.0})


@dataclass(frozen=True, eq=False)
class Source:
    """The recording that is converted, drawn; ``reference`` is its transcript where one is known."""

    drawing: Drawing
    name: str
    reference: str | None = None
    demo: bool = False


@dataclass(frozen=True, eq=False)
class ShownTake:
    """A take with its place in the list (from 1), its drawing and marked words; ``steer`` and the rest made it."""

    number: int
    take: Take
    steer: Steer
    drawing: Drawing
    words: tuple[Word, ...]
    source: Clip
    mask: ShownMask | None


@dataclass(frozen=True, eq=False)
class LaneContent:
    """What lane A or B holds: a finished take, or one that is arriving (``shown`` None)."""

    title: str
    drawing: Drawing | None = None
    shown: ShownTake | None = None


@dataclass(frozen=True, eq=False)
class ShownMask:
    """A mask with its numbers counted, so that showing it needs no model code; ``module`` names the gates it is of."""

    mask: EsnMask
    name: str
    path: Path
    widths: tuple[int, ...]
    counts: Mapping[str, tuple[int, ...]]
    facts: tuple[tuple[str, str], ...] = ()
    module: str = "language"

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
    steer_changed = Signal()
    mask_changed = Signal()
    model_changed = Signal()
    takes_changed = Signal()
    lane_changed = Signal(str)
    locks_changed = Signal()
    gains_changed = Signal()
    options_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.source: Source | None = None
        self.steer = Steer()
        self.mask: ShownMask | None = None
        self.model: ModelInfo | None = None
        self.takes: list[ShownTake] = []
        self.lanes: dict[str, LaneContent | None] = {A: None, B: None}
        self.locks: set[str] = set()
        self.gains: dict[str, float] = {}
        self.level_match = True
        self.auto_render = True
        self.auto_play = True

    def set_source(self, source: Source | None) -> None:
        """Another recording: lanes empty and unlock, since what they held was made from another."""
        self.source = source
        self.locks.clear()
        self.locks_changed.emit()
        self.source_changed.emit()
        for lane in TAKE_LANES:
            self.set_lane(lane, None)

    def set_reference(self, reference: str | None) -> None:
        """Another transcript for the same recording."""
        if self.source is not None and reference != self.source.reference:
            self.source = replace(self.source, reference=reference)
            self.source_changed.emit()

    def set_steer(self, steer: Steer) -> None:
        """Other steering values."""
        if steer != self.steer:
            self.steer = steer
            self.steer_changed.emit()

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
            held = {name: value for name, value in self.steer.strengths.items() if name in mask.emotions}
            layers = self.steer.layers
            fits = layers is not None and layers[1] < mask.layers and mask.module == self.steer.module
            self.set_steer(replace(self.steer, strengths=held, layers=layers if fits else None, module=mask.module))
        self.mask_changed.emit()

    def add_take(self, take: ShownTake) -> None:
        """Append a take."""
        self.takes.append(take)
        self.takes_changed.emit()

    def set_lane(self, lane: str, content: LaneContent | None) -> None:
        """Fill or empty lane A or B."""
        self.lanes[lane] = content
        self.lane_changed.emit(lane)

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
        self, *, level_match: bool | None = None, auto_render: bool | None = None, auto_play: bool | None = None
    ) -> None:
        """Switch level matching, automatic rendering or automatic playing."""
        self.level_match = self.level_match if level_match is None else level_match
        self.auto_render = self.auto_render if auto_render is None else auto_render
        self.auto_play = self.auto_play if auto_play is None else auto_play
        self.options_changed.emit()

    def lane_for(self, *, baseline: bool) -> str | None:
        """Where a new render goes: a baseline to A, a steered one to B, to the other lane if that one is locked."""
        order = TAKE_LANES if baseline else TAKE_LANES[::-1]
        return next((lane for lane in order if lane not in self.locks), None)
