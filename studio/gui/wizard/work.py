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
from studio.gui.shown import ShownMask
from studio.pipelines.recipe import (
    EVERYTHING,
    Recipe,
    load_recipe,
    save_recipe,
    select_mask,
    settings_of,
    split_of,
    to_convert,
)

if TYPE_CHECKING:
    from studio.corpora.base import Utterance
    from studio.corpora.check import CorpusReport
    from studio.esn.mask import EsnMask
    from studio.gui.loading import Loaded
    from studio.pipelines.events import Event, Progressed
    from studio.pipelines.records import Attempt


@dataclass(frozen=True, eq=False)
class Checked:
    """A corpus that was checked: the report, its problems in lines, and what each part of its split offers.

    ``table`` is the split for people; ``usable`` counts, per part, the neutral recordings with a transcript, which are
    what is converted.
    """

    report: CorpusReport
    problems: Sequence[str]
    table: Sequence[Mapping[str, object]]
    usable: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """How far a search is. ``latest`` are the attempts since the snapshot before; ``chart`` is the map so far.

    ``total`` is 0 while it is not known. ``seconds_left`` is None until there is a pace to guess from. ``rejections``
    counts them by emotion and kind of reason. A ``fresh`` one begins a run; its latest attempts are those of earlier
    runs.
    """

    total: int
    done: int
    seconds_left: float | None
    attempts: Mapping[str, int]
    successes: Mapping[str, int]
    latest: tuple[Attempt, ...]
    rejections: Mapping[str, Mapping[str, int]]
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
    """A search that was left: its folder and recipe, what it has come to so far, and its human verdicts."""

    folder: Path
    recipe: Recipe
    snapshot: Snapshot
    verdicts: Mapping[str, bool]


def check(recipe: Recipe, context: JobContext) -> Checked:
    """Read and check the corpus of ``recipe`` and split it; raises CorpusError when it is none."""
    from studio.corpora.check import check_corpus

    if recipe.corpus is None:
        raise StudioError("Choose a corpus folder first.")
    report = check_corpus(recipe.corpus, recipe.layout, progress=context.progress, cancelled=context.cancelled)
    return split_up(report, recipe.seed)


def split_up(report: CorpusReport, seed: int) -> Checked:
    """Split a checked corpus, with ``seed`` where it has no customary split; counted is what can be read."""
    from studio.corpora.splits import choose_split, split_table

    readable = set(report.utterances)
    split = {
        name: [each for each in part if each in readable]
        for name, part in choose_split(report.layout, report.listed, seed).items()
    }
    usable = {name: len(_usable(part)) for name, part in split.items()}
    usable[EVERYTHING] = len(_usable(report.utterances))
    table = [
        {"part": row.name, "speakers": row.speakers, "lines": row.lines, "recordings": row.utterances} | row.emotions
        for row in split_table(split)
    ]
    return Checked(report, [each.detail for each in report.problems], table, usable)


def prepare(checked: Checked, recipe: Recipe, folder: Path) -> list[Utterance]:
    """Write down in the job folder what is searched for and in what, and return the utterances to convert."""
    from studio.corpora.splits import FILE as SPLIT_FILE
    from studio.corpora.splits import save_split

    # All that is listed, as the command line does: what cannot be read ends as a rejection with that reason.
    split = split_of(recipe, checked.report.layout, checked.report.listed)
    chosen = to_convert(recipe, split)
    save_split(folder / SPLIT_FILE, split)
    save_recipe(recipe, folder)
    return chosen


def reopen(folder: Path) -> list[Utterance]:
    """The utterances of a search that was left; raises StudioError when its corpus is gone."""
    recipe = load_recipe(folder)
    return to_convert(recipe, _split_in(folder, recipe))


def begin_beside(before: Path, recipe: Recipe, folder: Path) -> list[Utterance]:
    """A job of its own over what the search in ``before`` is about: its utterances. Raises as ``reopen`` does."""
    from studio.corpora.splits import FILE as SPLIT_FILE
    from studio.corpora.splits import save_split

    split = _split_in(before, recipe)
    save_split(folder / SPLIT_FILE, split)
    save_recipe(recipe, folder)
    return to_convert(recipe, split)


