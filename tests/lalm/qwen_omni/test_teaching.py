"""What vectors are trained by, on tiny random weights of transformers' own classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from studio.audio.clip import Clip
from studio.errors import StudioError
from studio.esn.emosteer import EmoSteering, EmoVectors
from studio.esn.emosteer_hook import EmoSteerLayer, fold
from studio.lalm.base import ConversionRequest
from studio.lalm.kvcache import cache_argument
from studio.lalm.qwen_omni.lalm import QwenOmniLALM
from studio.lalm.qwen_omni.teaching import QwenOmniTeacher, teach
from studio.lalm.steerable import QWEN_TALKER_INPUT, Lesson, OwnSpeech, SelfTaught
from tests.lalm.qwen_omni import tiny
from tests.lalm.qwen_omni.conftest import CODES, WORDS
from tests.lalm.qwen_omni.test_emosteer import replaced
from tests.lalm.qwen_omni.test_lalm import LONG, SHORT, convert, own_generate, same, words

SOURCES = {Path("short.wav"): SHORT, Path("long.wav"): LONG}
SOURCE = Path("long.wav")
STUDENT = tiny.vectors()


def read(path: Path) -> Clip:
    return SOURCES[path]


@pytest.fixture
def teacher(model: QwenOmniLALM) -> QwenOmniTeacher:
    return teach(model, read)


def lesson(teacher: QwenOmniTeacher, ended: bool = True, source: Path = SOURCE, seed: int = 4) -> Lesson:
    """What the model says when it samples, as if a judge had heard anger."""
    made = teacher.model.convert([ConversionRequest(SOURCES[source], "angry", seed=seed)])[0]
    return Lesson(source, "", "angry", spoken=OwnSpeech(made.text, tuple(made.speech_tokens[:, 0].tolist()), ended))


@pytest.fixture
def layer() -> EmoSteerLayer:
    """A layer in training whose matrix for angry is drawn at random."""
    made = EmoSteerLayer(tiny.HIDDEN, ["angry"], STUDENT.eps)
    with torch.no_grad():
        made.weights["angry"].copy_(torch.from_numpy(STUDENT.weights["angry"]))
    return made


def steered_loss(teacher: QwenOmniTeacher, layer: EmoSteerLayer, *lessons: Lesson) -> Tensor:
    with layer.shifting(teacher.site.module, "angry") as calls:
        loss = teacher.loss(lessons, 0)
    assert len(calls) == len(lessons)
    return loss


def forced(whole: Any, model: QwenOmniLALM, clip: Clip, codes: tuple[int, ...], steps: int) -> Tensor:
    """Logits [steps, vocabulary] of transformers' own generate, made to speak ``codes`` whatever it would say."""
    logits: list[Tensor] = []

    def before(talker: torch.nn.Module, args: object, inputs: dict[str, Any]) -> tuple[object, dict[str, Any]]:
        if logits:
            inputs = {**inputs, "input_ids": torch.tensor([[codes[len(logits) - 1]]])}
        new = inputs["input_ids"] if inputs.get("inputs_embeds") is None else inputs["inputs_embeds"]
        cache = inputs[cache_argument(whole.talker)]
        past = 0 if cache is None else cache.get_seq_length()
        return args, {**inputs, "attention_mask": torch.ones(1, past + new.shape[1]).long()}

    handles = [
        whole.talker.register_forward_pre_hook(before, with_kwargs=True),
        whole.talker.register_forward_hook(lambda talker, args, made: logits.append(made.logits[0, -1])),
    ]
    # It ends with a mark that is never picked.
    whole.generate(
        **words(model, clip), speaker="Ethan", thinker_do_sample=False, talker_do_sample=False,
        thinker_max_new_tokens=WORDS, talker_max_new_tokens=steps, talker_eos_token_id=[101], token2wav_num_steps=2,
    )  # fmt: skip
    for handle in handles:
        handle.remove()
    return torch.stack(logits)


