"""Min/max pyramid: what a waveform view draws at any zoom, exactly and in time that does not grow with the clip."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import numpy as np
import numpy.typing as npt

from studio.audio.clip import FloatArray

_FACTOR = 16
_BLOCK = 1 << 18
"""Samples reduced at a time: few enough that the second look at them finds them in the processor's cache."""

_NOTHING: tuple[FloatArray, FloatArray] = (np.empty(0, np.float32), np.empty(0, np.float32))

_Indices = npt.NDArray[np.int64]


class PeakPyramid:
    """Minima and maxima of ``samples`` (float32 [n]) over bins of 1, 16, 256, ... samples.

    Built once in O(n); a slice costs O(columns * log n), however long the stretch it shows. ``known`` is the pyramid of
    a beginning of the same samples, as of a file that is still being read: its bins are not counted again.
    """

    def __init__(self, samples: FloatArray, known: PeakPyramid | None = None) -> None:
        base = np.ascontiguousarray(samples, dtype=np.float32)
        if base.ndim != 1:
            raise ValueError(f"samples must be one-dimensional, got shape {base.shape}")
        self._levels: list[tuple[FloatArray, FloatArray]] = [(base, base)]
        while len(self._levels[-1][0]) >= _FACTOR:
            # Only full bins are kept: a query never asks for a partial one, it takes those samples one level down.
            low, high = self._levels[-1]
            low_known, high_known = known._level(len(self._levels)) if known is not None else _NOTHING
            self._levels.append((_bins(np.minimum, low, low_known), _bins(np.maximum, high, high_known)))

    def _level(self, number: int) -> tuple[FloatArray, FloatArray]:
        return self._levels[number] if number < len(self._levels) else _NOTHING

    def __len__(self) -> int:
        """Number of samples."""
        return len(self._levels[0][0])

    def slice(self, start: int, stop: int, columns: int) -> tuple[FloatArray, FloatArray]:
        """Exact (minimum, maximum), float32 [columns] each, of the samples under every pixel column.

        Column c covers the samples from ``start + floor(c * (stop - start) / columns)`` up to the next column's
        first, and always at least one (so columns repeat samples when there are more columns than samples).
        Raises ValueError unless 0 <= start < stop <= len(self) and columns >= 1.
        """
        if not 0 <= start < stop <= len(self):
            raise ValueError(f"samples {start}..{stop} do not lie in a clip of {len(self)}")
        if columns < 1:
            raise ValueError(f"columns must be at least 1, got {columns}")
        edges = start + np.arange(columns + 1, dtype=np.int64) * (stop - start) // columns
        first = edges[:-1]
        last = np.maximum(edges[1:], first + 1)
        lowest = np.full(columns, np.inf, dtype=np.float32)
        highest = np.full(columns, -np.inf, dtype=np.float32)
        for low, high in self._levels:
            # A stretch that holds no whole bin of the next level is taken here; of any other, what sticks out.
            whole_first, whole_last = -(-first // _FACTOR), last // _FACTOR
            short = whole_first >= whole_last
            _take(low, high, first, np.where(short, last, whole_first * _FACTOR), lowest, highest)
            if short.all():
                break
            _take(low, high, np.where(short, last, whole_last * _FACTOR), last, lowest, highest)
            first, last = np.where(short, 0, whole_first), np.where(short, 0, whole_last)
        return lowest, highest


def _bins(extreme: Callable[..., FloatArray], values: FloatArray, known: FloatArray) -> FloatArray:
    """The extremes of every ``_FACTOR`` values; ``known`` are the first of them."""
    bins = np.empty(len(values) // _FACTOR, dtype=np.float32)
    bins[: len(known)] = known
    step = _BLOCK // _FACTOR
    for start in range(len(known), len(bins), step):
        part = bins[start : start + step]
        members = values[start * _FACTOR : (start + len(part)) * _FACTOR]
        # Members of a bin taken in strides: many times faster than reducing rows.
        part[:] = reduce(extreme, (members[member::_FACTOR] for member in range(_FACTOR)))
    return bins


def _take(
    low: FloatArray, high: FloatArray, first: _Indices, last: _Indices, lowest: FloatArray, highest: FloatArray
) -> None:
    """Let every column take in the bins ``first[c]..last[c]`` of a level; columns without any stay as they are."""
    columns = np.flatnonzero(first < last)
    if not len(columns):
        return
    counts = last[columns] - first[columns]
    begins = np.cumsum(counts) - counts
    bins = np.arange(counts.sum()) + np.repeat(first[columns] - begins, counts)
    lowest[columns] = np.minimum(lowest[columns], np.minimum.reduceat(low[bins], begins))
    highest[columns] = np.maximum(highest[columns], np.maximum.reduceat(high[bins], begins))