def _split_in(folder: Path, recipe: Recipe) -> dict[str, list[Utterance]]:
    from studio.corpora.layouts import read_corpus
    from studio.corpora.splits import FILE as SPLIT_FILE
    from studio.corpora.splits import load_split

    if recipe.corpus is None:
        raise StudioError(f"The search in '{folder}' does not say which corpus it is about.")
    return load_split(folder / SPLIT_FILE, read_corpus(recipe.corpus, recipe.layout).utterances)


def look_into(folder: Path) -> Left:
    """What a search that was left has come to; raises StudioError when the folder holds none."""
    from studio.pipelines.records import read_attempts
    from studio.pipelines.verdicts import load_verdicts

    recipe = load_recipe(folder)
    return Left(folder, recipe, _resumed(read_attempts(folder), recipe, 0, None), load_verdicts(folder))


def search(
    loaded: Loaded,
    recipe: Recipe,
    utterances: Sequence[Utterance],
    folder: Path,
    at_once: int | None,
    context: JobContext,
) -> Selection:
    """Convert, judge, count and select, going on where the folder's job was left; a Snapshot after every batch.

    ``at_once``: see :class:`studio.pipelines.workers.InProcess`.

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

    so_far: list[Attempt] = []

    def tell(event: Event) -> None:
        if isinstance(event, Started):
            so_far.extend(read_attempts(folder))
            context.event(_resumed(so_far, recipe, event.total, chart()))
        elif isinstance(event, Progressed):
            so_far.extend(event.latest)
            context.event(_advanced(event, so_far, chart()))

    with ExitStack() as closed:
        model, judge = loaded.model, loaded.judge
        if recipe.model != loaded.name:
            from studio.lalm.catalog import load_model

            model = closed.enter_context(closing(load_model(recipe.model)))
        if judge is None or recipe.judge != _DEFAULT_JUDGE:
            from studio.judges.catalog import load_judge

            judge = load_judge(recipe.judge)
        identify(
            InProcess(model, judge, at_once),
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


def shown_mask(mask: EsnMask, path: Path, name: str) -> ShownMask:
    """A mask with its neurons counted."""
    counts = {emotion: tuple(int(number) for number in mask.histogram(emotion)) for emotion in mask.emotions}
    return ShownMask(mask, name, path, tuple(mask.widths), counts, ())


def _resumed(before: Sequence[Attempt], recipe: Recipe, total: int, chart: ShownMask | None) -> Snapshot:
    """What earlier runs have come to; an emotion that was asked for then, and is not now, is not counted."""
    from studio.pipelines.records import rejections_of

    wanted = [each for each in before if each.emotion in recipe.emotions]
    tried = Counter(each.emotion for each in wanted)
    found = Counter(each.emotion for each in wanted if each.success)
    return Snapshot(
        total,
        len(wanted),
        None,
        {name: tried[name] for name in recipe.emotions},
        {name: found[name] for name in recipe.emotions},
        tuple(before),
        rejections_of(wanted),
        chart,
        fresh=True,
    )


def _advanced(event: Progressed, so_far: Sequence[Attempt], chart: ShownMask | None) -> Snapshot:
    from studio.pipelines.records import rejections_of

    return Snapshot(
        event.total,
        event.done,
        event.seconds_left,
        event.attempts,
        event.successes,
        event.latest,
        rejections_of(so_far),
        chart,
    )


def _usable(utterances: Sequence[Utterance]) -> list[Utterance]:
    return [each for each in utterances if each.emotion == NEUTRAL and each.text]


def _shortages(successes: Mapping[str, int], mask: EsnMask, by_ear: bool) -> tuple[str, ...]:
    from studio.pipelines.identify import FEW

    verb = "was accepted" if by_ear else "succeeded"
    none = [emotion for emotion in successes if emotion not in mask.emotions]
    few = [f"{emotion} ({successes[emotion]})" for emotion in mask.emotions if successes.get(emotion, 0) < FEW]
    found = []
    if none:
        named = " or ".join(filter(None, (", ".join(none[:-1]), none[-1])))
        found.append(f"No conversion to {named} {verb}, so the mask has no neurons for that.")
    if few:
        found.append(f"Fewer than {FEW} successes for {', '.join(few)}: neurons found from so few are unreliable.")
    return tuple(found)


_DEFAULT_JUDGE = "embedded"
