from __future__ import annotations

import contextlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from studio.errors import Cancelled
from studio.pipelines.identify import IdentifySettings, identify, load_job_statistics
from studio.pipelines.merge import merge_jobs
from studio.pipelines.records import JobError, read_attempts
from studio.pipelines.verdicts import load_verdicts, record_verdict
from studio.pipelines.workers import InProcess
from tests.pipelines.conftest import texts_of
from tests.pipelines.toy import ToyJudge, ToyModel

SETTINGS = IdentifySettings(rate=0.1, batch=5, cap=6, seed=3)


def run(utterances, settings, work, corpus, *, name="toy", **more):
    model = ToyModel(texts_of(corpus), name=name)
    try:
        return identify(InProcess(model, ToyJudge()), utterances, settings, work, date="2026-01-02", **more)
    finally:
        model.close()


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def content_of_merged(jobs, target):
    merge_jobs(jobs, target)
    return content(target)


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory):
    work = tmp_path_factory.mktemp("whole") / "job"
    return work, run(corpus, SETTINGS, work, corpus)


@pytest.fixture(scope="module")
def parts(corpus, tmp_path_factory):
    """Three jobs that share the batches of one plan."""
    folder = tmp_path_factory.mktemp("parts")
    for part in (1, 2, 3):
        run(corpus, replace(SETTINGS, part=(part, 3)), folder / str(part), corpus)
    return [folder / str(part) for part in (1, 2, 3)]


@pytest.fixture(scope="module")
def others(corpus, tmp_path_factory):
    """Three jobs over different recordings, one conversion at a time; and one over all of them."""
    folder = tmp_path_factory.mktemp("others")
    settings = replace(SETTINGS, batch=1)
    for place in range(3):
        run(corpus[place::3], settings, folder / str(place), corpus)
    run(corpus, settings, folder / "whole", corpus)
    return [folder / str(place) for place in range(3)], folder / "whole"


def test_parts_share_the_plan_out(parts, corpus):
    converted = [{each.id for each in read_attempts(part)} for part in parts]
    assert all({each.partition("/")[0] for each in own} == {"happy", "angry", "sad", "surprise"} for own in converted)
    assert len(set.union(*converted)) == sum(map(len, converted))


def test_parts_of_a_plan_make_the_statistics_and_mask_of_one_job(whole, parts, corpus, tmp_path):
    merge_jobs(parts, tmp_path / "job")
    work, found = whole
    merged, job = content(tmp_path / "job"), content(work)
    for name in ("job.json", "corpus.jsonl", "statistics.stats.safetensors"):
        assert merged[name] == job[name]
    held = read_attempts(tmp_path / "job")
    again = run(corpus, SETTINGS, tmp_path / "job", corpus)
    assert again.mask.to_bytes() == found.mask.to_bytes()
    assert read_attempts(tmp_path / "job") == held


def test_without_an_early_stop_the_folder_itself_is_the_same(corpus, tmp_path):
    settings = replace(SETTINGS, stop_early=False)
    run(corpus, settings, tmp_path / "whole", corpus)
    for part in (1, 2):
        run(corpus, replace(settings, part=(part, 2)), tmp_path / str(part), corpus)
    merge_jobs([tmp_path / "2", tmp_path / "1"], tmp_path / "job")
    assert content(tmp_path / "job") == content(tmp_path / "whole")


def test_a_merged_job_goes_on_where_its_parts_were(whole, parts, corpus, tmp_path):
    merge_jobs(parts[:2], tmp_path / "job")
    before = len(read_attempts(tmp_path / "job"))
    found = run(corpus, SETTINGS, tmp_path / "job", corpus)
    assert len(read_attempts(tmp_path / "job")) > before
    assert found.mask.to_bytes() == whole[1].mask.to_bytes()


def test_jobs_over_different_recordings_make_the_mask_of_one_over_all(others, tmp_path):
    jobs, whole = others
    merge_jobs(jobs, tmp_path / "job")
    assert content(tmp_path / "job")["statistics.stats.safetensors"] == content(whole)["statistics.stats.safetensors"]
    for cap in (2, 6):
        ours, theirs = (load_job_statistics(each, cap=cap) for each in (tmp_path / "job", whole))
        assert ours.metadata == theirs.metadata
        ours.save(tmp_path / "ours")
        theirs.save(tmp_path / "theirs")
        assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


