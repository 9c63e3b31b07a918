from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from studio.audio.clip import Clip
from studio.audio.files import load_clip, save_wav
from studio.emotions import TARGETS
from studio.errors import Cancelled, StudioError
from studio.esn.emosteer import EmoSteering, EmoVectors
from studio.esn.errors import MaskError
from studio.esn.intervention import Mode, Steering
from studio.esn.mask import EsnMask
from studio.judges.base import verdict
from studio.lalm.base import ConversionRequest
from studio.pipelines.effects import Condition
from studio.pipelines.evaluate import EvaluateSettings, evaluate, layer_matched
from studio.pipelines.identify import IdentifySettings, identify
from studio.pipelines.listening import hear
from studio.pipelines.workers import InProcess
from tests.pipelines.conftest import texts_of
from tests.pipelines.toy import ToyJudge, ToyModel

SETTINGS = EvaluateSettings(strengths=(0.5, 2.0), control=2.0, random=2, batch=16)


@pytest.fixture(scope="module")
def mask(corpus, tmp_path_factory):
    model = ToyModel(texts_of(corpus))
    try:
        found = identify(
            InProcess(model, ToyJudge()), corpus, IdentifySettings(rate=0.2), tmp_path_factory.mktemp("job")
        )
    finally:
        model.close()
    return found.mask


@pytest.fixture(scope="module")
def evaluation(corpus, mask):
    model = ToyModel(texts_of(corpus))
    shares: list[float] = []
    try:
        found = evaluate(
            model,
            ToyJudge(),
            {"test-seen": corpus[:4], "test-unseen": corpus[4:6]},
            mask,
            SETTINGS,
            recognise=lambda clip: "the old house" if clip.seconds > 0.5 else "",
            measures=[lambda audio, source: {"seconds": audio.seconds / source.seconds}],
            progress=shares.append,
        )
    finally:
        model.close()
    return found, shares


def test_every_condition_is_evaluated_for_every_utterance(evaluation):
    found, shares = evaluation
    conversions = 4 * (1 + 2 + 3 + 2 + 1)
    assert len(found.rows) == 6 * conversions
    assert [(name, group.utterances) for name, group in found.groups.items()] == [
        ("all", 6), ("test-seen", 4), ("test-unseen", 2)
    ]  # fmt: skip
    names = [effect.condition.name for effect in found.groups["all"].effects]
    assert names == ["baseline", "self 0.5", "self 2", "cross 2", "random 2", "deactivate"]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)


def test_self_effect_is_what_plain_conversions_show(evaluation, corpus, mask):
    found, _ = evaluation
    model, judge = ToyModel(texts_of(corpus)), ToyJudge()
    try:
        for target in TARGETS:
            matches = []
            for steering in (None, Steering(mask, Mode.GAIN, {target: 2.0})):
                clips = [load_clip(each.path) for each in corpus[:6]]
                alone = [model.convert([ConversionRequest(clip, target, steering)])[0] for clip in clips]
                heard = [hear(judge, each.audio, clip) for each, clip in zip(alone, clips, strict=True)]
                matches.append([not isinstance(each, str) and verdict(each) == target for each in heard])
            cell = found.groups["all"].effect("self", 2.0).targets[target]
            assert cell.match == pytest.approx(100 * np.mean(matches[1]))
            assert cell.change == pytest.approx(100 * (np.mean(matches[1]) - np.mean(matches[0])))
    finally:
        model.close()


