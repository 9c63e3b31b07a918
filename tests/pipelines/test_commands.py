"""``identify`` and ``evaluate`` as a user types them, on a toy model."""

from __future__ import annotations

import json
import shutil
import signal

import numpy as np
import pytest

from studio.cli import main
from studio.corpora.base import Utterance
from studio.corpora.layouts import read_corpus
from studio.corpora.splits import choose_split, load_split
from studio.esn.calibration import Point, calibration_file, read_calibration, zones_of
from studio.esn.emosteer import EmoVectors
from studio.esn.mask import EsnMask
from studio.pipelines.recipe import Recipe, load_recipe
from tests.pipelines.conftest import make_corpus, texts_of
from tests.pipelines.toy import ToyJudge, ToyModel

pytestmark = pytest.mark.usefixtures("toys")


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """A corpus of four speakers with a manifest."""
    folder = tmp_path_factory.mktemp("listed")
    utterances: list[Utterance] = make_corpus(folder, speakers=4)
    lines = ["path,speaker,emotion,text,utterance"]
    lines += [f"{each.path.relative_to(folder)},{each.speaker},,{each.text},{each.utterance}" for each in utterances]
    lines += ["absent.wav,s0,neutral,hello,1", f"{utterances[0].path.relative_to(folder)},s0,fear,hello,1"]
    (folder / "manifest.csv").write_text("\n".join(lines))
    return folder, utterances


@pytest.fixture
def toys(listed, monkeypatch):
    """The catalogs hand out the toys."""
    monkeypatch.setattr("studio.lalm.catalog.load_model", lambda name: ToyModel(texts_of(listed[1]), name=name))
    monkeypatch.setattr("studio.judges.catalog.load_judge", lambda name: ToyJudge())


def run(*line: object) -> int:
    return main([str(part) for part in line])


@pytest.fixture(scope="module")
def made(listed, tmp_path_factory):
    """A mask made by the command, with everything it printed."""
    out = tmp_path_factory.mktemp("made") / "toy.esn.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("studio.lalm.catalog.load_model", lambda name: ToyModel(texts_of(listed[1]), name=name))
        patch.setattr("studio.judges.catalog.load_judge", lambda name: ToyJudge())
        assert run("identify", listed[0], "--split", "all", "--rate", 0.2, "--out", out, "--no-audio") == 0
    return out


def test_identify_writes_a_mask_and_keeps_the_job_beside_it(made):
    mask = EsnMask.load(made)
    assert mask.metadata["split"] == "all"
    assert mask.metadata["rate"] == 0.2
    assert len(mask.emotions) == 4
    assert (made.parent / "toy.job" / "job.json").is_file()


def test_identify_keeps_the_split_it_used(listed, made, tmp_path):
    utterances = read_corpus(listed[0]).utterances
    assert load_split(made.parent / "toy.job" / "split.json", utterances) == {"all": list(utterances)}
    out = tmp_path / "toy.esn.safetensors"
    assert run("identify", listed[0], "--rate", 0.2, "--seed", 3, "--out", out) == 0
    assert load_split(tmp_path / "toy.job" / "split.json", utterances) == choose_split("manifest", utterances, 3)


def test_identify_keeps_what_was_asked_for(listed, made):
    recipe = load_recipe(made.with_name("toy.job"))
    assert recipe == Recipe(corpus=listed[0], part="all", rate=0.2, keep_audio=False)


def test_identify_says_what_a_person_should_know(listed, tmp_path, capsys):
    out = tmp_path / "toy.esn.safetensors"
    assert run("identify", listed[0], "--rate", 0.2, "--out", out, "--work", tmp_path / "work", "--limit", 4) == 0
    printed, said = capsys.readouterr()
    assert printed.startswith(f"{out}: CAS at rate 0.2 (")
    assert "there is no recording 'absent.wav'" in said
    assert "Left out, being none of the five emotions: fear 1." in said
    assert f"Up to 16 conversions; the job is in {tmp_path / 'work'}." in said
    assert "unreliable" in said
    assert run("identify", listed[0], "--rate", 0.2, "--out", out, "--work", tmp_path / "work", "--limit", 4) == 0
    assert "16 of them done before" in capsys.readouterr().err


