"""What an identification was asked to do, from the corpus to the mask, as plain values: enough to go on anywhere.

The window and the command line both fill one of these, and both leave it in the job folder: either can go on with what
the other began. Importing it needs neither torch nor sound libraries.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio import atomic
from studio.emotions import NEUTRAL, TARGETS
from studio.errors import StudioError

if TYPE_CHECKING:
    from studio.corpora.base import Utterance
    from studio.esn.mask import EsnMask
    from studio.esn.statistics import EmotionStatistics
    from studio.pipelines.identify import IdentifySettings

FORMAT = 1
FILE = "search.json"
EVERYTHING = "all"
"""The part of a corpus that is all of it."""

IDENTIFICATION = "identification"


@dataclass(frozen=True)
class Recipe:
    """The answers to everything ``identify`` and the wizard ask.

    ``layout``, ``part`` and ``limit`` say how the corpus is read, which part of its split is used, and at most how many
    utterances of that. ``share`` (k, n) leaves all but every n-th batch to runs elsewhere. The rest is as in
    ``IdentifySettings``.
    """

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
    batch: int = 32
    stop_early: bool = True
    share: tuple[int, int] = (1, 1)
    keep_audio: bool = True
    keep_rejected: bool = True

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


def settings_of(recipe: Recipe) -> IdentifySettings:
    """The pipeline's settings; raises StudioError for numbers that make no sense."""
    from studio.esn.selectors import Selector
    from studio.pipelines.identify import IdentifySettings

    return IdentifySettings(
        emotions=recipe.emotions,
        module=recipe.module,
        selector=Selector(recipe.selector),
        rate=recipe.rate,
        percentile=recipe.percentile,
        cap=recipe.cap,
        wer_threshold=recipe.wer_threshold,
        seed=recipe.seed,
        split=recipe.part,
        batch=recipe.batch,
        stop_early=recipe.stop_early,
        part=recipe.share,
        keep_audio=recipe.keep_audio,
        keep_rejected=recipe.keep_rejected,
    )


def split_of(recipe: Recipe, layout: str, utterances: Sequence[Utterance]) -> dict[str, list[Utterance]]:
    """The parts of a corpus in ``layout`` among which ``recipe`` chooses."""
    from studio.corpora.splits import choose_split

    if recipe.part == EVERYTHING:
        return {EVERYTHING: list(utterances)}
    return choose_split(layout, utterances, recipe.seed)


def to_convert(recipe: Recipe, split: Mapping[str, list[Utterance]]) -> list[Utterance]:
    """The neutral utterances that ``recipe`` converts; raises CorpusError when its part is empty or not there."""
    from studio.corpora.splits import choose, spread

    chosen = choose(split, [recipe.part])
    return spread([each for each in chosen if each.emotion == NEUTRAL], recipe.limit, recipe.seed)


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


def save_recipe(recipe: Recipe, folder: Path) -> None:
    """Write ``recipe`` into a job folder; raises StudioError when it cannot be written."""
    atomic.write_json(folder / FILE, {"format": FORMAT} | asdict(recipe) | {"corpus": str(recipe.corpus)})


def load_recipe(folder: Path) -> Recipe:
    """The recipe of a job folder; raises StudioError when there is none or it cannot be used."""
    path = folder / FILE
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise StudioError(
            f"'{folder}' cannot be gone on with: it has no '{FILE}', which says what was asked for. Choose the folder "
            "of a search, or of esn-studio identify."
        ) from None
    except OSError as error:
        raise StudioError(f"The search in '{folder}' cannot be gone on with: {atomic.reason(error)}.") from error
    except (ValueError, RecursionError) as error:
        raise StudioError(f"'{path}' is damaged, so the search cannot be gone on with.") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise StudioError(f"'{path}' was not written by this version of ESN Studio.")
    values: dict[str, Any] = {each.name: document.get(each.name, each.default) for each in fields(Recipe)}
    try:
        emotions, (number, parts) = tuple(map(str, values["emotions"])), values["share"]
        recipe = Recipe(**values | {"corpus": Path(values["corpus"]), "emotions": emotions, "share": (number, parts)})
    except (TypeError, ValueError) as error:
        raise StudioError(f"'{path}' is damaged, so the search cannot be gone on with.") from error
    odd = [each.name for each in fields(Recipe) if not _alike(getattr(recipe, each.name), each.default)]
    if odd:
        raise StudioError(f"'{path}' is damaged ({', '.join(odd)}), so the search cannot be gone on with.")
    return recipe


def _alike(value: object, default: object) -> bool:
    """Whether a value from a file is of the kind that the default is."""
    if default is None:
        return value is None or isinstance(value, Path) or type(value) is int
    return type(value) is type(default) or (type(default) is float and type(value) is int)
