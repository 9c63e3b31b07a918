"""Which takes the list shows, in which order, and what each one's line says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from studio.gui.formats import steering_summary
from studio.gui.shown import ShownTake

ORDERS: dict[str, str] = {
    "number": "Order of making",
    "name": "Name",
    "target": "Target emotion",
    "judge": "Judge: most like the target first",
    "wer": "Fewest word errors first",
    "naturalness": "Most natural first",
    "similarity": "Most like the source's voice first",
    "length": "Shortest first",
    "stars": "Most stars first",
}
"""What takes can be sorted by, in words."""


@dataclass(frozen=True)
class Arrangement:
    """What is asked of the list: words to look for, filters (None for any), an order, and groups by source."""

    text: str = ""
    target: str | None = None
    stars: int = 0
    flagged: bool | None = None
    order: str = "number"
    grouped: bool = False

    @property
    def filters(self) -> bool:
        """Whether takes may be hidden."""
        return bool(self.text.strip() or self.target or self.stars or self.flagged is not None)


@dataclass(frozen=True, eq=False)
class Row:
    """A line of the list: a take with the words for its settings, or a source's title (``shown`` None)."""

    text: str
    shown: ShownTake | None = None


def arrange(takes: Sequence[ShownTake], wanted: Arrangement) -> list[Row]:
    """The lines for ``takes`` (in order of making); a take's line says what differs from the one above it."""
    left = sorted((shown for shown in takes if _passes(shown, wanted)), key=_KEYS[wanted.order])
    if not wanted.grouped:
        return _rows(left)
    groups: dict[str, list[ShownTake]] = {}
    for shown in left:
        groups.setdefault(shown.take.source_name or "unnamed", []).append(shown)
    return [row for title, group in groups.items() for row in (Row(title), *_rows(group))]


def _rows(takes: Sequence[ShownTake]) -> list[Row]:
    above: list[ShownTake | None] = [None, *takes]
    return [Row(changed_text(before, shown), shown) for before, shown in zip(above, takes, strict=False)]


def changed_text(above: ShownTake | None, shown: ShownTake) -> str:
    """What differs from the take above; all that steers it where that is shorter or there is none above."""
    from studio.session.differences import differences

    whole = summary(shown)
    if above is None or above.take.source is not shown.take.source:
        return whole
    changed = [each for each in differences(above.take, shown.take) if each.name != "target"]
    baseline = shown.take.settings.is_baseline or above.take.settings.is_baseline
    if baseline:
        # From nothing to something, or back: all of it is what changed.
        return ", ".join([whole, *(each.phrase for each in changed if not each.steering)])
    return ", ".join(each.phrase for each in changed) or whole


def summary(shown: ShownTake) -> str:
    """What steered a take, in a few words."""
    settings = shown.take.settings
    return steering_summary(
        settings.target, str(settings.mode), settings.strengths, settings.layers, curve=settings.automation is not None
    )


def _passes(shown: ShownTake, wanted: Arrangement) -> bool:
    take = shown.take
    if wanted.target is not None and take.settings.target != wanted.target:
        return False
    if take.stars < wanted.stars or (wanted.flagged is not None and bool(take.flags) != wanted.flagged):
        return False
    told = (f"take {shown.number}", take.name, take.note, take.source_name, take.settings.target, take.text)
    everything = " ".join((*told, summary(shown), *map(str, take.flags))).lower()
    return all(word in everything for word in wanted.text.lower().split())


def _last_if_unknown(value: float | None, sign: int = 1) -> tuple[bool, float]:
    return (value is None, sign * (value or 0.0))


_KEYS: dict[str, Callable[[ShownTake], Any]] = {
    "number": lambda shown: shown.number,
    "name": lambda shown: (not shown.take.name, shown.take.name.lower(), shown.number),
    "target": lambda shown: (shown.take.settings.target, shown.number),
    "judge": lambda shown: (_last_if_unknown(shown.take.judged.get(shown.take.settings.target), -1), shown.number),
    "wer": lambda shown: (
        _last_if_unknown(shown.take.heard_wer if shown.take.heard_wer is not None else shown.take.wer),
        shown.number,
    ),
    "naturalness": lambda shown: (_last_if_unknown(shown.take.naturalness, -1), shown.number),
    "similarity": lambda shown: (_last_if_unknown(shown.take.similarity, -1), shown.number),
    "length": lambda shown: (shown.take.audio.seconds, shown.number),
    "stars": lambda shown: (-shown.take.stars, shown.number),
}