def test_identify_as_json_lines(listed, tmp_path, capsys):
    out = tmp_path / "toy.esn.safetensors"
    line = ["identify", listed[0], "--emotions", "sad,happy", "--selector", "mad", "--rate", 0.1, "--batch", 5,
            "--out", out, "--json"]  # fmt: skip
    assert run(*line) == 0
    printed, said = capsys.readouterr()
    assert said == ""
    events = [json.loads(text) for text in printed.splitlines()]
    kinds = [event["event"] for event in events]
    assert kinds[0] == "started"
    assert kinds[-2:] == ["finished", "saved"]
    steps = [event for event in events if event["event"] == "progressed"]
    assert list(steps[-1]["successes"]) == ["happy", "sad"]
    assert {attempt["emotion"] for step in steps for attempt in step["latest"]} == {"happy", "sad"}
    assert events[-1] == {"event": "saved", "out": str(out), "fingerprint": EsnMask.load(out).fingerprint()}


def test_identify_that_fails_is_one_sentence_and_exit_code_1(listed, tmp_path, capsys):
    out = tmp_path / "toy.esn.safetensors"
    assert run("identify", tmp_path / "absent", "--out", out) == 1
    assert "There is no corpus folder" in capsys.readouterr().err
    assert run("identify", listed[0], "--out", out, "--rate", 0.2, "--limit", 4) == 0
    capsys.readouterr()
    assert run("identify", listed[0], "--out", out, "--rate", 0.2, "--limit", 5, "--json") == 1
    [line] = capsys.readouterr().out.splitlines()
    failed = json.loads(line)
    assert failed["event"] == "failed"
    assert "other settings (corpus fingerprint)" in failed["error"]


def test_parts_made_apart_are_merged_into_the_mask_of_one_run(listed, tmp_path, capsys):
    line = ["identify", listed[0], "--split", "all", "--rate", 0.2, "--batch", 4, "--cap", 9, "--no-audio"]
    assert run(*line, "--out", tmp_path / "whole") == 0
    for part in ("1/2", "2/2"):
        assert run(*line, "--part", part, "--out", tmp_path / part[0]) == 0
    capsys.readouterr()
    assert run("job", "merge", tmp_path / "1.job", tmp_path / "2.job", "--out", tmp_path / "job", "--json") == 0
    merged = json.loads(capsys.readouterr().out)
    assert load_recipe(tmp_path / "job") == load_recipe(tmp_path / "whole.job"), "the window can open it"
    for emotion, kinds in merged["rejections"].items():
        assert sum(kinds.values()) == merged["attempts"][emotion] - merged["successes"][emotion]
    assert run("select", tmp_path / "job", "--rate", 0.2, "--out", tmp_path / "mask") == 0
    assert (tmp_path / "mask").read_bytes() == (tmp_path / "whole").read_bytes()
    capsys.readouterr()
    assert run("job", "show", tmp_path / "job") == 0
    shown = capsys.readouterr().out
    assert "rejected: heard as " in shown
    for emotion, count in merged["attempts"].items():
        assert f"{emotion:9} {merged['successes'][emotion]:4} of {count} conversions succeeded\n" in shown
    assert run("job", "merge", tmp_path / "1.job", "--out", tmp_path / "job") == 1
    assert "exists already" in capsys.readouterr().err


