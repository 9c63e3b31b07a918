"""What the wizard does in workers: check a corpus, search, select anew, save. No Qt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from studio.emotions import NEUTRAL
from studio.engine import JobContext
from studio.errors import StudioError
from studio.gui.state import ShownMask
from studio.gui.wizard.recipe import EVERYTHING, Recipe, load_recipe, save_recipe

if TYPE_CHECKING:
    from studio.corpora.base import Utterance
    from studio.corpora.check import CorpusReport
    from studio.esn.mask import EsnMask
    from studio.esn.statistics import EmotionStatistics
    from studio.gui.loading import Loaded
    from studio.pipelines.identify import Event, IdentifySettings
    from studio.pipelines.records import Attempt

SPLIT_FILE = "split.json"
FEW = 10
"""With fewer successes a mask is noisy (METHOD.md: c = 10)."""


@dataclass(frozen=True, eq=False)
class Checked:
    """A corpus that was checked: the report, its problems in lines, its split, and what each part offers.

    ``table`` is the split for people; ``usable`` counts, per part, the neutral recordings with a transcript, which are
    what is converted.
    """

    report: CorpusReport
    problems: Sequence[str]
    split: Mapping[str, Sequence[Utterance]]
    table: Sequence[Mapping[str, object]]
    usable: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """How far a search is. ``latest`` are the attempts since the snapshot before; ``chart`` is the map so far.

    ``seconds_left`` is None until there is a pace to guess from. A ``fresh`` one begins a run; its latest attempts are
    those of earlier runs.
    """

    total: int
    done: int
    seconds_left: float | None
    attempts: Mapping[str, int]
    successes: Mapping[str, int]
    latest: tuple[Attempt, ...]
    chart: ShownMask | None
    fresh: bool = False


@dataclass(frozen=True, eq=False)
class Selection:
    """A mask, drawn, and what a person should know about it; ``by_ear`` when human verdicts chose the successes."""

    mask: EsnMask
    chart: ShownMask
    successes: Mapping[str, int]
    warnings: tuple[str, ...]
    by_ear: bool = False


@dataclass(frozen=True, eq=False)
class Left:
    """A search that was left: its folder and recipe, its attempts so far and its human verdicts."""

    folder: Path
    recipe: Recipe
    attempts: tuple[Attempt, ...]
    verdicts: Mapping[str, bool]


def check(recipe: Recipe, context: JobContext) -> Checked:
    """Read and check the corpus of ``recipe`` and split it; raises CorpusError when it is none."""
    from studio.corpora.check import check_corpus
    from studio.corpora.splits import choose_split, split_table

    if recipe.corpus is None:
        raise StudioError("Choose a corpus folder first.")
    report = check_corpus(recipe.corpus, recipe.layout, progress=context.progress, cancelled=context.cancelled)
    split = choose_split(report.layout, report.utterances, recipe.seed)
    usable = {name: len(_usable(part)) for name, part in split.items()}
    usable[EVERYTHING] = len(_usable(report.utterances))
    problems = [each.detail for each in report.problems]
    table = [
        {"part": row.name, "speakers": row.speakers, "lines": row.lines, "recordings": row.utterances} | row.emotions
        for row in split_table(split)
    ]
    return Checked(report, problems, split, table, usable)


def chosen(checked: Checked, recipe: Recipe) -> list[Utterance]:
    """The neutral utterances to convert."""
    from studio.corpora.splits import spread

    part = checked.report.utterances if recipe.part == EVERYTHING else checked.split[recipe.part]
    return spread([each for each in part if each.emotion == NEUTRAL], recipe.limit, recipe.seed)


def prepare(checked: Checked, recipe: Recipe, folder: Path) -> list[Utterance]:
    """Write down in the job folder what is searched for and in what, and return the utterances to convert."""
    from studio.corpora.splits import save_split

    folder.mkdir(parents=True, exist_ok=True)
    parts = {EVERYTHING: checked.report.utterances} if recipe.part == EVERYTHING else checked.split
    save_split(folder / SPLIT_FILE, parts)
    save_recipe(recipe, folder)
    return chosen(checked, recipe)


def reopen(folder: Path) -> list[Utterance]:
    """The utterances of a search that was left; raises StudioError when its corpus is gone."""
    from studio.corpora.layouts import read_corpus
    from studio.corpora.splits import load_split, spread

    recipe = load_recipe(folder)
    if recipe.corpus is None:
        raise StudioError(f"The search in '{folder}' does not say which corpus it is about.")
    utterances = read_corpus(recipe.corpus, recipe.layout).utterances
    part = load_split(folder / SPLIT_FILE, utterances).get(recipe.part, [])
    return spread([each for each in part if each.emotion == NEUTRAL], recipe.limit, recipe.seed)


def look_into(folder: Path) -> Left:
    """What a search that was left has come to; raises StudioError when the folder holds none."""
    from studio.pipelines.records import read_attempts
    from studio.pipelines.verdicts import load_verdicts

    recipe = load_recipe(folder)
    return Left(folder, recipe, tuple(read_attempts(folder)), load_verdicts(folder))


def search(
    loaded: Loaded, recipe: Recipe, utterances: Sequence[Utterance], folder: Path, context: JobContext
) -> Selection:
    """Convert, judge, count and select, going on where the folder's job was left; a Snapshot after every batch.

    Raises Cancelled when told to stop; the same call goes on then. Warnings are in the result.
    """
    from studio.pipelines.identify import Progressed, Started, identify
    from studio.pipelines.live import LiveEvidence
    from studio.pipelines.records import read_attempts
    from studio.pipelines.workers import InProcess

    evidence = LiveEvidence(folder, cap=recipe.cap)

    def chart() -> ShownMask | None:
        statistics = evidence.statistics()
        if statistics is None or not set(statistics.by_emotion) & set(recipe.emotions):
            return None
        return shown_mask(select_mask(statistics, recipe), folder, recipe.title)

    def tell(event: Event) -> None:
        if isinstance(event, Started):
            before = tuple(read_attempts(folder))
            tried, found = count(before, recipe.emotions)
            context.event(Snapshot(event.total, event.done, None, tried, found, before, chart(), fresh=True))
        elif isinstance(event, Progressed):
            context.event(
                Snapshot(
                    event.total,
                    event.done,
                    event.seconds_left,
                    event.attempts,
                    event.successes,
                    event.latest,
                    chart(),
                )
            )

    with ExitStack() as closed:
        model, judge = loaded.model, loaded.judge
        if recipe.model != _DEFAULT_MODEL:
            from studio.lalm.catalog import load_model

            model = closed.enter_context(closing(load_model(recipe.model)))
        if judge is None or recipe.judge != _DEFAULT_JUDGE:
            from studio.judges.catalog import load_judge

            judge = load_judge(recipe.judge)
        identify(
            InProcess(model, judge),
            utterances,
            settings_of(recipe),
            folder,
            on_event=tell,
            progress=context.progress,
            cancelled=context.cancelled,
        )
    return select_again(folder, recipe, by_ear=False)


def select_again(folder: Path, recipe: Recipe, *, by_ear: bool) -> Selection:
    """Select from what a job has so far: the judge's successes, or those a person accepted (CAS-H)."""
    from studio.pipelines.identify import load_job_statistics

    statistics = load_job_statistics(folder, recipe.cap, recipe.seed, human=by_ear)
    mask = select_mask(statistics, recipe)
    held = statistics.metadata.get("success_counts") or {}
    successes = {emotion: int(held.get(emotion, 0)) for emotion in recipe.emotions}
    chart = shown_mask(mask, folder, recipe.title)
    return Selection(mask, chart, successes, _shortages(successes, mask, by_ear), by_ear)


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
        keep_audio=recipe.keep_audio,
    )


