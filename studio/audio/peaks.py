"""Min/max pyramid: what a waveform view draws at any zoom, exactly and in time that does not grow with the clip."""

from __future__ import annotations

from functools import reduce

import numpy as np
import numpy.typing as npt

from studio.audio.clip import FloatArray

_FACTOR = 4
_Indices = npt.NDArray[np.int64]


class PeakPyramid:
    """Minima and maxima of ``samples`` (float32 [n]) over bins of 1, 4, 16, ... samples.

    Built once in O(n); a slice costs O(columns * log n), however long the stretch it shows.
    """

    def __init__(self, samples: FloatArray) -> None:
        base = np.ascontiguousarray(samples, dtype=np.float32)
        if base.ndim != 1:
            raise ValueError(f"samples must be one-dimensional, got shape {base.shape}")
        self._levels: list[tuple[FloatArray, FloatArray]] = [(base, base)]
        low, high = base, base
        while len(low) >= _FACTOR:
            # Only full bins are kept: a query never asks for a partial one, it takes those samples one level down.
            whole = len(low) // _FACTOR * _FACTOR
            # Members of a bin taken in strides: many times faster than reducing rows of four.
            low = reduce(np.minimum, (low[member:whole:_FACTOR] for member in range(_FACTOR)))
            high = reduce(np.maximum, (high[member:whole:_FACTOR] for member in range(_FACTOR)))
            self._levels.append((low, high))

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
        first = edges[:-1].copy()
        last = np.maximum(edges[1:], first + 1)
        lowest = np.full(columns, np.inf, dtype=np.float32)
        highest = np.full(columns, -np.inf, dtype=np.float32)
        for low, high in self._levels:
            for _ in range(_FACTOR - 1):
                left = np.flatnonzero((first < last) & (first % _FACTOR != 0))
                _take(low, high, first[left], left, lowest, highest)
                first[left] += 1
                right = np.flatnonzero((first < last) & (last % _FACTOR != 0))
                last[right] -= 1
                _take(low, high, last[right], right, lowest, highest)
            if not np.any(first < last):
                break
            first //= _FACTOR
            last //= _FACTOR
        return lowest, highest


def _take(
    low: FloatArray, high: FloatArray, bins: _Indices, columns: _Indices, lowest: FloatArray, highest: FloatArray
) -> None:
    lowest[columns] = np.minimum(lowest[columns], low[bins])
    highest[columns] = np.maximum(highest[columns], high[bins])
