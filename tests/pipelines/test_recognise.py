"""Recognition with a listener whose gates are known, and end to end with Audio Flamingo 3's own class."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from studio import cli
from studio.audio.clip import Clip
from studio.audio.files import save_wav
from studio.corpora.base import Utterance
from studio.emotions import EMOTIONS
from studio.errors import StudioError
from studio.esn.mask import EsnMask
from studio.esn.taps import GateTaps
from studio.lalm.base import LANGUAGE, ModelInfo
from studio.lalm.recognition import Recognition
from studio.pipelines.recognise import (
    ABLATION,
    BASELINE,
    GAIN,
    RANDOM_ABLATION,
    RANDOM_GAIN,
    RecogniseSettings,
    effect,
    study,
)
from tests.lalm.flamingo import tiny

WIDTH, EACH = 100, 4


class KnownListener:
    """Five groups of four gates, one per emotion, decide; the others do nothing. Pitch says which group is active."""

    def __init__(self) -> None:
        self._gate = nn.ReLU()
        self._taps = GateTaps([self._gate], [WIDTH]).install()
        self.info = ModelInfo("known", "1", "d", "Known", {LANGUAGE: (WIDTH,)}, 16_000, 30.0, batches=True)

    def recognise(self, requests, *, record=False, cancelled=None):
        values = torch.full((len(requests), 3, WIDTH), -1.0)
        values[..., 50:] = 1.0
        for row, request in enumerate(requests):
            place = round(float(np.abs(request.source.samples).max()) * 10) - 1
            values[row, :, place * EACH : (place + 1) * EACH] = 1.0
            values[row, 0, ((place + 1) % 5) * EACH] = 0.5  # a moment of doubt: the next emotion
        self._taps.begin([request.steering for request in requests], record=record)
        self._taps.positions(torch.ones(len(requests), 3, dtype=torch.bool), generated=False)
        groups = self._gate(values).mean(1)[:, : 5 * EACH].reshape(len(requests), 5, EACH).sum(-1)
        counted = self._taps.end(1)
        counts = [None] * len(requests) if counted is None else counted
        shares = (groups / groups.sum(-1, keepdim=True).clamp_min(1e-6)).tolist()
        return [
            Recognition(dict(zip(EMOTIONS, row, strict=True)), own) for row, own in zip(shares, counts, strict=True)
        ]

    def close(self) -> None:
        self._taps.remove()


@pytest.fixture
def corpus(tmp_path) -> list[Utterance]:
    found = []
    for place, emotion in enumerate(EMOTIONS):
        for line in range(4):
            path = tmp_path / f"{emotion}-{line}.wav"
            clip = tiny.clip(150.0 + 10 * line, 0.2)
            scaled = clip.samples / np.abs(clip.samples).max() * (place + 1) / 10
            save_wav(path, type(clip)(scaled.astype(np.float32), clip.rate))
            found.append(Utterance("s", line, emotion, path, None))
    return found


def test_the_neurons_that_decide_are_found_and_what_they_do_is_measured(corpus):
    model = KnownListener()
    shares: list[float] = []
    found = study(
        model, corpus, corpus, RecogniseSettings(rate=0.03, cap=3, gain=3.0, random=2), progress=shares.append
    )
    model.close()
    assert found.accuracy == dict.fromkeys(EMOTIONS, 100.0)
    assert found.correct == dict.fromkeys(EMOTIONS, 3)
    assert found.statistics.metadata["success_counts"] == dict.fromkeys(EMOTIONS, 3)
    for place, emotion in enumerate(EMOTIONS):
        neurons = found.mask.indices[emotion][:, 1].tolist()
        assert neurons == [place * EACH + 1, place * EACH + 2, place * EACH + 3]  # the first is shared with doubt
    ablation = found.effects[ABLATION]
    for mask in EMOTIONS:
        assert ablation.accuracy[mask] == dict.fromkeys(EMOTIONS, 0.0)  # one gate of the four is left, and wins
    assert found.effects[RANDOM_ABLATION].own == 0.0
    assert found.effects[GAIN].others == 0.0
    assert set(found.effects) == {ABLATION, GAIN, RANDOM_ABLATION, RANDOM_GAIN}
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_ablating_all_that_decides_degrades_that_emotion_alone(corpus):
    model = KnownListener()
    found = study(model, corpus, corpus, RecogniseSettings(rate=0.04, random=2))
    model.close()
    ablation = found.effects[ABLATION]
    for mask in EMOTIONS:
        assert ablation.accuracy[mask] == {true: -100.0 * (true == mask) for true in EMOTIONS}
        assert ablation.pull[mask] == pytest.approx(-20.0)
    assert ablation.own == -100.0
    assert ablation.others == 0.0


def test_a_recording_that_cannot_be_used_costs_itself_only(corpus):
    model = KnownListener()
    corpus[0].path.write_bytes(b"RIFF")
    save_wav(corpus[5].path, Clip(np.zeros(4000, np.float32), 16_000))
    found = study(model, corpus, corpus, RecogniseSettings(rate=0.03, cap=4, random=0))
    usable = dict.fromkeys(EMOTIONS, 4) | {corpus[0].emotion: 3, corpus[5].emotion: 3}
    assert (found.heard, found.clips) == (usable, usable)
    assert list(found.notes) == [
        f"Left out: '{corpus[0].path.name}' is damaged or cut short; copy or export it again.",
        f"Left out: '{corpus[5].path.stem}' holds no speech; choose another recording.",
    ]
    with pytest.raises(StudioError, match=r"^None of the recordings to test on can be used\. '.*' is damaged"):
        study(model, corpus, corpus[:1], RecogniseSettings(rate=0.03))
    model.close()


def test_effects_are_changes_of_accuracy_and_of_answers():
    answers = {
        (BASELINE, ""): [("happy", "happy"), ("happy", "sad"), ("sad", "sad"), ("sad", "sad")],
        (GAIN, "happy"): [("happy", "happy"), ("happy", "happy"), ("sad", "sad"), ("sad", "happy")],
    }
    found = effect(answers, GAIN)
    assert found.accuracy == {"happy": {"happy": 50.0, "sad": -50.0}}
    assert found.pull == {"happy": 50.0}
    assert (found.own, found.others) == (50.0, -50.0)


def test_a_corpus_of_one_emotion_is_refused(corpus):
    model = KnownListener()
    with pytest.raises(StudioError, match="at least two of the five emotions"):
        study(model, [each for each in corpus if each.emotion == "sad"], corpus, RecogniseSettings())
    with pytest.raises(StudioError, match="Cap and batch must be at least 1"):
        RecogniseSettings(cap=0)
    model.close()


def test_the_verb_runs_audio_flamingo_3_from_a_folder(tmp_path, capsys):
    processor = tiny.processor()
    network = tiny.model(processor, seed=2)  # to these weights a low buzz is angry, and a higher one a surprise
    folder, data = tmp_path / "af3", tmp_path / "data"
    data.mkdir()
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    lines = ["path,speaker,emotion,utterance"]
    for speaker in range(5):
        for line in range(4):
            for emotion, hertz in (("angry", 110.0), ("surprise", 260.0)):
                name = f"{speaker}-{line}-{emotion}.wav"
                save_wav(data / name, tiny.clip(hertz + 2 * line + speaker, 0.5))
                lines.append(f"{name},s{speaker},{emotion},{line}")
    (data / "manifest.csv").write_text("\n".join(lines) + "\n")
    mask = tmp_path / "found.esn.safetensors"
    arguments = ["recognise", str(data), "--model", str(folder), "--rate", "0.05", "--random", "1", "--cap", "4",
                 "--out", str(mask), "--test", "test-seen", "--json"]  # fmt: skip
    assert cli.main(arguments) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["identification"]["correct"] == {"angry": 4, "surprise": 4}
    assert document["test"]["accuracy"] == {"angry": 100.0, "surprise": 100.0}
    assert set(document["effects"]) == {ABLATION, GAIN, RANDOM_ABLATION, RANDOM_GAIN}
    found = EsnMask.load(mask)
    assert found.metadata["judge"] == "corpus labels"
    assert found.widths == (tiny.WIDTH,) * tiny.LAYERS
    assert document["neurons"] == {"angry": 9, "surprise": 9}
    first = mask.read_bytes()
    assert cli.main(arguments[:-1]) == 0
    assert mask.read_bytes() == first
    said = capsys.readouterr().out
    assert "ablation: change of accuracy in points" in said
    assert cli.main(["recognise", str(data), "--model", "nothing-here"]) == 1
    assert "There is no model 'nothing-here' that recognises" in capsys.readouterr().err