def test_learned_vectors_are_measured_as_plain_conversions_show(corpus, model, judge):
    rng = np.random.default_rng(3)
    weights = {emotion: rng.normal(0, 300, (16, 16)).astype(np.float32) for emotion in TARGETS}
    vectors = EmoVectors(16, "read_out", weights)
    settings = replace(SETTINGS, strengths=(1.0, 3.0), control=3.0)
    found = evaluate(model, judge, {"test": corpus[:4]}, vectors, settings)
    matched = {}
    for alpha in (0.0, 3.0):
        requests = [
            ConversionRequest(load_clip(each.path), "sad", emosteer=EmoSteering(vectors, {"sad": alpha}))
            for each in corpus[:4]
        ]
        heard = [verdict(judge.judge(made.audio)) == "sad" for made in model.convert(requests)]
        matched[alpha] = 100 * sum(heard) / len(heard)
    group = found.groups["all"]
    assert group.effect("baseline").targets["sad"].match == matched[0.0]
    assert group.effect("self", 3.0).targets["sad"].change == matched[3.0] - matched[0.0]
    kinds = {(effect.condition.kind, effect.condition.strength) for effect in group.effects}
    assert kinds == {("baseline", 0), ("self", 1), ("self", 3), ("cross", 3), ("random", 3)}
    assert set(group.effect("random", 3.0).variants) == {"0", "1"}
    assert found.metadata["method"] == "EmoSteer"


def test_matrix_and_gap_hold_self_and_cross_effects(evaluation):
    group = evaluation[0].groups["all"]
    own, cross = group.effect("self", 2.0), group.effect("cross", 2.0)
    assert {target: group.matrix[target][target] for target in TARGETS} == pytest.approx(
        {target: cell.change for target, cell in own.targets.items()}
    )
    for target in TARGETS:
        others = [group.matrix[other][target] for other in TARGETS if other != target]
        assert cross.targets[target].change == pytest.approx(np.mean(others))
    assert group.gap == pytest.approx(own.mean.change - cross.mean.change)
    assert len({*(round(value, 6) for row in group.matrix.values() for value in row.values())}) > 1


def test_words_heard_and_measures_are_reported(evaluation, corpus):
    group = evaluation[0].groups["all"]
    assert group.source_heard_wer is not None
    assert 0 < group.source_heard_wer < 100
    baseline = group.effect("baseline")
    assert baseline.mean.heard_wer == 100.0
    assert 0 < baseline.mean.wer < 20
    lengths = [0.4 / load_clip(each.path).seconds for each in corpus[:6]]
    assert baseline.mean.measures["seconds"] == pytest.approx(np.mean(lengths), rel=1e-4)


def test_the_result_is_plain_data(evaluation):
    document = asdict(evaluation[0])
    assert json.loads(json.dumps(document, allow_nan=False))["metadata"]["judge"] == "toy-judge"
    assert document["metadata"]["utterances"] == {"test-seen": 4, "test-unseen": 2}


def test_random_masks_match_the_layers(mask):
    drawn = [layer_matched(mask, seed) for seed in (0, 1)]
    for emotion in mask.emotions:
        for each in drawn:
            assert each.histogram(emotion).tolist() == mask.histogram(emotion).tolist()
        assert drawn[0].flat(emotion).tolist() != drawn[1].flat(emotion).tolist()
    assert layer_matched(mask, 1).fingerprint() == drawn[1].fingerprint()


def test_batches_do_not_change_the_result(evaluation, corpus, mask, monkeypatch):
    model = ToyModel(texts_of(corpus), batches=False)
    given: list[tuple[str, str | None]] = []
    convert = model.convert

    def converting(rows, **more):
        given.extend((row.source.name, row.text) for row in rows)
        return convert(rows, **more)

    monkeypatch.setattr(model, "convert", converting)
    try:
        found = evaluate(model, ToyJudge(), {"few": corpus[:2]}, mask, SETTINGS)
    finally:
        model.close()
    assert set(given) == {(each.path.stem, each.text) for each in corpus[:2]}
    keys = {each.key for each in corpus[:2]}
    batched = [
        (row.condition, row.target, row.variant, row.matched) for row in evaluation[0].rows if row.utterance in keys
    ]
    assert [(row.condition, row.target, row.variant, row.matched) for row in found.rows] == batched
    assert list(found.groups) == ["all"]


