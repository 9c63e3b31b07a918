"""Analysed recordings: what the model is fed of each, kept, since one recording is converted many times."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from studio.audio.clip import Clip, FloatArray
from studio.lalm.embedded import features, vocoder
from studio.lalm.embedded.features import Source
from studio.lalm.embedded.segments import split
from studio.lalm.embedded.vocoder import Analysis

ROOM = 64_000_000
"""Bytes kept: more than half an hour of speech, or, where words are locked to the recording, about a minute."""


@dataclass(frozen=True, eq=False)
class Stretch:
    """A segment of a recording; ``lead`` and ``tail`` are the samples around it that are kept as they are.

    ``start``: seconds into the recording. ``gain`` undoes the level normalisation. ``analysis`` where it was asked for.
    """

    source: Source
    start: float
    gain: float
    lead: FloatArray
    tail: FloatArray
    analysis: Analysis | None

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        held = self.source.features.nbytes + self.source.semitones.nbytes + self.source.voiced.nbytes
        held += self.lead.nbytes + self.tail.nbytes
        if self.analysis is not None:
            held += self.analysis.hertz.nbytes + self.analysis.envelope.nbytes + self.analysis.aperiodicity.nbytes
        return held


class Sources:
    """Analyses recordings and keeps those used last, ``room`` bytes of them; for any number of threads."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._kept: OrderedDict[tuple[str, bool], list[Stretch]] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def __call__(self, clip: Clip, locked: bool) -> list[Stretch]:
        """The segments of a recording, with what vocoder synthesis needs of it when ``locked``.

        ``clip`` has the vocoder's rate.
        """
        key = (clip.fingerprint(), locked)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        stretches = analyse(clip.samples, locked)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = stretches
                self._held += _size(stretches)
            while self._held > self._room:
                self._held -= _size(self._kept.popitem(last=False)[1])
        return stretches

    def clear(self) -> None:
        """Keep nothing of what was analysed so far."""
        with self._lock:
            self._kept.clear()
            self._held = 0


def analyse(samples: FloatArray, locked: bool) -> list[Stretch]:
    """As ``Sources``, without keeping anything."""
    signal, factor = vocoder.normalise(samples)
    hertz = vocoder.estimate_pitch(signal)
    whole = features.describe(signal, hertz)
    stretches = []
    for segment in split(signal):
        part = signal[segment.start : segment.stop]
        first = segment.start // vocoder.HOP
        part_hertz = hertz[first : first + len(part) // vocoder.HOP + 1]
        stretches.append(
            Stretch(
                features.describe(part, part_hertz, whole.median_hertz),
                segment.start / vocoder.RATE,
                1 / factor,
                # Copies: what is kept must not keep the whole recording.
                samples[segment.start - segment.lead : segment.start].copy(),
                samples[segment.stop : segment.stop + segment.tail].copy(),
                vocoder.analyse(part, part_hertz) if locked else None,
            )
        )
    return stretches


def _size(stretches: list[Stretch]) -> int:
    return sum(each.nbytes for each in stretches)
