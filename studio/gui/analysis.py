"""What the lanes draw of a clip: peaks, pitch and loudness. Computed in a worker, never on the window's thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from studio.audio.clip import Clip
from studio.audio.peaks import PeakPyramid
from studio.audio.spectrogram import Spectrogram, spectrogram

if TYPE_CHECKING:
    from studio.audio.pitch import PitchTrack

LONGEST_PITCH_SECONDS = 60.0
"""Longer clips get no pitch and no spectrum: no model here reads more, and a wait would buy an unreadable line."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """A clip ready to be drawn; ``peak`` is its largest magnitude.

    ``pitch`` and ``spectrum`` are None while it arrives, and for clips too long to read them from.
    """

    clip: Clip
    peaks: PeakPyramid
    peak: float
    pitch: PitchTrack | None = None
    spectrum: Spectrogram | None = None

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.clip.seconds


def draw(clip: Clip, begun: Drawing | None = None) -> Drawing:
    """Peaks, pitch and spectrum of a clip; takes up to a few tenths of a second.

    ``begun`` is the outline of a beginning of the same clip.
    """
    begun = outline(clip, begun)
    peaks, peak = begun.peaks, begun.peak
    if clip.seconds > LONGEST_PITCH_SECONDS:
        return Drawing(clip, peaks, peak)
    # Here and below: scipy and WORLD take a second to import, which neither the window nor a long recording waits for.
    from studio.audio.pitch import pitch_track

    return Drawing(clip, peaks, peak, pitch_track(clip), spectrogram(clip))


def outline(clip: Clip, begun: Drawing | None = None) -> Drawing:
    """Peaks of a clip and nothing that takes time; ``begun`` is the outline of a beginning of the same clip."""
    peaks = PeakPyramid(clip.samples, begun.peaks if begun is not None else None)
    return Drawing(clip, peaks, _peak(peaks))


def draw_chunks(chunks: list[np.ndarray], rate: int) -> Drawing:
    """Peaks of a render that is still arriving."""
    return outline(Clip(np.concatenate(chunks).astype(np.float32, copy=False), rate))


def matched_gains(clips: Mapping[str, Clip]) -> dict[str, float]:
    """Gain in dB per lane that makes them equally loud without clipping."""
    from studio.audio.loudness import match_gains

    return dict(zip(clips, match_gains(list(clips.values())), strict=True))


def _peak(peaks: PeakPyramid) -> float:
    """The largest magnitude, without looking at every sample once more."""
    if not len(peaks):
        return 0.0
    low, high = peaks.slice(0, len(peaks), 1)
    return float(max(-low[0], high[0], 0.0))