def test_a_recording_that_cannot_be_used_costs_itself_only(corpus, model, judge, mask, tmp_path):
    (tmp_path / "torn.wav").write_bytes(b"RIFF")
    save_wav(tmp_path / "hush.wav", Clip(np.zeros(16_000, np.float32), 16_000))
    torn, hush = (
        replace(each, path=tmp_path / name) for each, name in zip(corpus[1:], ("torn.wav", "hush.wav"), strict=False)
    )
    settings = replace(SETTINGS, targets=("sad",), strengths=(2.0,), random=0, deactivate=False)
    found = evaluate(model, judge, {"a": [corpus[0], torn, hush], "b": [torn], "c": corpus[3:4]}, mask, settings)
    without = evaluate(model, judge, {"a": corpus[:1], "b": [], "c": corpus[3:4]}, mask, settings)
    assert found.rows == without.rows
    assert found.groups == without.groups
    assert found.metadata == without.metadata
    assert [note for note in found.notes if note not in without.notes] == [
        "Left out: 'torn.wav' is damaged or cut short; copy or export it again.",
        "Left out: 'hush' holds no speech; choose another recording.",
    ]
    with pytest.raises(StudioError, match=r"'torn\.wav' is damaged"):
        evaluate(model, judge, {"a": [torn]}, mask, settings)


def test_a_target_without_neurons_has_only_its_baseline(corpus, model, judge, mask):
    without = EsnMask(
        mask.widths,
        {emotion: own for emotion, own in mask.indices.items() if emotion != "sad"},
        {emotion: own for emotion, own in mask.scores.items() if emotion != "sad"},
        mask.metadata,
    )
    found = evaluate(model, judge, {"few": corpus[:2]}, without, SETTINGS)
    assert found.notes == ("The mask has no neurons for sad: only its baseline was evaluated.",)
    assert {row.condition.kind for row in found.rows if row.target == "sad"} == {"baseline"}
    assert "sad" not in found.groups["all"].effect("self", 2.0).targets


def test_audio_that_cannot_be_judged_matches_nothing(corpus, model, mask):
    class Picky(ToyJudge):
        def judge(self, clip, reference=None):
            raise StudioError("This clip holds no voice.")

    found = evaluate(model, Picky(), {"few": corpus[:2]}, mask, replace(SETTINGS, random=0, deactivate=False))
    assert not any(row.matched for row in found.rows)
    assert found.groups["all"].effect("baseline").mean.match == 0


def test_empty_audio_is_heard_as_nothing(corpus, judge, mask):
    class Mute(ToyModel):
        def convert(self, requests, **options):
            return [
                replace(each, audio=Clip(np.zeros(0, np.float32), 16000))
                for each in super().convert(requests, **options)
            ]

    model = Mute(texts_of(corpus))
    try:
        found = evaluate(model, judge, {"few": corpus[:1]}, mask, SETTINGS, recognise=lambda clip: "something")
    finally:
        model.close()
    assert found.groups["all"].effect("baseline").mean.heard_wer == 100.0


def test_cancelling_stops_it(corpus, model, judge, mask):
    with pytest.raises(Cancelled):
        evaluate(model, judge, {"few": corpus[:2]}, mask, SETTINGS, cancelled=lambda: model.converted > 40)


def test_what_cannot_be_evaluated_is_one_sentence(corpus, model, judge, mask):
    with pytest.raises(StudioError, match="no neutral utterances"):
        evaluate(model, judge, {"few": [replace(corpus[0], emotion="sad")]}, mask, SETTINGS)
    with pytest.raises(StudioError, match="Toy has no synthesis module"):
        evaluate(model, judge, {"few": corpus[:1]}, mask, replace(SETTINGS, module="synthesis"))
    other = ToyModel(texts_of(corpus), name="other")
    try:
        with pytest.raises(MaskError):
            evaluate(other, judge, {"few": corpus[:1]}, mask, SETTINGS)
    finally:
        other.close()
    for wrong in (
        {"strengths": ()}, {"strengths": (0.0, 1.0)}, {"control": 0.7}, {"mode": Mode.DEACTIVATE}, {"targets": ()},
        {"batch": 0}, {"random": -1},
    ):  # fmt: skip
        with pytest.raises(StudioError):
            EvaluateSettings(**wrong)


def test_conditions_compare_by_value():
    assert Condition("self", 0.5) == Condition("self", 0.5) != Condition("cross", 0.5)