def test_human_verdicts_select_a_mask_of_their_own(made, tmp_path, capsys):
    from studio.pipelines.records import read_attempts
    from studio.pipelines.verdicts import record_verdict

    work = shutil.copytree(made.parent / "toy.job", tmp_path / "job")
    line = ["select", work, "--human", "--rate", 0.2, "--out", tmp_path / "human.esn.safetensors"]
    assert run(*line) == 1
    assert "review some first" in capsys.readouterr().err
    for each in read_attempts(work):
        record_verdict(work, each.id, each.key.endswith(("1", "3", "5")))
    assert run(*line) == 0
    assert "CAS-H at rate 0.2" in capsys.readouterr().out
    assert run("mask", "show", tmp_path / "human.esn.safetensors") == 0
    assert "CAS-H; rate 0.2" in capsys.readouterr().out
    assert run("job", "show", work) == 0
    assert "accepted by people" in capsys.readouterr().out
    assert run("select", work / "statistics.stats.safetensors", "--human", "--out", tmp_path / "no") == 1
    assert "holds no verdicts of people" in capsys.readouterr().err


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_signal_stops_after_the_batch_under_way_and_the_command_goes_on(listed, tmp_path, capsys, monkeypatch, more):
    line = ["identify", listed[0], "--split", "all", "--rate", 0.2, "--batch", 4, "--no-audio", "--out"]
    assert run(*line, tmp_path / "whole") == 0
    capsys.readouterr()
    judged = []

    class Interrupting(ToyJudge):
        def judge(self, clip, reference=None):
            judged.append(clip)
            if len(judged) == 6:
                signal.raise_signal(signal.SIGTERM)
            return super().judge(clip, reference)

    monkeypatch.setattr("studio.judges.catalog.load_judge", lambda name: Interrupting())
    before = signal.getsignal(signal.SIGTERM)
    assert run(*line, tmp_path / "mask", *more) == 130
    assert signal.getsignal(signal.SIGTERM) is before
    assert len(judged) == 8
    printed, said = capsys.readouterr()
    if more:
        assert json.loads(printed.splitlines()[-1]) == {"event": "stopped", "job": str(tmp_path / "mask.job")}
    else:
        assert f"what was finished is kept in {tmp_path / 'mask.job'}" in said
    assert not (tmp_path / "mask").exists()
    assert run(*line, tmp_path / "mask", *more) == 0
    assert (tmp_path / "mask").read_bytes() == (tmp_path / "whole").read_bytes()
    assert (tmp_path / "mask.job" / "conversions.jsonl").read_bytes() == (
        tmp_path / "whole.job" / "conversions.jsonl"
    ).read_bytes()


def test_a_second_signal_stops_at_once(listed, tmp_path, capsys, monkeypatch):
    class Impatient(ToyJudge):
        def judge(self, clip, reference=None):
            signal.raise_signal(signal.SIGINT)
            return super().judge(clip, reference)

    monkeypatch.setattr("studio.judges.catalog.load_judge", lambda name: Impatient())
    assert run("identify", listed[0], "--split", "all", "--rate", 0.2, "--out", tmp_path / "mask") == 130
    assert (tmp_path / "mask.job" / "conversions.jsonl").exists() is False


@pytest.mark.parametrize(
    "wrong",
    [("--rate", "0"), ("--rate", "much"), ("--cap", "0"), ("--limit", "x"), ("--emotions", "fear"),
     ("--split", "train"), ("--wer", "-1"), ("--percentile", "101"), ("--selector", "best"), ("--part", "3/2"),
     ("--part", "0/2"), ("--part", "x"), ("--ray-workers", "2")],
)  # fmt: skip
def test_wrong_usage_of_identify_is_exit_code_2(listed, tmp_path, wrong, capsys):
    try:
        code: object = run("identify", listed[0], "--out", tmp_path / "m", *wrong)
    except SystemExit as stopped:
        code = stopped.code
    assert code == 2
    assert capsys.readouterr().err
    assert not (tmp_path / "m.job").exists()


def evaluate(listed, made, *more):
    return run("evaluate", listed[0], "--mask", made, "--limit", 4, "--random", 1, "--strengths", "0.5,2", *more)


def test_evaluate_prints_tables(listed, made, capsys):
    assert evaluate(listed, made) == 0
    printed = capsys.readouterr().out
    for expected in (
        "CAS at rate 0.2, gain, judge toy-judge", "all: 4 utterances", "test-seen: ", "test-unseen: ", "baseline",
        "self 0.5", "self 2", "cross 2", "random 2", "deactivate", "mask \\ target", "self-cross gap",
    ):  # fmt: skip
        assert expected in printed


def test_evaluate_as_json(listed, made, tmp_path, capsys):
    out = tmp_path / "results.json"
    assert evaluate(listed, made, "--out", out, "--json", "--emotions", "sad", "--control", 0.5) == 0
    document = json.loads(capsys.readouterr().out)
    assert json.loads(out.read_text()) == document
    [evaluation] = document["evaluations"]
    assert evaluation["file"] == str(made)
    effects = evaluation["groups"]["all"]["effects"]
    assert list(effects) == ["baseline", "self 0.5", "self 2", "cross 0.5", "random 0.5", "deactivate"]
    assert effects["self 2"]["targets"]["sad"]["utterances"] == 4
    assert evaluation["metadata"]["control"] == 0.5


