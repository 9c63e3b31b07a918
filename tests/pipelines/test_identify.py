from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from studio.audio.clip import Clip
from studio.audio.files import load_clip, save_flac
from studio.emotions import TARGETS
from studio.errors import Cancelled, StudioError
from studio.esn.mask import EsnMask
from studio.esn.selectors import Selector, select
from studio.esn.statistics import EmotionStatistics, GateStatistics
from studio.lalm.base import ConversionRequest
from studio.pipelines.activity import load_job_activity
from studio.pipelines.drawing import draw
from studio.pipelines.identify import (
    Event,
    Finished,
    IdentifySettings,
    Progressed,
    Started,
    Warned,
    identify,
    load_job_statistics,
)
from studio.pipelines.job import JobFolder
from studio.pipelines.plan import drawing_key
from studio.pipelines.records import JobError, read_attempts
from studio.pipelines.workers import InProcess
from tests.pipelines.conftest import texts_of
from tests.pipelines.toy import WIDTHS, ToyJudge, ToyModel

SETTINGS = IdentifySettings(rate=0.1, batch=5, cap=50, seed=3)


@pytest.fixture(scope="module")
def done(corpus, tmp_path_factory):
    """One whole job: its folder, what it returned, and its events."""
    work = tmp_path_factory.mktemp("whole") / "job"
    events: list[Event] = []
    model = ToyModel(texts_of(corpus))
    try:
        found = identify(
            InProcess(model, ToyJudge()), corpus, SETTINGS, work, on_event=events.append, date="2026-01-02"
        )
    finally:
        model.close()
    return work, found, events


def test_a_success_is_judged_the_target_and_keeps_its_words(done, corpus):
    work, _, _ = done
    attempts = read_attempts(work)
    assert len(attempts) == len(corpus) * len(TARGETS)
    reasons = {attempt.reason for attempt in attempts}
    assert "" in reasons
    assert "heard as neutral" in reasons
    assert "WER 0.29 above 0.15" in reasons
    for attempt in attempts:
        assert attempt.wer is not None
        right = max(attempt.judged.items(), key=lambda entry: entry[1])[0] == attempt.emotion
        assert attempt.success == (right and attempt.wer <= 0.15) == (attempt.reason == "")
        assert attempt.shard is not None
        assert load_clip(work / attempt.audio).seconds == pytest.approx(0.4)


def test_statistics_are_the_sum_over_successes_converted_one_by_one(done, corpus):
    work, found, _ = done
    successes = [attempt for attempt in read_attempts(work) if attempt.success]
    by_key = {each.key: each for each in corpus}
    model = ToyModel(texts_of(corpus))
    try:
        for emotion in TARGETS:
            expected = GateStatistics.zeros(WIDTHS)
            for attempt in successes:
                if attempt.emotion == emotion:
                    clip = load_clip(by_key[attempt.key].path)
                    [alone] = model.convert([ConversionRequest(clip, emotion)], record=True)
                    assert alone.statistics is not None
                    expected += alone.statistics
            counted = found.statistics.by_emotion[emotion]
            assert counted.tokens == expected.tokens
            assert torch.equal(counted.active, expected.active)
            torch.testing.assert_close(counted.total, expected.total, rtol=1e-4, atol=1e-3)
    finally:
        model.close()


def test_mask_says_where_it_comes_from(done, corpus):
    work, found, _ = done
    assert found.mask.emotions == TARGETS
    assert all(found.mask.count(emotion) == 4 for emotion in TARGETS)
    metadata = found.mask.metadata
    expected = {
        "model_id": "toy", "model_revision": "1", "config_digest": "digest", "module": "language", "selector": "cas",
        "rate": 0.1, "cap": 50, "wer_threshold": 0.15, "judge": "toy-judge", "seed": 3, "date": "2026-01-02",
    }  # fmt: skip
    assert {key: metadata[key] for key in expected} == expected
    assert len(metadata["corpus_fingerprint"]) == 64
    counts = {
        emotion: sum(each.success for each in read_attempts(work) if each.emotion == emotion) for emotion in TARGETS
    }
    assert metadata["success_counts"] == counts
    again = select(EmotionStatistics.load(work / "statistics.stats.safetensors"), Selector.CAS, 0.1, seed=3)
    assert again.fingerprint() == found.mask.fingerprint()


