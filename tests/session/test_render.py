"""From source and settings to takes, with a toy model around which everything is real."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from studio.audio.clip import Clip
from studio.errors import Cancelled, StudioError
from studio.lalm.base import Content
from studio.session.render import is_clipped, is_silent, render
from studio.session.settings import RenderSettings
from studio.session.take import Flag
from tests.toy import INFO, TEXT, ToyJudge, ToyLALM, tone, toy_mask

LADDER = [RenderSettings("happy", strengths={"happy": strength}) for strength in (0.0, 0.5, 1.0)]


def test_a_ladder_is_one_batch_and_one_take_per_step() -> None:
    model, mask = ToyLALM(), toy_mask()
    takes = render(model, tone(), LADDER, mask=mask, reference=TEXT, judge=ToyJudge())
    assert [len(batch) for batch in model.batches] == [3]
    assert [row.text for row in model.batches[0]] == [TEXT] * 3
    assert [take.settings.strengths for take in takes] == [each.strengths for each in LADDER]
    peaks = [float(np.abs(take.audio.samples).max()) for take in takes]
    assert peaks == pytest.approx([0.25, 0.375, 0.5], abs=1e-3)
    assert [take.verdict for take in takes] == ["neutral", "neutral", "happy"]
    assert [take.wer for take in takes] == [0.0, 0.0, 0.0]
    assert len({take.id for take in takes}) == 3
    assert takes[0].revision == "r1"
    assert takes[0].config_digest == "d1"
    assert takes[0].judge == "toy judge"


def test_takes_name_model_and_mask_and_a_baseline_names_no_mask() -> None:
    mask = toy_mask()
    asked = [replace(each, mask_path="some/mask") for each in LADDER]
    takes = render(ToyLALM(), tone(), asked, mask=mask)
    assert {take.settings.model_id for take in takes} == {"toy"}
    assert [take.settings.mask_sha for take in takes] == [None, mask.fingerprint(), mask.fingerprint()]
    assert [take.settings.mask_path for take in takes] == [None, "some/mask", "some/mask"]


def test_a_model_without_batches_gets_one_row_at_a_time() -> None:
    heard: list[tuple[int, int]] = []
    shares: list[float] = []
    model = ToyLALM(replace(INFO, batches=False))
    takes = render(
        model, tone(), LADDER, mask=toy_mask(), progress=shares.append,
        on_audio=lambda row, samples: heard.append((row, len(samples))),
    )  # fmt: skip
    assert [len(batch) for batch in model.batches] == [1, 1, 1]
    assert [row for row, _ in heard] == [0] * 3 + [1] * 3 + [2] * 3
    assert sum(count for row, count in heard if row == 1) == len(takes[1].audio.samples)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)


def test_streamed_audio_is_the_takes_audio() -> None:
    chunks: dict[int, list[Any]] = {}
    takes = render(
        ToyLALM(), tone(), LADDER, mask=toy_mask(), on_audio=lambda row, part: chunks.setdefault(row, []).append(part)
    )
    for row, take in enumerate(takes):
        assert np.array_equal(np.concatenate(chunks[row]), take.audio.samples)


def test_without_reference_or_judge_nothing_is_claimed() -> None:
    (take,) = render(ToyLALM(), tone(), [RenderSettings("sad")])
    assert take.wer is None
    assert take.heard_wer is None
    assert take.verdict is None
    assert dict(take.judged) == {}
    assert take.flags == ()


def flags_of(model: ToyLALM, source: Clip, settings: RenderSettings, **more: Any) -> set[Flag]:
    (take,) = render(model, source, [settings], mask=toy_mask(), **more)
    return set(take.flags)


def test_flags() -> None:
    happy = RenderSettings("happy")
    loud = RenderSettings("happy", strengths={"happy": 1.5})
    assert flags_of(ToyLALM(), tone(level=1e-4), happy, judge=ToyJudge()) == {Flag.SILENT}
    assert flags_of(ToyLALM(truncated=True), tone(), happy) == {Flag.TRUNCATED}
    assert flags_of(ToyLALM(text="something else"), tone(), happy, reference=TEXT) == {Flag.DRIFT}
    assert flags_of(ToyLALM(), tone(), happy, judge=ToyJudge()) == {Flag.DISAGREES}
    assert flags_of(ToyLALM(), tone(level=1.0), loud, judge=ToyJudge()) == {Flag.CLIPPED}
    assert all(flag.sentence.endswith(".") for flag in Flag)


def test_slurred_is_measured_against_the_source() -> None:
    heard = {"good": TEXT, "bad": "the house"}

    def recogniser(of_source: str, of_take: str) -> Any:
        return lambda clip: heard[of_source] if np.abs(clip.samples).max() > 0.4 else heard[of_take]

    more = {"reference": TEXT}
    assert flags_of(ToyLALM(), tone(), RenderSettings("sad"), recognise=recogniser("good", "good"), **more) == set()
    assert flags_of(ToyLALM(), tone(), RenderSettings("sad"), recognise=recogniser("bad", "bad"), **more) == set()
    assert flags_of(ToyLALM(), tone(), RenderSettings("sad"), recognise=recogniser("good", "bad"), **more) == {
        Flag.SLURRED
    }
    assert flags_of(ToyLALM(), tone(), RenderSettings("sad"), recognise=recogniser("good", "bad")) == set()


def test_under_content_lock_the_written_words_count_for_nothing() -> None:
    model = ToyLALM(text="something else")
    (take,) = render(model, tone(), [RenderSettings("sad", content=Content.LOCK)], reference=TEXT)
    assert take.wer is None
    assert take.flags == ()


def test_a_judge_that_cannot_judge_loses_no_take() -> None:
    class Mute(ToyJudge):
        def judge(self, clip: Clip, reference: Clip | None = None) -> dict[str, float]:
            raise StudioError("Nothing voiced is heard.")

    (take,) = render(ToyLALM(), tone(), [RenderSettings("sad")], judge=Mute())
    assert take.verdict is None
    assert take.flags == ()


def test_silence_and_clipping_of_odd_clips() -> None:
    assert is_silent(Clip(np.zeros(0, dtype=np.float32), 16_000))
    assert not is_clipped(Clip(np.ones(2, dtype=np.float32), 16_000))
    assert is_clipped(Clip(-np.ones(3, dtype=np.float32), 16_000))


def test_cancel_stops_in_the_model_and_between_judgements() -> None:
    with pytest.raises(Cancelled):
        render(ToyLALM(), tone(), LADDER, mask=toy_mask(), cancelled=lambda: True)
    asked = iter([False] * 11 + [True])
    with pytest.raises(Cancelled):
        render(ToyLALM(), tone(), LADDER, mask=toy_mask(), judge=ToyJudge(), cancelled=lambda: next(asked))


@pytest.mark.parametrize(
    ("settings", "model", "says"),
    [
        (RenderSettings("sad", module="synthesis"), ToyLALM(), "no synthesis module"),
        (RenderSettings("sad", strengths={"sad": 1.0}, layers=(0, 2)), ToyLALM(), "no range within 0 to 1"),
        (
            RenderSettings("sad", content=Content.LOCK),
            ToyLALM(replace(INFO, content_modes=(Content.FREE,))),
            "cannot render with content lock",
        ),
        (RenderSettings("sad", strengths={"sad": 1.0}), ToyLALM(replace(INFO, model_id="other")), "made for"),
        (RenderSettings("sad", strengths={"sad": 1.0}), ToyLALM(replace(INFO, gates={"language": (9,)})), "covers"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_the_model_works(
    settings: RenderSettings, model: ToyLALM, says: str
) -> None:
    with pytest.raises(StudioError, match=says):
        render(model, tone(), [settings], mask=toy_mask())
    assert model.batches == []


def test_nothing_asked_nothing_done() -> None:
    model = ToyLALM()
    assert render(model, tone(), []) == []
    assert model.batches == []
