from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch

from studio.emotions import TARGETS
from studio.errors import StudioError
from studio.esn.mask import EsnMask, method_name
from studio.esn.selectors import Selector, select
from studio.esn.statistics import EmotionStatistics, GateStatistics
from studio.pipelines.drawing import review_order
from studio.pipelines.identify import IdentifySettings, identify, load_job_statistics
from studio.pipelines.plan import drawing_key
from studio.pipelines.records import JobError, read_attempts
from studio.pipelines.verdicts import VERDICTS, load_verdicts, record_verdict
from studio.pipelines.workers import InProcess
from tests.pipelines.conftest import texts_of
from tests.pipelines.toy import WIDTHS, ToyJudge, ToyModel

SETTINGS = IdentifySettings(rate=0.1, batch=5, seed=3)


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory):
    work = tmp_path_factory.mktemp("whole") / "job"
    model = ToyModel(texts_of(corpus))
    try:
        identify(InProcess(model, ToyJudge()), corpus, SETTINGS, work, date="2026-01-02")
    finally:
        model.close()
    return work


@pytest.fixture
def job(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "job")


def accept_every_other(work):
    """Every other attempt in order of review, whatever the judge said; the accepted ones."""
    attempts = review_order(read_attempts(work), seed=3)
    for place, each in enumerate(attempts):
        record_verdict(work, each.id, place % 8 < 4)
    return attempts, [each for place, each in enumerate(attempts) if place % 8 < 4]


def test_a_verdict_holds_until_another_or_none_replaces_it(job):
    assert load_verdicts(job) == {}
    first, second, *_ = (each.id for each in read_attempts(job))
    record_verdict(job, first, True)
    record_verdict(job, second, False)
    assert load_verdicts(job) == {first: True, second: False}
    record_verdict(job, first, False)
    record_verdict(job, second, None)
    assert load_verdicts(job) == {first: False}
    assert (job / VERDICTS).read_text().count("\n") == 4


def test_what_people_accept_is_counted_whatever_the_judge_said(job):
    _, accepted = accept_every_other(job)
    assert {each.success for each in accepted} == {True, False}
    found = load_job_statistics(job, human=True)
    for emotion in TARGETS:
        expected = GateStatistics.zeros(WIDTHS)
        for each in accepted:
            if each.emotion == emotion:
                expected += EmotionStatistics.load(job / str(each.shard)).by_emotion[emotion]
        assert found.by_emotion[emotion].tokens == expected.tokens
        assert torch.equal(found.by_emotion[emotion].active, expected.active)
    counts = {emotion: sum(each.emotion == emotion for each in accepted) for emotion in TARGETS}
    assert found.metadata["success_counts"] == counts
    assert (found.metadata["judge"], found.metadata["wer_threshold"]) == ("human", None)


def test_a_cap_draws_from_the_accepted_ones(job):
    _, accepted = accept_every_other(job)
    found = load_job_statistics(job, cap=2, seed=9, human=True)
    for emotion in TARGETS:
        own = sorted(
            (each for each in accepted if each.emotion == emotion),
            key=lambda each: drawing_key(9, emotion, each.key),
        )
        tokens = sum(EmotionStatistics.load(job / str(each.shard)).by_emotion[emotion].tokens for each in own[:2])
        assert found.by_emotion[emotion].tokens == tokens


def test_masks_from_people_are_called_so(job, tmp_path):
    accept_every_other(job)
    mask = select(load_job_statistics(job, human=True), Selector.CAS, 0.1)
    mask.save(tmp_path / "h.esn.safetensors")
    loaded = EsnMask.load(tmp_path / "h.esn.safetensors")
    assert loaded.metadata["selector"] == "cas"
    assert loaded.method == "CAS-H"
    assert select(load_job_statistics(job), Selector.CAS, 0.1).method == "CAS"
    assert method_name({"selector": "random", "judge": "human"}) == "Random"
    assert method_name({}) == method_name({"judge": "human"}) == ""


def test_without_an_accepted_conversion_there_are_no_statistics(job):
    with pytest.raises(JobError, match="accepted by a person; review some first"):
        load_job_statistics(job, human=True)
    for each in read_attempts(job):
        record_verdict(job, each.id, False)
    with pytest.raises(JobError, match="review some first"):
        load_job_statistics(job, human=True)


def test_an_emotion_nobody_accepted_has_no_neurons(job):
    for each in read_attempts(job):
        record_verdict(job, each.id, each.emotion != "sad" and each.success)
    mask = select(load_job_statistics(job, human=True), Selector.CAS, 0.1)
    assert "sad" not in mask.emotions
    assert "sad: no successes, so it has no mask." in mask.metadata["notes"]


def test_jobs_that_keep_successes_only_cannot_count_rejections(corpus, model, judge, whole, tmp_path):
    work = tmp_path / "lean"
    lean = identify(InProcess(model, judge), corpus, replace(SETTINGS, keep_rejected=False), work, date="2026-01-02")
    attempts = read_attempts(work)
    assert all((each.shard is not None) == each.success for each in attempts)
    assert lean.mask.to_bytes() == select(load_job_statistics(whole), Selector.CAS, 0.1, seed=3).to_bytes()
    for each in attempts:
        record_verdict(work, each.id, True)
    assert torch.equal(
        load_job_statistics(work, human=True).by_emotion["sad"].active,
        load_job_statistics(work).by_emotion["sad"].active,
    )


def test_review_takes_turns_and_each_emotion_comes_in_drawing_order(job):
    attempts = read_attempts(job)
    order = review_order(attempts, seed=3)
    assert sorted(each.id for each in order) == sorted(each.id for each in attempts)
    assert [each.emotion for each in order[:8]] == [*TARGETS, *TARGETS]
    for emotion in TARGETS:
        ranks = [drawing_key(3, emotion, each.key) for each in order if each.emotion == emotion]
        assert ranks == sorted(ranks)


@pytest.mark.parametrize("cut", [1, 9, 30])
def test_a_verdict_cut_short_by_a_crash_is_forgotten_and_the_next_one_kept(job, cut):
    first, second, third, *_ = (each.id for each in read_attempts(job))
    record_verdict(job, first, True)
    record_verdict(job, second, True)
    content = (job / VERDICTS).read_bytes()
    (job / VERDICTS).write_bytes(content[:-cut])
    assert load_verdicts(job) == {first: True}
    record_verdict(job, third, False)
    assert load_verdicts(job) == {first: True, third: False}


@pytest.mark.parametrize("line", ["nonsense", "[]", '{"attempt": 3, "accepted": true}', '{"attempt": "a"}',
                                  '{"attempt": "a", "accepted": 1}', "[" * 9999])  # fmt: skip
def test_a_damaged_file_is_one_sentence(job, line):
    (job / VERDICTS).write_text(f"{line}\n")
    with pytest.raises(StudioError, match="is damaged in line 1"):
        load_verdicts(job)


def test_only_jobs_are_judged(tmp_path):
    with pytest.raises(JobError, match="is no identification job"):
        record_verdict(tmp_path, "sad/x", True)
    assert load_verdicts(tmp_path) == {}