def test_another_selection_needs_no_conversion(done):
    work, found, _ = done
    own = load_job_statistics(work)
    assert select(own, Selector.CAS, 0.1, seed=3).fingerprint() == found.mask.fingerprint()
    fewer = load_job_statistics(work, cap=4, seed=9)
    assert set(fewer.metadata["success_counts"].values()) == {4}
    assert (fewer.metadata["cap"], fewer.metadata["seed"]) == (4, 9)
    chosen = {emotion: [each.key for each in own] for emotion, own in draw(read_attempts(work), 4, 9).items()}
    for emotion, keys in chosen.items():
        ranks = [drawing_key(9, emotion, key) for key in keys]
        others = [
            drawing_key(9, emotion, each.key)
            for each in read_attempts(work)
            if each.success and each.emotion == emotion and each.key not in keys
        ]
        assert ranks == sorted(ranks)
        assert max(ranks) < min(others)


def test_events_tell_the_story(done, corpus):
    work, found, events = done
    assert events[0] == Started(total=len(corpus) * len(TARGETS), done=0, job=str(work))
    steps = [event for event in events if isinstance(event, Progressed)]
    assert [step.done for step in steps] == sorted({step.done for step in steps})
    assert steps[-1].done == steps[-1].total == len(corpus) * len(TARGETS)
    assert steps[-1].seconds_left == 0
    assert sum(len(step.latest) for step in steps) == len(corpus) * len(TARGETS)
    assert isinstance(events[-1], Finished)
    assert events[-1].successes == found.mask.metadata["success_counts"]
    assert tuple(event.sentence for event in events if isinstance(event, Warned)) == found.warnings
    json.dumps([asdict(event) for event in events])


def test_stopping_early_draws_the_same_sample(done, corpus, model, judge, tmp_path):
    work, _, _ = done
    early = identify(InProcess(model, judge), corpus, replace(SETTINGS, cap=3), tmp_path / "job", date="2026-01-02")
    assert model.converted < len(corpus) * len(TARGETS)
    everything = load_job_statistics(work, cap=3)
    assert everything.metadata == early.statistics.metadata
    for emotion, counts in everything.by_emotion.items():
        assert torch.equal(counts.total, early.statistics.by_emotion[emotion].total)


def test_raising_the_cap_goes_on_with_the_same_job(done, corpus, model, judge, tmp_path):
    _, whole, _ = done
    work = tmp_path / "job"
    identify(InProcess(model, judge), corpus, replace(SETTINGS, cap=3), work, date="2026-01-02")
    before = model.converted
    raised = identify(InProcess(model, judge), corpus, SETTINGS, work, date="2030-12-31")
    assert model.converted == len(corpus) * len(TARGETS) > before
    assert raised.mask.fingerprint() == whole.mask.fingerprint()
    assert load_job_statistics(work).metadata["cap"] == 50


def test_more_emotions_join_the_same_job(done, corpus, model, judge, tmp_path):
    work = tmp_path / "job"
    identify(
        InProcess(model, judge), corpus, replace(SETTINGS, emotions=("angry", "surprise")), work, date="2026-01-02"
    )
    assert model.converted == len(corpus) * 2
    both = identify(InProcess(model, judge), corpus, SETTINGS, work)
    assert model.converted == len(corpus) * 4
    assert both.mask.fingerprint() == done[1].mask.fingerprint()


