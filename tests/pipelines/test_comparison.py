"""Neuron masks and learned vectors compared on one Qwen2.5-Omni (tiny random weights of transformers' own classes)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from studio import cli_emosteer
from studio.audio.clip import Clip
from studio.audio.files import load_clip, save_flac, save_wav
from studio.cli import main
from studio.corpora.base import Utterance
from studio.emotions import EMOTIONS
from studio.esn.emosteer import EmoVectors
from studio.judges import catalog as judges
from studio.lalm import catalog
from studio.lalm.qwen_omni import lalm as adapter
from studio.lalm.qwen_omni import sound
from studio.pipelines.evaluate import EvaluateSettings, evaluate
from tests.lalm.qwen_omni import tiny

TARGETS = ("angry", "happy")


class RoughnessJudge:
    """The rougher a clip, the angrier; what is left is happy."""

    name = "roughness"

    def judge(self, clip: Clip, reference: Clip | None = None) -> dict[str, float]:
        rough = float(np.clip(np.abs(np.diff(clip.samples)).mean() / (np.abs(clip.samples).mean() + 1e-9), 0, 1))
        return dict.fromkeys(EMOTIONS, 0.0) | {"angry": rough, "happy": 1 - rough}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights rarely stop talking."""
    monkeypatch.setattr(adapter, "_WORDS", (6, 0))
    monkeypatch.setattr(adapter, "_CODES", (30, 0))
    monkeypatch.setattr(sound, "STEPS", 2)


def test_one_model_in_one_run_is_steered_by_either(tmp_path: Path) -> None:
    save_flac(tmp_path / "line.flac", tiny.recording(0.4))
    corpus = {"test": [Utterance("s0", 1, "neutral", tmp_path / "line.flac", "the old house")]}
    settings = EvaluateSettings(TARGETS, strengths=(1.0,), control=1.0, random=1, deactivate=False)
    model = tiny.lalm(tiny.whole_model())
    try:
        masked, learned = (
            evaluate(model, RoughnessJudge(), corpus, each, settings) for each in (tiny.everywhere(), tiny.vectors())
        )
    finally:
        model.close()

    def angry(found, kind):
        return [
            (row.probability, row.text) for row in found.rows if (row.target, row.condition.kind) == ("angry", kind)
        ]

    [baseline] = angry(masked, "baseline")
    assert angry(learned, "baseline") == [baseline]
    # Both are heard, as are a cross-effect and a random control of the vectors; these leave the words alone.
    assert angry(masked, "self")[0] != baseline
    heard = [angry(learned, kind)[0] for kind in ("self", "cross", "random")]
    assert len({probability for probability, _ in (baseline, *heard)}) == 4
    assert {text for _, text in heard} == {baseline[1]}
    assert learned.metadata["method"] == "EmoSteer"
    assert learned.metadata["model_revision"] == masked.metadata["model_revision"]


class EverySecondOfThree:
    """Hears anger in the second of every three clips: greedy takes, which come first, are never angry."""

    name = "every second of three"

    def __init__(self) -> None:
        self.heard = 0

    def judge(self, clip: Clip, reference: Clip | None = None) -> dict[str, float]:
        self.heard += 1
        return {emotion: float(emotion == ("angry" if self.heard % 3 == 2 else "sad")) for emotion in EMOTIONS}


class Patience:
    """Stands for Ctrl-C: asks to stop at the n-th time somebody wonders."""

    def __init__(self, most: float) -> None:
        self.most, self.asked_for = most, 0

    def __call__(self, sentence: str) -> Patience:
        return self

    def asked(self) -> bool:
        self.asked_for += 1
        return self.asked_for > self.most

    def __enter__(self) -> Patience:
        return self

    def __exit__(self, *problem: object) -> None:
        pass


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Recordings whose transcripts are what the tiny model says of them in anger; it answers to the 3B's name."""
    model = tiny.lalm(tiny.whole_model())
    monkeypatch.setattr(model, "close", lambda: None)  # the next command loads it again
    monkeypatch.setattr(catalog, "load_model", lambda name: model)
    monkeypatch.setattr(judges, "load_judge", lambda name: EverySecondOfThree())
    rows = []
    for number in range(3):
        save_wav(tmp_path / f"{number}.wav", tiny.recording(0.4, number), "FLOAT")
        said = model.prompter.text(model.reply(load_clip(tmp_path / f"{number}.wav"), "angry").ids)
        rows.append({"path": f"{number}.wav", "speaker": "s0", "utterance": str(number + 1), "text": said})
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_what_qwen_learns_from_its_own_speech_is_compared_with_a_mask(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [str(corpus), "--model", "qwen2.5-omni-3b", "--emotions", "angry"]
    command = ["emosteer", "train", *common, "--takes", "3", "--steps", "4", "--learning-rate", "5", "--json"]
    patience = Patience(float("inf"))
    monkeypatch.setattr(cli_emosteer, "Stopping", patience)
    out = corpus / "a.emosteer.safetensors"
    assert main([*command, "--out", str(out)]) == 0
    events = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    lines = sum(event["event"] == "spoken" for event in events)
    assert [event["event"] for event in events] == ["spoken"] * lines + ["note"] + ["step"] * 4 + ["saved"]
    assert events[lines - 1]["accepted"] == {"angry": lines}
    training = EmoVectors.load(out).metadata["training"]
    assert training["own_speech"]["angry"]["lessons"] >= lines > 0
    assert training["loss_at_last"]["angry"] < events[lines + 1]["losses"]["angry"]

    # Stopped while it speaks, or before its third step, the same command ends in the same bytes.
    for most, before in ((patience.asked_for // 2, ["spoken"]), (patience.asked_for - 2, ["step", "step"])):
        other = corpus / f"{before[0]}.emosteer.safetensors"
        monkeypatch.setattr(cli_emosteer, "Stopping", Patience(most))
        assert main([*command, "--out", str(other)]) == 130
        seen = [json.loads(row)["event"] for row in capsys.readouterr().out.splitlines()]
        assert seen[-1 - len(before) :] == [*before, "stopped"]
        assert not other.exists()
        monkeypatch.setattr(cli_emosteer, "Stopping", Patience(float("inf")))
        assert main([*command, "--out", str(other)]) == 0
        assert other.read_bytes() == out.read_bytes()

    mask = corpus / "m.esn.safetensors"
    tiny.everywhere().save(mask)
    capsys.readouterr()
    found = corpus / "found.json"
    asked = ["--mask", str(mask), "--emosteer", str(out), "--strengths", "1", "--alphas", "1", "--random", "1"]
    assert main(["evaluate", *common, *asked, "--split", "identification", "--out", str(found)]) == 0
    table = capsys.readouterr().out.partition("compared, points of match")[2]
    assert mask.name in table
    assert out.name in table
    both = [each["metadata"] for each in json.loads(found.read_text())["evaluations"]]
    assert [each["mode"] for each in both] == ["gain", "learned"]
    assert both[0]["model_revision"] == both[1]["model_revision"]


def test_judges_are_for_models_that_learn_from_their_own_speech(tmp_path: Path) -> None:
    for option in (["--judge", "embedded"], ["--takes", "2"]):
        assert main(["emosteer", "train", "demo", *option, "--out", str(tmp_path / "v.emosteer.safetensors")]) == 2
