"""Identification and evaluation on the embedded model itself, whatever it has learnt."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from studio.audio.files import load_clip
from studio.cli import main
from studio.corpora import esd
from studio.corpora.splits import IDENTIFICATION, esd_split, spread
from studio.emotions import EMOTIONS
from studio.errors import Cancelled
from studio.esn.mask import EsnMask
from studio.judges.asr import recogniser_for
from studio.lalm.base import LANGUAGE, ConversionRequest, SpeechLALM
from studio.lalm.catalog import load_model
from studio.paths import resources_dir
from studio.pipelines.evaluate import EvaluateSettings, evaluate
from studio.pipelines.identify import IdentifySettings, identify
from studio.pipelines.workers import InProcess


class Lenient:
    """Hears one emotion in everything."""

    name = "lenient"

    def __init__(self, heard):
        self.heard = heard

    def judge(self, clip, reference=None):
        others = dict.fromkeys(("neutral", "happy", "angry", "sad", "surprise"), 0.1)
        return others | {self.heard: 0.6}


@pytest.fixture(scope="module")
def model():
    model = load_model()
    yield model
    model.close()


@pytest.fixture(scope="module")
def utterances():
    return spread(esd_split(esd.read(resources_dir() / "demo"))[IDENTIFICATION], 3)


@pytest.fixture(scope="module")
def found(model, utterances, tmp_path_factory):
    settings = IdentifySettings(emotions=("sad",), rate=0.05, wer_threshold=99.0, batch=3)
    return identify(InProcess(model, Lenient("sad")), utterances, settings, tmp_path_factory.mktemp("job"))


def test_counts_of_a_padded_batch_are_those_of_single_conversions(model, utterances, found):
    lengths = {load_clip(each.path).seconds for each in utterances}
    assert len(lengths) == 3
    single = [ConversionRequest(load_clip(each.path), "sad") for each in utterances]
    alone = [model.convert([request], record=True)[0].statistics for request in single]
    counted = found.statistics.by_emotion["sad"]
    # Greedy decoding of a row may take another turn where two tokens are as good; counts then differ a little.
    assert counted.tokens == pytest.approx(sum(each.tokens for each in alone), rel=0.1)
    share = sum(each.active for each in alone) / sum(each.tokens for each in alone)
    assert torch.corrcoef(torch.stack([counted.probability(), share]))[0, 1] > 0.98


def test_the_mask_fits_the_model_and_is_of_the_asked_size(model, found):
    widths = model.info.gates[LANGUAGE]
    found.mask.check_fits(model.info.model_id, LANGUAGE, widths)
    assert found.mask.count("sad") == sum(widths) // 20


def test_evaluation_steers_and_listens(model, utterances, found):
    hear = recogniser_for(frozenset(each.text or "" for each in utterances))
    settings = EvaluateSettings(targets=("sad",), strengths=(1.0,), random=1)
    result = evaluate(model, Lenient("sad"), {"few": utterances[:2]}, found.mask, settings, recognise=hear)
    group = result.groups["all"]
    assert [effect.condition.name for effect in group.effects] == ["baseline", "self 1", "random 1", "deactivate"]
    assert group.effect("baseline").mean.match == 100.0
    assert group.source_heard_wer is not None
    assert group.source_heard_wer < 10
    assert group.effect("self", 1.0).mean.heard_wer is not None


def test_the_command_on_the_demo_corpus(tmp_path, capsys):
    out = tmp_path / "demo.esn.safetensors"
    line = ["identify", "demo", "--limit", "6", "--emotions", "angry,surprise", "--rate", "0.05", "--out", str(out)]
    code = main([*line, "--json"])
    events = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert events[0] == {"event": "started", "total": 12, "done": 0, "job": str(tmp_path / "demo.job")}
    attempts = [attempt for event in events if event["event"] == "progressed" for attempt in event["latest"]]
    assert len(attempts) == 12
    for attempt in attempts:
        if attempt["judged"]:
            assert list(attempt["judged"]) == list(EMOTIONS)
            assert sum(attempt["judged"].values()) == pytest.approx(1.0, abs=1e-4)
            assert (tmp_path / "demo.job" / attempt["audio"]).is_file()
    succeeded = {attempt["emotion"] for attempt in attempts if attempt["success"]}
    # How many succeed is the model's affair; what follows from it is not.
    assert code == (0 if succeeded else 1)
    assert events[-1]["event"] == ("saved" if succeeded else "failed")
    assert out.exists() == bool(succeeded)
    if succeeded:
        assert set(EsnMask.load(out).emotions) == succeeded


class InTurn:
    """A model whose conversions are made one after the other."""

    def __init__(self, model: SpeechLALM) -> None:
        self.info = replace(model.info, overlaps=False)
        self.convert, self.close = model.convert, model.close


def test_overlapping_batches_leave_the_same_job(model, utterances, tmp_path):
    settings = IdentifySettings(emotions=("sad", "angry"), rate=0.05, wer_threshold=99.0, batch=1, cap=2)
    assert model.info.overlaps
    for name, workers in (("both", model), ("one", InTurn(model))):
        identify(InProcess(workers, Lenient("sad")), utterances, settings, tmp_path / name, date="2026-01-02")
    both, one = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "both", tmp_path / "one")
    )
    assert both == one
    assert len(one) > 8


def test_a_cancel_ends_overlapping_batches_and_the_job_goes_on(model, utterances, tmp_path):
    settings = IdentifySettings(emotions=("sad", "angry"), rate=0.05, wer_threshold=99.0, batch=1)
    calls = 0

    def later():
        nonlocal calls
        calls += 1
        return calls > 12

    with pytest.raises(Cancelled):
        identify(InProcess(model, Lenient("sad")), utterances, settings, tmp_path / "job", cancelled=later)
    identify(InProcess(model, Lenient("sad")), utterances, settings, tmp_path / "job")