def test_a_finished_job_converts_nothing_again(done, corpus, model, judge, tmp_path):
    work, whole, _ = done
    shutil.copytree(work, tmp_path / "job")
    again = identify(InProcess(model, judge), corpus, replace(SETTINGS, selector=Selector.MAD), tmp_path / "job")
    assert model.converted == 0
    assert again.mask.metadata["selector"] == "mad"
    assert again.statistics.metadata == whole.statistics.metadata


def test_cancelled_at_any_token_it_resumes_to_the_same_mask(done, corpus, model, judge, tmp_path):
    _, whole, _ = done
    work, asked = tmp_path / "job", 0

    def cancelled_at(limit):
        def cancelled():
            nonlocal asked
            asked += 1
            return asked >= limit

        return cancelled

    runs = 0
    while True:
        asked, runs = 0, runs + 1
        try:
            found = identify(
                InProcess(model, judge), corpus, SETTINGS, work, cancelled=cancelled_at(97), date="2026-01-02"
            )
            break
        except Cancelled:
            continue
    assert runs >= 3
    assert found.mask.fingerprint() == whole.mask.fingerprint()
    assert read_attempts(work) == read_attempts(done[0])


@pytest.mark.parametrize("kept", [0.02, 0.4, 0.77, 0.999])
def test_cut_off_while_writing_it_resumes_to_the_same_mask(done, corpus, model, judge, tmp_path, kept):
    finished, whole, _ = done
    work = tmp_path / "job"
    shutil.copytree(finished, work)
    content = (work / "conversions.jsonl").read_bytes()
    (work / "conversions.jsonl").write_bytes(content[: int(kept * len(content))])
    found = identify(InProcess(model, judge), corpus, SETTINGS, work)
    assert 0 < model.converted <= len(corpus) * len(TARGETS)
    assert found.mask.fingerprint() == whole.mask.fingerprint()
    assert (work / "conversions.jsonl").read_bytes().count(b"\n") == content.count(b"\n")


def test_a_lost_shard_is_made_again(done, corpus, model, judge, tmp_path):
    finished, whole, _ = done
    work = tmp_path / "job"
    shutil.copytree(finished, work)
    lost = next(attempt for attempt in read_attempts(work) if attempt.success)
    (work / lost.shard).unlink()
    found = identify(InProcess(model, judge), corpus, SETTINGS, work)
    assert model.converted == lost.rows
    assert found.mask.fingerprint() == whole.mask.fingerprint()


def test_a_lost_shard_of_an_early_batch_is_made_again_though_later_ones_would_do(corpus, model, judge, tmp_path):
    settings = replace(SETTINGS, cap=3, emotions=("angry", "sad"))
    whole = identify(InProcess(model, judge), corpus, settings, tmp_path / "job", date="2026-01-02")
    identify(InProcess(model, judge), corpus, replace(settings, stop_early=False), tmp_path / "job")
    lost = draw(read_attempts(tmp_path / "job"), 1, SETTINGS.seed)["sad"][0]
    (tmp_path / "job" / str(lost.shard)).unlink()
    before = model.converted
    again = identify(InProcess(model, judge), corpus, settings, tmp_path / "job")
    assert model.converted - before == lost.rows
    assert again.mask.fingerprint() == whole.mask.fingerprint()


def test_a_damaged_shard_is_one_sentence(done, tmp_path):
    shutil.copytree(done[0], tmp_path / "job")
    shard = tmp_path / "job" / next(attempt.shard for attempt in read_attempts(done[0]) if attempt.success)
    shard.write_bytes(shard.read_bytes()[:100])
    with pytest.raises(StudioError, match="is not a statistics file, or it is damaged"):
        load_job_statistics(tmp_path / "job", seed=9)


@pytest.mark.parametrize("drawing", [{}, {"cap": 4, "seed": 9}])
def test_the_activity_of_a_job_is_that_of_its_statistics(done, tmp_path, drawing):
    work = done[0]
    whole, read = load_job_statistics(work, **drawing), load_job_activity(work, **drawing)
    assert read.metadata == whole.metadata
    for emotion, counts in whole.by_emotion.items():
        assert read.by_emotion[emotion].active.tolist() == counts.active.tolist()
        assert read.by_emotion[emotion].tokens == counts.tokens
    for job in (shutil.copytree(work, tmp_path / "job"), tmp_path / "none"):
        shutil.rmtree(job / "shards", ignore_errors=True)
        with pytest.raises(StudioError):
            load_job_activity(job, seed=7)