@pytest.mark.parametrize("which", ["parts", "others"])
def test_any_grouping_and_order_gives_the_same_folder(which, parts, others, tmp_path):
    a, b, c = parts if which == "parts" else others[0]
    merge_jobs([a, b, c], tmp_path / "abc")
    merge_jobs([c, a], tmp_path / "ca")
    merge_jobs([b, tmp_path / "ca"], tmp_path / "b-ca")
    merge_jobs([b, a], tmp_path / "ba")
    merge_jobs([tmp_path / "ba", c, tmp_path / "ca"], tmp_path / "ba-c-ca")
    expected = content(tmp_path / "abc")
    assert content(tmp_path / "b-ca") == expected
    assert content(tmp_path / "ba-c-ca") == expected


def test_a_job_merged_over_different_recordings_is_not_gone_on_with(others, corpus, tmp_path):
    merge_jobs(others[0], tmp_path / "job")
    with pytest.raises(JobError, match="merged from jobs over different recordings"):
        run(corpus, replace(SETTINGS, batch=1), tmp_path / "job", corpus)


def test_unfinished_jobs_merge(corpus, tmp_path):
    asked = 0

    def pausing():
        nonlocal asked
        asked += 1
        return asked > 3

    with pytest.raises(Cancelled):
        run(corpus, SETTINGS, tmp_path / "some", corpus, pausing=pausing)
    merge_jobs([tmp_path / "some"], tmp_path / "job")
    assert read_attempts(tmp_path / "job") == read_attempts(tmp_path / "some")


def test_people_who_reviewed_copies_must_agree(parts, tmp_path):
    one, two = (shutil.copytree(parts[0], tmp_path / name) for name in ("one", "two"))
    first, second, third, *_ = (each.id for each in read_attempts(one))
    record_verdict(one, first, True)
    record_verdict(one, second, True)
    record_verdict(two, second, False)
    record_verdict(two, third, True)
    merge_jobs([one, two, parts[1]], tmp_path / "job")
    assert load_verdicts(tmp_path / "job") == {first: True, second: False, third: True}


@pytest.mark.parametrize(
    ("change", "named"),
    [({"seed": 4}, "seed"), ({"wer_threshold": 0.5, "batch": 7}, "wer threshold, batch")],
)
def test_jobs_of_different_settings_are_refused(parts, corpus, tmp_path, change, named):
    run(corpus[:6], replace(SETTINGS, emotions=("happy",), **change), tmp_path / "other", corpus)
    with pytest.raises(JobError, match=rf"different settings \({named}\) and cannot be merged"):
        merge_jobs([parts[0], tmp_path / "other"], tmp_path / "job")
    assert not (tmp_path / "job").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_overlapping_parts_in_other_batches_are_refused(corpus, parts, tmp_path):
    run(corpus[:9], SETTINGS, tmp_path / "some", corpus)
    with pytest.raises(JobError, match="merge jobs over different parts"):
        merge_jobs([*parts, tmp_path / "some"], tmp_path / "job")


def test_recordings_of_one_name_are_no_parts_of_one_corpus(corpus, parts, tmp_path):
    odd = [replace(corpus[0], path=tmp_path / "x" / corpus[0].path.name)]
    odd[0].path.parent.mkdir()
    shutil.copy(corpus[1].path, odd[0].path)
    with contextlib.suppress(JobError):  # that nothing succeeded is not the point
        run(odd, SETTINGS, tmp_path / "some", corpus)
    with pytest.raises(JobError, match="call different recordings"):
        merge_jobs([parts[0], tmp_path / "some"], tmp_path / "job")


def test_a_record_that_names_files_elsewhere_is_damaged(parts, tmp_path):
    work = shutil.copytree(parts[0], tmp_path / "some")
    record = work / "conversions.jsonl"
    record.write_text(record.read_text().replace('"shards/', '"../shards/', 1))
    with pytest.raises(JobError, match="names files outside of the job's folder"):
        merge_jobs([work], tmp_path / "job")


def test_audio_may_be_deleted_but_counts_may_not(parts, tmp_path):
    work, copy = (shutil.copytree(parts[0], tmp_path / name) for name in ("some", "copy"))
    shutil.rmtree(work / "audio")
    merge_jobs([work, copy, parts[1]], tmp_path / "job")
    assert content(tmp_path / "job") == content_of_merged(parts[:2], tmp_path / "expected")
    next((work / "shards").iterdir()).unlink()
    with pytest.raises(JobError, match="is missing; run that job once more"):
        merge_jobs([work], tmp_path / "other")


def test_what_cannot_be_merged_is_said(parts, tmp_path):
    with pytest.raises(JobError, match="Name the jobs"):
        merge_jobs([], tmp_path / "job")
    with pytest.raises(JobError, match="exists already"):
        merge_jobs(parts, parts[0])
    with pytest.raises(JobError, match="is no identification job"):
        merge_jobs([parts[0], tmp_path], tmp_path / "job")
    with pytest.raises(JobError, match="cannot be written"):
        merge_jobs(parts, Path("/proc/none/job"))
