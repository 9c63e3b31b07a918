"""What a search for neurons was asked to do, as plain values: enough to go on with it after a restart. No Qt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from studio import atomic
from studio.emotions import TARGETS
from studio.errors import StudioError

FORMAT = 1
FILE = "search.json"
EVERYTHING = "all"
"""The part of a corpus that is all of it."""

IDENTIFICATION = "identification"
SELECTORS: Mapping[str, str] = {
    "cas": "Contrast: most active for one emotion against the runner-up. The paper's default.",
    "mad": "Deviation: far from the mean over emotions, in either direction.",
    "lape": "Entropy: active for few emotions and quiet for the others.",
    "lap": "Activity: simply the most active. Finds neurons that speech needs anyway.",
    "random": "Chance: a control to compare the others with.",
}


@dataclass(frozen=True)
class Recipe:
    """The wizard's answers. ``layout`` and ``part`` say how the corpus is read and which of its splits is used."""

    corpus: Path | None = None
    layout: str = "auto"
    part: str = IDENTIFICATION
    limit: int | None = None
    model: str = "embedded"
    judge: str = "embedded"
    emotions: tuple[str, ...] = TARGETS
    module: str = "language"
    selector: str = "cas"
    rate: float = 0.005
    percentile: float = 95.0
    cap: int = 50
    wer_threshold: float = 0.15
    seed: int = 0
    batch: int = 16
    stop_early: bool = True
    keep_audio: bool = True

    @property
    def title(self) -> str:
        """What the corpus is called."""
        return self.corpus.name if self.corpus is not None else ""

    def same_job(self, other: Recipe) -> bool:
        """Whether a job made for ``other`` can be gone on with: only what is selected, and how many, may differ."""
        return all(getattr(self, name) == getattr(other, name) for name in _CONVERSIONS_DEPEND_ON)


_CONVERSIONS_DEPEND_ON = (
    "corpus", "layout", "part", "limit", "model", "judge", "module", "wer_threshold", "seed", "batch"
)  # fmt: skip


def save_recipe(recipe: Recipe, folder: Path) -> None:
    """Write ``recipe`` into a job folder; raises StudioError when it cannot be written."""
    atomic.write_json(folder / FILE, {"format": FORMAT} | asdict(recipe) | {"corpus": str(recipe.corpus)})


def load_recipe(folder: Path) -> Recipe:
    """The recipe of a job folder; raises StudioError when there is none or it cannot be used."""
    path = folder / FILE
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise StudioError(f"The search in '{folder}' cannot be gone on with: {atomic.reason(error)}.") from error
    except (ValueError, RecursionError) as error:
        raise StudioError(f"'{path}' is damaged, so the search cannot be gone on with.") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise StudioError(f"'{path}' was not written by this version of ESN Studio.")
    values: dict[str, Any] = {each.name: document.get(each.name, each.default) for each in fields(Recipe)}
    try:
        return Recipe(**values | {"corpus": Path(values["corpus"]), "emotions": tuple(values["emotions"])})
    except (TypeError, ValueError) as error:
        raise StudioError(f"'{path}' is damaged, so the search cannot be gone on with.") from error
