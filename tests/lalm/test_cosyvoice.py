"""The adapter of CosyVoice and its teacher, on its module paths and its habits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.audio.clip import Clip
from studio.corpora.base import Utterance
from studio.errors import Cancelled, StudioError
from studio.esn.automation import Automation
from studio.esn.emosteer import EmoSteering, EmoVectors
from studio.esn.emosteer_hook import fold
from studio.esn.errors import EmoSteerError
from studio.esn.intervention import Mode, Steering
from studio.esn.mask import EsnMask
from studio.lalm import assignment, cosyvoice, messages, remote_code, wavefile
from studio.lalm.base import LANGUAGE, SYNTHESIS, Content, ConversionRequest
from studio.lalm.cosyvoice_teaching import teach
from studio.lalm.steerable import COSYVOICE_OUTPUT, Lesson
from studio.pipelines import emosteer
from tests.lalm.cosyvoice_guest import LIMIT, SAMPLES_PER_TOKEN, WIDTH, Cosy

SPEECH = Clip((0.4 * np.sin(np.arange(12_000) * 0.11)).astype(np.float32), 24_000, "line")
REQUEST = ConversionRequest(SPEECH, "happy", text="one two")


@pytest.fixture
def wrap() -> Iterator[Any]:
    opened: list[Any] = []

    def wrapped(cosy: Any, **options: Any) -> Any:
        opened.append(cosyvoice.wrap(cosy, "r1", **options))
        return opened[-1]

    yield wrapped
    for each in opened:
        each.close()


@pytest.fixture
def model(wrap: Any) -> Any:
    return wrap(Cosy())


@pytest.fixture(scope="module")
def vectors() -> EmoVectors:
    rng = np.random.default_rng(1)
    weights = {name: rng.normal(0, 600, (WIDTH, WIDTH)).astype(np.float32) for name in ("happy", "sad")}
    return EmoVectors(WIDTH, COSYVOICE_OUTPUT, weights)


def convert(model: Any, request: ConversionRequest = REQUEST, **more: Any) -> Any:
    return model.convert([request], **more)[0]


def same(a: Any, b: Any) -> bool:
    return np.array_equal(a.speech_tokens, b.speech_tokens) and np.array_equal(a.audio.samples, b.audio.samples)


def test_what_it_is(model: Any) -> None:
    info = model.info
    assert (info.gates, info.emosteer_sites) == ({LANGUAGE: ()}, {COSYVOICE_OUTPUT: WIDTH})
    assert (info.rate, info.batches, info.streams, info.revision) == (22_050, False, False, "r1")
    assert info.content_modes == (Content.FREE,)


def test_it_speaks_the_transcript_and_repeats_itself(model: Any) -> None:
    plain = convert(model)
    assert (plain.text, plain.audio.rate, plain.speech_tokens.shape) == ("one two", 22_050, (LIMIT, 1))
    assert len(plain.audio.samples) == LIMIT * SAMPLES_PER_TOKEN
    assert same(plain, convert(model))
    state = torch.random.get_rng_state()
    drawn = [convert(model, replace(REQUEST, seed=seed)) for seed in (3, 3, 4)]
    assert same(drawn[0], drawn[1])
    assert not same(drawn[0], drawn[2])
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not same(plain, convert(model, replace(REQUEST, target="sad")))
    assert not same(plain, convert(model, replace(REQUEST, source=replace(SPEECH, samples=SPEECH.samples[500:]))))


def test_the_transcript_reaches_a_hosted_model() -> None:
    [arrived, bare] = messages.unpack_requests(messages.pack_requests([REQUEST, replace(REQUEST, text=None)]))
    assert (arrived.text, bare.text) == ("one two", None)


def test_sentences_are_spoken_one_after_the_other(model: Any) -> None:
    seen: list[Any] = []
    shares: list[float] = []
    requests = [replace(REQUEST, text="one two|three"), REQUEST]
    two, one = model.convert(requests, progress=shares.append, on_audio=lambda *sound: seen.append(sound))
    assert same(one, convert(model))
    assert np.array_equal(two.speech_tokens[:LIMIT], one.speech_tokens)
    assert len(two.speech_tokens) == 2 * LIMIT
    assert [row for row, _ in seen] == [0, 1]
    assert np.array_equal(seen[0][1], two.audio.samples)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_only_what_the_limit_ended_is_truncated(model: Any) -> None:
    assert convert(model).truncated
    model.reader.llm.ends = True
    whole = convert(model, replace(REQUEST, text="one two|three"))
    assert not whole.truncated
    assert len(whole.speech_tokens) == 2 * (LIMIT - 2)


def test_alpha_nought_is_the_baseline_and_alpha_is_the_folded_projection(
    wrap: Any, model: Any, vectors: EmoVectors
) -> None:
    def steered(**alphas: float) -> Any:
        return convert(model, replace(REQUEST, emosteer=EmoSteering(vectors, alphas)))

    plain, nought, both = convert(model), steered(happy=0.0), steered(happy=1.0, sad=2.0)
    assert same(plain, nought)
    assert not same(plain, steered(happy=3.0))
    assert not same(both, steered(happy=1.0))
    assert same(plain, convert(model))
    model.close()
    cosy = model.reader.cosy
    cosy.model.llm.llm_decoder = fold(cosy.model.llm.llm_decoder, EmoSteering(vectors, {"happy": 1.0, "sad": 2.0}))
    assert np.array_equal(convert(wrap(cosy)).speech_tokens, both.speech_tokens)


def test_a_projection_that_is_bypassed_is_told(model: Any, vectors: EmoVectors) -> None:
    llm = model.reader.llm
    projection = llm.llm_decoder
    llm._modules["llm_decoder"] = torch.nn.Linear(WIDTH, projection.out_features)
    with pytest.raises(EmoSteerError, match="called 0 times"):
        convert(model, replace(REQUEST, emosteer=EmoSteering(vectors, {"happy": 1.0})))


@pytest.mark.parametrize("passes", [0, 1, 4])
def test_cancelling_ends_it_before_the_next_token(model: Any, passes: int) -> None:
    plain = convert(model)
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(model._passes.count)
        return len(asked) == passes + 2

    with pytest.raises(Cancelled):
        convert(model, cancelled=cancelled)
    assert len(asked) == passes + 2
    assert model._passes.count == passes
    assert model.reader.cosy.model.tts_speech_token_dict == {}
    assert same(plain, convert(model))


def test_errors_in_its_thread_are_raised(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch, "OutOfMemoryError")  # as in the torch 2.3 of its runtime
    plain = convert(model)

    def fail(*_: Any) -> None:
        if model._passes.count == 3:
            raise failure

    handle = model.reader.llm.llm.encoders[1].register_forward_pre_hook(fail)
    failure: Exception = ValueError("odd shape")
    with pytest.raises(StudioError, match="failed while writing speech: ValueError: odd shape"):
        convert(model)
    failure = torch.cuda.OutOfMemoryError("full")
    with pytest.raises(torch.cuda.OutOfMemoryError):
        convert(model)
    failure = RuntimeError("CUDA error: an illegal memory access was encountered")
    with pytest.raises(RuntimeError, match="illegal"):
        convert(model)
    handle.remove()
    assert same(plain, convert(model))
    model.reader.llm.sampling = lambda scores, decoded, sampling: model.reader.llm.eos_token
    with pytest.raises(StudioError, match="wrote no speech token"):
        convert(model, replace(REQUEST, seed=1))


def test_what_it_cannot_do_is_said(model: Any, vectors: EmoVectors) -> None:
    mask = EsnMask((4,), {"happy": np.array([[0, 1]], np.int32)}, {"happy": np.zeros(1, np.float32)})
    curve = EmoSteering(vectors, {"happy": 1.0}, Automation(((0.0, 1.0), (1.0, 0.2))))
    foreign = EmoVectors(8, "elsewhere", {"happy": np.ones((8, 8), np.float32)})
    refused: list[tuple[ConversionRequest, str]] = [
        (replace(REQUEST, text=None), "give the transcript of 'line'"),
        (replace(REQUEST, text=" . "), "nothing to say"),
        (replace(REQUEST, content=Content.LOCK), "cannot lock"),
        (replace(REQUEST, steering=Steering(mask, Mode.ADD, {"happy": 1.0})), "no gated layers"),
        (replace(REQUEST, emosteer=curve), "clear the curve"),
        (replace(REQUEST, emosteer=EmoSteering(foreign, {"happy": 1.0})), "shift the input of elsewhere"),
    ]
    for request, says in refused:
        with pytest.raises(StudioError, match=says):
            convert(model, request)
    with pytest.raises(StudioError, match="no neurons to count"):
        convert(model, record=True)
    with pytest.raises(StudioError, match="no 'synthesis' module"):
        convert(model, module=SYNTHESIS)
    with pytest.raises(StudioError, match="no speaker 'three'; it has one, two"):
        cosyvoice.wrap(Cosy(), "r1", speaker="three")


def test_a_named_speaker_is_not_the_sources(wrap: Any) -> None:
    one, two = (wrap(Cosy(), speaker=name) for name in ("one", "two"))
    other = replace(REQUEST, source=replace(SPEECH, samples=SPEECH.samples[500:]))
    assert same(convert(one), convert(one, other))
    assert not same(convert(one), convert(two))
    quiet = wrap(Cosy(), speaker="one", speaker_in_prompt=False)
    assert not np.array_equal(convert(quiet).speech_tokens, convert(one).speech_tokens)


def test_closing_leaves_the_model_as_it_was(model: Any) -> None:
    kept = model.reader.cosy.model
    model.close()
    assert not {"llm_job", "token2wav"} & set(vars(kept))
    assert not any(part._forward_pre_hooks for part in kept.llm.modules())


def test_loading_asks_for_consent_to_code_and_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(assignment.WEIGHTS, str(tmp_path))
    monkeypatch.delenv(assignment.AGREED, raising=False)
    with pytest.raises(StudioError, match=r"'cosyvoice\.yaml' is missing"):
        cosyvoice.hosted()
    recipe, package = tmp_path / remote_code.RECIPE, tmp_path / cosyvoice.CODE / "cosyvoice"
    recipe.write_text("a: 1\n")
    with pytest.raises(StudioError, match=r"'code/cosyvoice' is missing"):
        cosyvoice.hosted()
    package.mkdir(parents=True)
    (package / "a.py").write_text("x = 1\n")
    with pytest.raises(StudioError, match="agree to running them first"):
        cosyvoice.hosted()
    monkeypatch.setenv(assignment.AGREED, remote_code.code_digest(tmp_path))
    recipe.write_text("a: !apply:os.system [ls]\n")
    with pytest.raises(StudioError, match="not those you agreed to"):
        cosyvoice.hosted()


def recording(path: Path, pitch: float, seconds: float = 0.8) -> Path:
    wavefile.write(path, (0.4 * np.sin(np.arange(int(16_000 * seconds)) * pitch)).astype(np.float32), 16_000)
    return path


def test_the_training_loss_is_that_of_speaking(model: Any, tmp_path: Path) -> None:
    source = recording(tmp_path / "n.wav", 0.1)
    clip = Clip(wavefile.read(source, 16_000), 16_000, "n")
    targets = [recording(tmp_path / "a.wav", 0.2), recording(tmp_path / "b.wav", 0.3, 0.4)]
    lessons = [Lesson(source, text, "happy", to) for text, to in zip(("one two", "six"), targets, strict=True)]
    llm, expected, count = model.reader.llm, 0.0, 0
    for lesson in lessons:
        wanted = [*model.reader.cosy.frontend._extract_speech_token(str(lesson.target))[0][0].tolist(), llm.eos_token]
        logits: list[torch.Tensor] = []
        hook = llm.llm_decoder.register_forward_hook(lambda module, args, out, kept=logits: kept.append(out[0].clone()))
        forced = iter([*wanted[:-1], *[0] * LIMIT])
        llm.sampling = lambda scores, decoded, sampling, forced=forced: next(forced)
        convert(model, replace(REQUEST, source=clip, text=lesson.text, seed=0))
        hook.remove()
        expected += sum(-row.log_softmax(-1)[token].item() for row, token in zip(logits, wanted, strict=False))
        count += len(wanted)
        assert len(wanted) <= len(logits)
    teacher = teach(model)
    assert teacher.loss(lessons, 0).item() == pytest.approx(expected / count, rel=1e-5)
    with pytest.raises(StudioError, match=r"cannot learn from 'long\.wav': too long"):
        teacher.loss([replace(lessons[0], target=recording(tmp_path / "long.wav", 0.1, 1.5))], 0)


def test_vectors_are_trained_resumed_and_used(wrap: Any, model: Any, tmp_path: Path) -> None:
    lines = [
        Utterance("s", number, emotion, recording(tmp_path / f"{number}{emotion}.wav", pitch), text)
        for number, text in ((0, "one two"), (1, "three"))
        for emotion, pitch in (("neutral", 0.1), ("happy", 0.2 + 0.1 * number))
    ]
    frozen = {name: value.clone() for name, value in model.reader.llm.state_dict().items()}
    cosy = model.reader.cosy
    teacher = teach(model)
    assert teacher.needs_recordings
    settings = emosteer.TrainSettings(("happy",), 12, 2, learning_rate=5.0, checkpoint=5)
    steps: list[float] = []
    whole = emosteer.train(
        teacher, lines, settings, tmp_path / "whole", on_step=lambda step: steps.append(step.losses["happy"])
    )
    assert steps[-1] < steps[0]
    asked = iter(range(100))
    with pytest.raises(Cancelled):
        emosteer.train(teacher, lines, settings, tmp_path / "parts", cancelled=lambda: next(asked) == 7)
    assert emosteer.train(teacher, lines, settings, tmp_path / "parts").to_bytes() == whole.to_bytes()
    assert all(torch.equal(frozen[name], value) for name, value in cosy.model.llm.state_dict().items())
    path = tmp_path / "v.emosteer.safetensors"
    whole.save(path)
    again = wrap(cosy)
    steered = convert(again, replace(REQUEST, emosteer=EmoSteering(EmoVectors.load(path), {"happy": 4.0})))
    assert not same(steered, convert(again))
