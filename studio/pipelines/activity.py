"""What selection reads of a job's folder: how often gates were open, a third of what the shards hold."""

from __future__ import annotations

from pathlib import Path

from studio.esn.activity import EmotionActivity, GateActivity
from studio.esn.errors import StatisticsError
from studio.pipelines.drawing import STATISTICS, Drawing, counts_in, load_drawing
from studio.pipelines.records import Attempt


def load_job_activity(
    folder: Path, cap: int | None = None, seed: int | None = None, *, human: bool = False
) -> EmotionActivity:
    """The activity over the successes that ``load_drawing`` draws: ``load_job_statistics`` without the moments.

    Raises as it does.
    """
    drawing = load_drawing(folder, cap, seed, human=human)
    return _held(drawing) or _summed(drawing)


def _held(drawing: Drawing) -> EmotionActivity | None:
    """What a run has summed already, if it drew the same."""
    try:
        held = EmotionActivity.load(drawing.folder / STATISTICS)
    except StatisticsError:
        return None
    return EmotionActivity(held.widths, held.by_emotion, drawing.metadata) if drawing.is_of(held.metadata) else None


def _summed(drawing: Drawing) -> EmotionActivity:
    by_emotion = {
        emotion: GateActivity.sum(_shard(drawing.folder, each) for each in successes)
        for emotion, successes in drawing.drawn.items()
    }
    return EmotionActivity(next(iter(by_emotion.values())).widths, by_emotion, drawing.metadata)


def _shard(folder: Path, success: Attempt) -> GateActivity:
    return counts_in(EmotionActivity.load(folder / str(success.shard)).by_emotion, folder, success)
