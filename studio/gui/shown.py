"""What the window shows, as plain values: the panel's settings, recordings, takes, lanes and masks. No signals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from studio.audio.clip import Clip
from studio.esn.automation import Point
from studio.gui.analysis import Drawing
from studio.gui.intensity import RANGES, IntensityRange
from studio.gui.words import Word

if TYPE_CHECKING:
    # The session's modules reach torch; the window opens without waiting for it.
    from studio.esn.mask import EsnMask
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

    ``reference`` is its transcript where one is known; ``read`` says that it is only what the model read. ``path`` is
    the file it was read from, ``fingerprint`` that of the recording's samples (empty where it was not read).
    """

    drawing: Drawing
    name: str
    reference: str | None = None
    demo: bool = False
    whole: Drawing | None = None
    region: tuple[float, float] | None = None
    read: bool = False
    path: Path | None = None
    fingerprint: str = ""

    @property
    def recording(self) -> Drawing:
        """The recording, all of it."""
        return self.whole if self.whole is not None else self.drawing

    def is_of(self, other: Source | None) -> bool:
        """Whether both are of one recording."""
        return other is not None and self.recording.clip is other.recording.clip

    def same_as(self, other: Source) -> bool:
        """Whether both are of one recording under one name, though they may have been opened apart."""
        same = bool(self.fingerprint) and self.fingerprint == other.fingerprint
        return self.is_of(other) or (same and self.name == other.name)


@dataclass(frozen=True, eq=False)
class Arriving:
    """A recording that is still being read: what there is of it, and how long it says it is (seconds)."""

    name: str
    drawing: Drawing
    seconds: float


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
