"""Neuron masks and learned vectors compared on one Qwen2.5-Omni (tiny random weights of transformers' own classes)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.audio.clip import Clip
from studio.audio.files import save_flac
from studio.corpora.base import Utterance
from studio.emotions import EMOTIONS
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


def test_one_model_in_one_run_is_steered_by_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "_WORDS", (6, 0))
    monkeypatch.setattr(adapter, "_CODES", (30, 0))
    monkeypatch.setattr(sound, "STEPS", 2)
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


class Partial:
    """Hears no anger in the first of every three clips and in one of the others; plain counting, so that it holds
    whatever the weights are.
    """

    name = "partial"

    def __init__(self) -> None:
        self.heard = 0

    def judge(self, clip: Clip, reference: Clip | None = None) -> dict[str, float]:
        self.heard += 1
        return {emotion: float(emotion == ("angry" if self.heard % 3 == 2 else "sad")) for emotion in EMOTIONS}


@pytest.fixture
def corpus(tmp_path: Path, model: QwenOmniLALM) -> Path:
    """Three recordings whose transcripts are what the model says of them when it is to be angry."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    rows = ["path,speaker,utterance,emotion,text"]
    for number in range(3):
        source = tiny.recording(0.4, number)
        save_wav(folder / f"{number}.wav", source, "FLOAT")
        said = model.prompter.text(model.reply(source, "angry").ids)
        rows.append(f'{number}.wav,s{number},1,neutral,"{said}"')
    return folder
