"""Identification on a local Ray cluster, with the model and the judge that ship."""

from __future__ import annotations

import contextlib
import gc
import json
import re
import secrets
import sys
import warnings

import pytest
import ray
import torch

from studio.cli import main
from studio.corpora import esd
from studio.corpora.splits import IDENTIFICATION, esd_split, spread
from studio.errors import Cancelled, StudioError
from studio.judges.catalog import load_judge
from studio.lalm.base import never
from studio.lalm.catalog import load_model
from studio.lalm.entries import BY_HAND, ENTRIES
from studio.paths import resources_dir
from studio.pipelines.attempts import Rules
from studio.pipelines.cluster import RayWorkers
from studio.pipelines.identify import IdentifySettings, Progressed, identify
from studio.pipelines.plan import plan
from studio.pipelines.records import JobError, read_attempts
from studio.pipelines.workers import InProcess

# Whatever is said counts, so that something succeeds whatever the model has learnt.
SETTINGS = IdentifySettings(emotions=("sad", "surprise"), rate=0.05, wer_threshold=99.0, batch=1, cap=2)


@pytest.fixture(scope="module")
def cluster():
    """Three cores, one of them for the command line's own test."""
    with pytest.MonkeyPatch.context() as patch:
        # Else Ray makes a token and keeps it in the home folder.
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init("local", num_cpus=3, include_dashboard=False, log_to_driver=False, object_store_memory=2**27)
        yield
        ray.shutdown()
    # Ray leaves the processes it ended to the garbage collector, which warns of each.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(scope="module")
def workers(cluster):
    with RayWorkers("auto", "embedded", "embedded", 2) as workers:
        yield workers


@pytest.fixture(scope="module")
def utterances():
    return spread(esd_split(esd.read(resources_dir() / "demo"))[IDENTIFICATION], 4)


@pytest.fixture(scope="module")
def alone(utterances, tmp_path_factory):
    """The job as one process does it."""
    work = tmp_path_factory.mktemp("alone") / "job"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model = load_model()
    try:
        run(InProcess(model, load_judge()), utterances, work)
    finally:
        model.close()
        torch.set_num_threads(threads)
    return work


def run(workers, utterances, work, **more):
    """Whether anything succeeds is the model's affair; what is written is not."""
    with contextlib.suppress(JobError):
        identify(workers, utterances, SETTINGS, work, date="2026-01-02", **more)


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_two_workers_write_what_one_process_writes_though_one_is_killed(workers, utterances, alone, tmp_path):
    before = workers.actors
    done = []

    def kill_one(event):
        if isinstance(event, Progressed):
            done.append(event.done)
            if len(done) == 1:
                ray.kill(workers.actors[0])

    run(workers, utterances, tmp_path / "job", on_event=kill_one)
    assert len(workers.actors) == 2
    assert workers.actors != before
    assert before[1] in workers.actors
    assert done == sorted(done)
    assert len(read_attempts(alone)) == done[-1]
    assert content(tmp_path / "job") == content(alone)


def test_it_stops_when_asked_to_and_goes_on(workers, utterances, alone, tmp_path):
    asked = 0

    def cancelled():
        nonlocal asked
        asked += 1
        return asked > 1

    with pytest.raises(Cancelled):
        identify(workers, utterances, SETTINGS, tmp_path / "job", cancelled=cancelled, date="2026-01-02")
    assert len(read_attempts(tmp_path / "job")) < len(read_attempts(alone))
    run(workers, utterances, tmp_path / "job")
    assert content(tmp_path / "job") == content(alone)


def test_what_the_model_refuses_is_one_sentence(workers, utterances):
    batches = plan(utterances, ("sad",), 2, 0)
    with pytest.raises(StudioError, match="has no 'synthesis' gates") as caught:
        list(workers.carry_out(batches, Rules("synthesis", 0.15), progress=lambda *_: None, cancelled=never))
    assert "\n" not in str(caught.value)


def test_the_command_line_uses_the_cluster(cluster, tmp_path, capsys):
    line = ["identify", "demo", "--limit", "2", "--emotions", "sad", "--wer", "99", "--rate", "0.05", "--ray", "auto",
            "--ray-workers", "1", "--no-audio", "--json", "--out", str(tmp_path / "mask")]  # fmt: skip
    code = main(line)
    events = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events[:2]] == ["started", "progressed"]
    assert events[1]["done"] == 2
    assert code == (0 if sum(events[1]["successes"].values()) else 1)


def test_what_is_not_there_is_one_sentence(cluster):
    known = ", ".join(facts.name for facts in (*ENTRIES, *BY_HAND))
    sentence = f"A machine of the Ray cluster cannot convert: There is no model 'absent'; known: {known}."
    with pytest.raises(StudioError, match=f"^{re.escape(sentence)}$"), RayWorkers("auto", "absent", "embedded", 1):
        pass


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "127.0.0.1", "127.0.0.1:99999", "there"])
def test_an_address_where_no_cluster_answers_is_one_sentence(address):
    with (
        pytest.raises(StudioError, match=f"No Ray cluster answers at '{address}'; give the HOST:PORT"),
        RayWorkers(address, "embedded", "embedded"),
    ):
        pass


def test_without_ray_the_command_line_says_how_to_install_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["identify", "demo", "--ray", "auto", "--out", str(tmp_path / "mask")]) == 1
    said = capsys.readouterr().err
    assert 'Identification on a Ray cluster needs a package that is not installed: pip install "ray>=2.59"' in said
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())