def test_sums_that_were_made_before_are_taken_unless_they_are_damaged(done, tmp_path):
    work = shutil.copytree(done[0], tmp_path / "job")
    expected = load_job_statistics(work)
    shutil.move(work / "shards", work / "elsewhere")
    assert select(load_job_statistics(work), Selector.CAS, 0.1, seed=3).fingerprint() == done[1].mask.fingerprint()
    shutil.move(work / "elsewhere", work / "shards")
    held = work / "statistics.stats.safetensors"
    held.write_bytes(held.read_bytes()[:-9])
    again = load_job_statistics(work)
    assert again.metadata == expected.metadata
    assert all(torch.equal(again.by_emotion[each].total, expected.by_emotion[each].total) for each in TARGETS)


def test_other_settings_are_refused(done, corpus, judge, tmp_path):
    shutil.copytree(done[0], tmp_path / "job")
    other = ToyModel(texts_of(corpus), name="other")
    try:
        with pytest.raises(JobError, match=r"other settings \(model id, seed\); choose another folder"):
            identify(InProcess(other, judge), corpus, replace(SETTINGS, seed=4), tmp_path / "job")
    finally:
        other.close()


def test_two_runs_do_not_share_a_folder(tmp_path):
    other = JobFolder(tmp_path, {}, [], date="", cap=1)
    with JobFolder(tmp_path, {}, [], date="", cap=1), pytest.raises(JobError, match="is in use by another job"), other:
        pass
    with JobFolder(tmp_path, {}, [], date="", cap=1) as job:
        assert job.attempts == []


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("job.json", None, "is no identification job"),
        ("job.json", "{", "is damaged"),
        ("job.json", "[1]", "is no identification job's"),
        ("job.json", '{"format": 99}', "newer than this version reads"),
        ("job.json", '{"format": 1}', "it has no settings"),
        ("job.json", '{"format": 1, "settings": {}, "cap": "many"}', "cannot be capped at 'many'"),
        ("conversions.jsonl", None, "No conversion in"),
        ("conversions.jsonl", "nonsense\n", "damaged in line 1"),
        ("conversions.jsonl", '{"key": 1}\n', "damaged in line 1"),
        ("conversions.jsonl", "[" * 100_000 + "\n", "damaged in line 1"),
    ],
)
def test_foreign_and_damaged_folders_are_one_sentence(done, tmp_path, name, content, sentence):
    work = tmp_path / "job"
    shutil.copytree(done[0], work, ignore=shutil.ignore_patterns("audio"))
    (work / name).unlink()
    if content is not None:
        (work / name).write_text(content)
    with pytest.raises(StudioError, match=sentence):
        load_job_statistics(work)


def test_an_emotion_without_successes_has_no_mask_and_says_so(corpus, model, tmp_path):
    class Deaf(ToyJudge):
        def judge(self, clip, reference=None):
            heard = super().judge(clip, reference)
            return heard | {"sad": 0.0}

    events: list[Event] = []
    found = identify(InProcess(model, Deaf()), corpus, SETTINGS, tmp_path / "job", on_event=events.append)
    sentence = f"None of {len(corpus)} conversions to sad succeeded, so the mask has no neurons for it."
    assert Warned(sentence) in events
    assert sentence in found.warnings
    assert found.mask.emotions == ("happy", "angry", "surprise")
    assert found.mask.metadata["success_counts"]["sad"] == 0


def test_few_successes_are_a_warning(corpus, model, judge, tmp_path):
    found = identify(InProcess(model, judge), corpus[:8], SETTINGS, tmp_path / "job")
    assert any("unreliable" in warning for warning in found.warnings)