@pytest.mark.parametrize("ended", [True, False])
def test_the_loss_is_that_of_the_models_own_talker_with_the_vectors_folded_in(
    whole: Any, model: QwenOmniLALM, teacher: QwenOmniTeacher, layer: EmoSteerLayer, ended: bool
) -> None:
    asked = lesson(teacher, ended)
    assert asked.spoken is not None
    codes = asked.spoken.codes
    assert len(codes) == CODES
    wanted = [*codes, 102] if ended else list(codes)  # 102 ends speech
    with replaced(model, fold(model.parts.talker.thinker_to_talker_proj, EmoSteering(STUDENT, {"angry": 1.0}))):
        theirs = functional.cross_entropy(forced(whole, model, LONG, codes, len(wanted)), torch.tensor(wanted))
    ours = steered_loss(teacher, layer, asked)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    plain = teacher.loss([asked], 0)
    theirs = functional.cross_entropy(forced(whole, model, LONG, codes, len(wanted)), torch.tensor(wanted))
    torch.testing.assert_close(plain, theirs, rtol=1e-4, atol=1e-4)
    assert abs(plain.item() - ours.item()) > 0.01


def test_gradients_reach_the_vectors_and_no_weight(
    model: QwenOmniLALM, teacher: QwenOmniTeacher, layer: EmoSteerLayer
) -> None:
    request = ConversionRequest(SHORT, "angry")
    before = convert(model, request)[0]
    both = [lesson(teacher), lesson(teacher, source=Path("short.wav"))]
    loss = steered_loss(teacher, layer, *both)
    torch.testing.assert_close(loss, torch.stack([steered_loss(teacher, layer, each) for each in both]).mean())
    loss.backward()
    gradient = layer.weights["angry"].grad
    assert gradient is not None
    assert float(gradient.abs().max()) > 0
    parts = model.parts
    weights = [*parts.thinker.parameters(), *parts.talker.parameters(), *parts.audio_tower.parameters()]
    assert all(weight.grad is None for weight in weights)
    assert same(convert(model, request)[0], before)


def test_what_is_learnt_is_said_when_the_model_is_steered_by_it(
    whole: Any, model: QwenOmniLALM, teacher: QwenOmniTeacher, tmp_path: Path
) -> None:
    asked = lesson(teacher, ended=False)
    layer = EmoSteerLayer(tiny.HIDDEN, ["angry"], 0.001)
    optimiser = torch.optim.Adam(layer.parameters(), 10.0)
    losses = []
    for _ in range(60):
        optimiser.zero_grad()
        loss = steered_loss(teacher, layer, asked)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
    learnt = {"angry": layer.weights["angry"].detach().numpy().copy()}
    made = EmoVectors(tiny.HIDDEN, QWEN_TALKER_INPUT, learnt, metadata={"model_id": "tiny"})
    made.save(tmp_path / "v.emosteer.safetensors")
    steering = EmoSteering(EmoVectors.load(tmp_path / "v.emosteer.safetensors"), {"angry": 1.0})
    plain, steered = convert(
        model, ConversionRequest(LONG, "angry"), ConversionRequest(LONG, "angry", emosteer=steering)
    )
    assert asked.spoken is not None
    said = np.array(asked.spoken.codes)
    assert steered.text == plain.text == asked.spoken.words
    before, after = ((made.speech_tokens[:, 0] == said).mean() for made in (plain, steered))
    assert after > max(0.5, before)
    with replaced(model, fold(model.parts.talker.thinker_to_talker_proj, steering)):
        _, codes = own_generate(whole, model, LONG)
    assert steered.speech_tokens[:, 0].tolist() == codes


def test_lessons_that_cannot_be_learned_are_refused(teacher: QwenOmniTeacher) -> None:
    assert isinstance(teacher, SelfTaught)
    assert (teacher.site.name, teacher.site.width, teacher.at_once) == (QWEN_TALKER_INPUT, tiny.HIDDEN, 1)
    known = teacher.words(SOURCE, "angry")
    assert known == teacher.model.convert([ConversionRequest(LONG, "angry")])[0].text
    other = Lesson(SOURCE, "", "angry", spoken=OwnSpeech(known + " indeed", (1, 2), True))
    with pytest.raises(StudioError, match=r"says other words for 'long\.wav' in angry"):
        teacher.loss([other], 0)
    with pytest.raises(StudioError, match=r"has not said 'long\.wav' in angry"):
        teacher.loss([Lesson(SOURCE, "", "angry")], 0)