def test_evaluate_keeps_the_zones_beside_the_mask(listed, made, tmp_path, capsys):
    mask = tmp_path / "swept.esn.safetensors"
    shutil.copy(made, mask)
    assert evaluate(listed, mask, "--calibrate", "--json", "--mode", "add", "--emotions", "sad") == 0
    [evaluation] = json.loads(capsys.readouterr().out)["evaluations"]
    assert evaluation["calibration"] == str(calibration_file(mask))
    effects = evaluation["groups"]["all"]["effects"]
    costs = [effects[name]["targets"]["sad"]["wer"] - effects["baseline"]["targets"]["sad"]["wer"]
             for name in ("self 0.5", "self 2")]  # fmt: skip
    points = [Point(strength, round(cost, 2)) for strength, cost in zip((0.5, 2.0), costs, strict=True)]
    zones = read_calibration(mask, EsnMask.load(mask).fingerprint())
    assert zones == {"add": {"sad": zones_of(points)}}


@pytest.fixture
def learned(tmp_path):
    rng = np.random.default_rng(3)
    weights = {emotion: rng.normal(0, 300, (16, 16)).astype(np.float32) for emotion in ("happy", "sad")}
    EmoVectors(16, "read_out", weights).save(tmp_path / "learned")
    return tmp_path / "learned"


def test_evaluate_compares_neurons_and_learned_vectors_in_one_run(listed, made, learned, capsys):
    assert evaluate(listed, made, "--emosteer", learned, "--alphas", "1,3") == 0
    printed = capsys.readouterr().out
    own = printed.split("EmoSteer before read_out, strengths are alphas")[1]
    for expected in ("self 1 ", "self 3 ", "cross 3 ", "random 3 ", "have no matrix for angry"):
        assert expected in own
    assert "deactivate" not in own
    table = printed.split("compared, points of match")[1].splitlines()
    assert [row.split("  ")[0] for row in table[1:]] == [
        "baseline", f"{made.name} gain 0.5", f"{made.name} gain 2", "learned learned 1", "learned learned 3"
    ]  # fmt: skip
    assert evaluate(listed, made, "--emosteer", learned, "--alphas", "1,3", "--json") == 0
    of_mask, of_vectors = json.loads(capsys.readouterr().out)["evaluations"]
    baselines = [each["groups"]["all"]["effects"]["baseline"] for each in (of_mask, of_vectors)]
    assert baselines[0]["mean"]["match"] == baselines[1]["mean"]["match"]
    assert of_vectors["metadata"]["emosteer"] == EmoVectors.load(learned).fingerprint()


def test_what_was_evaluated_is_kept_when_a_later_file_does_not_fit(listed, made, tmp_path, capsys):
    foreign, out = tmp_path / "foreign", tmp_path / "results.json"
    EmoVectors(8, "elsewhere", {"sad": np.ones((8, 8), np.float32)}).save(foreign)
    assert evaluate(listed, made, "--emosteer", foreign, "--out", out, "--emotions", "sad") == 1
    assert "shift the input of elsewhere" in capsys.readouterr().err
    assert [each["file"] for each in json.loads(out.read_text())["evaluations"]] == [str(made)]


def test_evaluate_needs_something_to_evaluate(listed, capsys):
    assert run("evaluate", listed[0]) == 2
    assert "Nothing to evaluate" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [("--strengths", "0,1"), ("--strengths", ""), ("--control", "3"), ("--measures", "beauty")]
)
def test_wrong_usage_of_evaluate_is_exit_code_2(listed, made, wrong, capsys):
    try:
        code: object = evaluate(listed, made, *wrong)
    except SystemExit as stopped:
        code = stopped.code
    assert code == 2
    assert capsys.readouterr().err


def test_evaluate_needs_a_split_that_is_there(listed, made, capsys):
    assert evaluate(listed, made, "--split", "training") == 1
    assert "There is no split 'training'" in capsys.readouterr().err