def test_without_any_success_there_is_no_mask(corpus, model, tmp_path):
    class Bored(ToyJudge):
        def judge(self, clip, reference=None):
            return {"neutral": 1.0, "happy": 0.0, "angry": 0.0, "sad": 0.0, "surprise": 0.0}

    with pytest.raises(StudioError, match=r"No conversion in '.*' succeeded"):
        identify(InProcess(model, Bored()), corpus[:4], SETTINGS, tmp_path / "job")


def test_sources_that_cannot_be_used_are_failed_attempts(corpus, model, judge, tmp_path):
    copies = []
    for each in corpus[:6]:
        copies.append(replace(each, path=tmp_path / each.path.name))
        shutil.copy(each.path, copies[-1].path)
    copies[1].path.write_bytes(b"")
    copies[2].path.write_text("not a sound")
    save_flac(copies[3].path, Clip(np.zeros(8000, np.float32), 16_000))
    copies[4].path.unlink()
    identify(InProcess(model, judge), copies, replace(SETTINGS, batch=2, emotions=("angry",)), tmp_path / "job")
    reasons = {attempt.key: attempt.reason for attempt in read_attempts(tmp_path / "job")}
    assert "is empty" in reasons[copies[1].key]
    assert "not a sound file" in reasons[copies[2].key]
    assert "holds no speech" in reasons[copies[3].key]
    assert "does not exist" in reasons[copies[4].key]
    assert model.converted == 2


def test_models_that_cannot_batch_get_one_at_a_time(corpus, judge, tmp_path):
    model = ToyModel(texts_of(corpus), batches=False)
    try:
        identify(InProcess(model, judge), corpus[:6], replace(SETTINGS, emotions=("happy", "sad")), tmp_path / "job")
    finally:
        model.close()
    assert {attempt.rows for attempt in read_attempts(tmp_path / "job")} == {1}


def test_only_neutral_speech_with_a_transcript_is_converted(corpus, model, judge, tmp_path):
    few = [*corpus[:6], replace(corpus[6], text=None), replace(corpus[7], emotion="sad"), corpus[0]]
    found = identify(InProcess(model, judge), few, SETTINGS, tmp_path / "job")
    assert model.converted == 24
    assert found.warnings[:2] == (
        "1 of 8 neutral utterances have no transcript and are left out.",
        "1 utterances are there twice under one name; the second ones are left out.",
    )
    with pytest.raises(StudioError, match="no neutral utterances"):
        identify(InProcess(model, judge), few[7:8], SETTINGS, tmp_path / "other")
    with pytest.raises(StudioError, match="no transcripts"):
        identify(InProcess(model, judge), few[6:7], SETTINGS, tmp_path / "other")


def test_settings_that_make_no_sense():
    for wrong in ({"cap": 0}, {"batch": 0}, {"seed": -1}, {"wer_threshold": float("nan")}, {"emotions": ()}):
        with pytest.raises(StudioError):
            IdentifySettings(**wrong)


def test_a_module_the_model_has_not_got(corpus, model, judge, tmp_path):
    with pytest.raises(StudioError, match="Toy has no synthesis module; it has language"):
        identify(InProcess(model, judge), corpus, replace(SETTINGS, module="synthesis"), tmp_path / "job")


def test_a_model_without_gates_has_no_neurons_to_find(corpus, model, judge, tmp_path, monkeypatch):
    monkeypatch.setattr(model, "info", replace(model.info, gates={"language": ()}))
    with pytest.raises(StudioError, match="Toy has no gated layers, so there are no neurons to find in it"):
        identify(InProcess(model, judge), corpus, SETTINGS, tmp_path / "job")


def test_the_saved_mask_reads_back(done, tmp_path):
    done[1].mask.save(tmp_path / "toy.esn.safetensors")
    assert EsnMask.load(tmp_path / "toy.esn.safetensors").fingerprint() == done[1].mask.fingerprint()
