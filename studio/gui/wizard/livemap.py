"""The mask as it would be if the search ended now, batch after batch. No Qt; lives in the worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import StudioError
from studio.gui.state import ShownMask
from studio.gui.wizard.recipe import Recipe

if TYPE_CHECKING:
    from studio.esn.mask import EsnMask
    from studio.esn.statistics import EmotionStatistics, GateStatistics
    from studio.pipelines.records import Attempt


class LiveMap:
    """Merges the counts of successes as they come in and selects from them.

    Batches come in drawing order, so the first ``cap`` successes of an emotion are those the finished search draws.
    """

    def __init__(self, folder: Path, recipe: Recipe, labels: tuple[str, ...] = ()) -> None:
        self._folder = folder
        self._recipe = recipe
        self._labels = labels
        self._counts: dict[str, GateStatistics] = {}
        self._merged: Counter[str] = Counter()

    def add(self, attempts: Iterable[Attempt]) -> None:
        """Count the successes among ``attempts``, as far as the cap leaves room."""
        from studio.esn.statistics import EmotionStatistics

        for each in attempts:
            if not each.success or each.shard is None or self._merged[each.emotion] >= self._recipe.cap:
                continue
            counts = EmotionStatistics.load(self._folder / each.shard).by_emotion[each.emotion]
            held = self._counts.get(each.emotion)
            self._counts[each.emotion] = counts if held is None else held.merge(counts)
            self._merged[each.emotion] += 1

    def shown(self) -> ShownMask | None:
        """The map so far; None while there is nothing to select from."""
        from studio.esn.statistics import EmotionStatistics

        if not self._counts:
            return None
        widths = next(iter(self._counts.values())).widths
        try:
            mask = select_mask(EmotionStatistics(widths, dict(self._counts)), self._recipe)
        except StudioError:
            return None
        return shown_mask(mask, self._folder, self._recipe.title, self._labels)


def select_mask(statistics: EmotionStatistics, recipe: Recipe) -> EsnMask:
    """The mask that ``recipe`` selects; raises StudioError when nothing can be selected."""
    from studio.esn.selectors import Selector, select

    return select(
        statistics,
        Selector(recipe.selector),
        recipe.rate,
        seed=recipe.seed,
        percentile=recipe.percentile,
        compare=recipe.emotions,
    )


def shown_mask(mask: EsnMask, path: Path, name: str, labels: tuple[str, ...]) -> ShownMask:
    """A mask with its neurons counted."""
    counts = {emotion: tuple(int(count) for count in mask.histogram(emotion)) for emotion in mask.emotions}
    return ShownMask(mask, name, path, tuple(mask.widths), counts, (), labels)