def save_mask(selection: Selection, path: Path, *, replace: bool) -> Path | None:
    """Write the mask; None when there is a file of that name, which is left alone unless ``replace``.

    Raises StudioError when it cannot be written.
    """
    if path.exists() and not replace:
        return None
    selection.mask.save(path)
    return path


def record(folder: Path, attempt: Attempt, accepted: bool | None) -> None:
    """Write down what a person heard in a conversion; None takes it back."""
    from studio.pipelines.verdicts import record_verdict

    record_verdict(folder, attempt.id, accepted)


def in_review_order(attempts: Sequence[Attempt], seed: int) -> list[Attempt]:
    """The conversions that can be heard, in the order in which a person should listen."""
    from studio.pipelines.drawing import review_order

    return review_order([each for each in attempts if each.audio is not None], seed)


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


def shown_mask(mask: EsnMask, path: Path, name: str) -> ShownMask:
    """A mask with its neurons counted."""
    counts = {emotion: tuple(int(number) for number in mask.histogram(emotion)) for emotion in mask.emotions}
    return ShownMask(mask, name, path, tuple(mask.widths), counts, ())


def count(attempts: Sequence[Attempt], emotions: Sequence[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Attempts and successes per emotion."""
    tried = Counter(each.emotion for each in attempts)
    found = Counter(each.emotion for each in attempts if each.success)
    return {name: tried[name] for name in emotions}, {name: found[name] for name in emotions}


def _usable(utterances: Sequence[Utterance]) -> list[Utterance]:
    return [each for each in utterances if each.emotion == NEUTRAL and each.text]


def _shortages(successes: Mapping[str, int], mask: EsnMask, by_ear: bool) -> tuple[str, ...]:
    verb = "was accepted" if by_ear else "succeeded"
    none = [emotion for emotion in successes if emotion not in mask.emotions]
    few = [f"{emotion} ({successes[emotion]})" for emotion in mask.emotions if successes.get(emotion, 0) < FEW]
    found = []
    if none:
        found.append(f"No conversion to {' or '.join(none)} {verb}, so the mask has no neurons for that.")
    if few:
        found.append(f"Fewer than {FEW} successes for {', '.join(few)}: neurons found from so few are unreliable.")
    return tuple(found)


_DEFAULT_MODEL = "embedded"
_DEFAULT_JUDGE = "embedded"
