"""The strongest setting that keeps words and voice, with a toy model that breaks where it is told to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from studio.audio.clip import Clip
from studio.errors import Cancelled, StudioError
from studio.lalm.base import Conversion, ConversionRequest
from studio.session.auto_intensity import COARSE, Found, Limits, find_intensity
from studio.session.settings import RenderSettings
from tests.toy import TEXT, ToyJudge, ToyLALM, tone, toy_mask

SETTINGS = RenderSettings("happy", strengths={"sad": 0.2})


class Breaking(ToyLALM):
    """Loses its words above one strength of happiness."""

    def __init__(self, above: float) -> None:
        super().__init__()
        self.above = above

    def convert(self, requests: Sequence[ConversionRequest], **more: object) -> list[Conversion]:
        made = super().convert(requests, **more)  # type: ignore[arg-type]
        strengths = [request.steering.strengths.get("happy", 0.0) if request.steering else 0.0 for request in requests]
        return [
            replace(each, text="the old") if strength > self.above else each
            for each, strength in zip(made, strengths, strict=True)
        ]


def quieter_is_alike(take: Clip, source: Clip) -> float:
    """1 for the baseline, falling with level."""
    return 1.25 - float(np.abs(take.samples).max()) / float(np.abs(source.samples).max())


def find(model: ToyLALM, resemblance: Callable[[Clip, Clip], float] | None = None, **more: object) -> Found:
    given: dict[str, object] = {"mask": toy_mask(), "reference": TEXT, "judge": ToyJudge(), **more}
    return find_intensity(model, tone(level=0.2), SETTINGS, "happy", 2.0, resemblance=resemblance, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(("above", "best"), [(0.6, 0.5625), (1.0, 1.0), (1.99, 1.9375), (0.1, 0.0625)])
def test_the_strongest_setting_that_keeps_the_words_is_found_in_two_batches(above: float, best: float) -> None:
    model = Breaking(above)
    found = find(model)
    assert found.best.strength == pytest.approx(best)
    assert not found.best.broken
    assert found.best.take.settings.strengths == {"sad": 0.2, "happy": pytest.approx(best)}
    assert [len(batch) for batch in model.batches] == [COARSE + 1, 3]
    strengths = [step.strength for step in found.steps]
    assert strengths == sorted(strengths)
    assert all("words written are wrong" in step.broken for step in found.steps if step.strength > above)
    assert all(not step.broken for step in found.steps if step.strength <= above)


def test_where_nothing_breaks_the_strongest_is_best_and_one_batch_does() -> None:
    model = Breaking(5.0)
    found = find(model)
    assert found.best is found.steps[-1]
    assert found.best.strength == 2.0
    assert len(model.batches) == 1


def test_where_the_baseline_breaks_already_nothing_is_steered() -> None:
    found = find(Breaking(-1.0))
    assert found.best.strength == 0.0
    assert found.best.broken


def test_the_voice_counts_against_the_baselines() -> None:
    found = find(Breaking(5.0), quieter_is_alike, limits=Limits(voice=0.3))
    # The toy grows by half the source's level per unit of strength: 0.3 less alike from 0.6 on.
    assert found.best.strength == pytest.approx(0.5625, abs=0.07)
    assert found.best.similarity is not None
    assert any("less like the source" in step.broken for step in found.steps)


def test_without_words_and_voice_there_is_nothing_to_hold_on_to() -> None:
    with pytest.raises(StudioError, match="nothing to hold the takes against"):
        find(Breaking(1.0), reference=None)


def test_progress_rises_to_one_and_cancel_ends_it() -> None:
    shares: list[float] = []
    find(Breaking(0.6), progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    with pytest.raises(Cancelled):
        find(Breaking(0.6), cancelled=lambda: True)
