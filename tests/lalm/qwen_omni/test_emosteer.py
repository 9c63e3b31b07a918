"""Learned vectors at the talker's input, inside of ``convert``, on tiny random weights of transformers' own classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from studio.errors import Cancelled, StudioError
from studio.esn.automation import Automation
from studio.esn.emosteer import EmoSteering
from studio.esn.emosteer_hook import fold
from studio.esn.errors import EmoSteerError
from studio.esn.intervention import Mode, Steering
from studio.lalm.base import LANGUAGE, SYNTHESIS, ConversionRequest
from studio.lalm.qwen_omni.lalm import QwenOmniLALM
from studio.lalm.qwen_omni.picking import Picker
from studio.lalm.qwen_omni.talking import _forbidden
from studio.lalm.steerable import QWEN_TALKER_INPUT
from tests.lalm.qwen_omni import tiny
from tests.lalm.qwen_omni.conftest import CODES, WORDS
from tests.lalm.qwen_omni.test_lalm import LONG, SHORT, convert, own_generate, same

VECTORS = tiny.vectors()


def learned(alpha: float = 1.0, emotion: str = "angry", **more: Any) -> EmoSteering:
    return EmoSteering(VECTORS, {emotion: alpha}, **more)


@contextmanager
def replaced(model: QwenOmniLALM, projection: torch.nn.Module) -> Iterator[None]:
    """The talker with another projection of its input. (pytest's monkeypatch does not put modules of modules back.)"""
    talker = model.parts.talker
    own = talker.thinker_to_talker_proj
    talker.thinker_to_talker_proj = projection
    try:
        yield
    finally:
        talker.thinker_to_talker_proj = own


def test_it_says_where_vectors_act(model: QwenOmniLALM) -> None:
    assert model.info.emosteer_sites == {QWEN_TALKER_INPUT: tiny.HIDDEN}
    VECTORS.check_fits("tiny", model.info.emosteer_sites)


def test_alpha_0_is_the_baseline_bit_for_bit(model: QwenOmniLALM) -> None:
    plain = convert(model, ConversionRequest(SHORT, "angry"))[0]
    for alphas in ({}, {"angry": 0.0}, {"angry": 0.0, "happy": 0.0}):
        made = convert(model, ConversionRequest(SHORT, "angry", emosteer=EmoSteering(VECTORS, alphas)))[0]
        assert same(made, plain), alphas


def test_rows_are_steered_apart_and_words_stay(model: QwenOmniLALM) -> None:
    """Beside a longer row that is steered, so that prompts are padded, and one that samples."""
    requests = [
        ConversionRequest(SHORT, "angry"),
        ConversionRequest(SHORT, "angry", emosteer=learned(0.0)),
        ConversionRequest(SHORT, "angry", emosteer=learned()),
        ConversionRequest(LONG, "sad", emosteer=EmoSteering(VECTORS, {"angry": 0.5, "happy": 2.0}), seed=3),
    ]
    together = convert(model, *requests)
    for request, made in zip(requests, together, strict=True):
        assert same(made, convert(model, request)[0])
    plain, nothing, steered, _ = together
    assert same(plain, nothing)
    assert steered.text == plain.text
    assert not np.array_equal(steered.speech_tokens, plain.speech_tokens)
    others = [*requests[:2], ConversionRequest(SHORT, "angry", emosteer=learned(3.0)), requests[3]]
    assert all(same(convert(model, *others)[row], together[row]) for row in (0, 1, 3))


def test_it_is_the_models_own_generate_with_the_vectors_folded_in(whole: Any, model: QwenOmniLALM) -> None:
    made = convert(model, ConversionRequest(LONG, "angry", emosteer=learned()))[0]
    with replaced(model, fold(model.parts.talker.thinker_to_talker_proj, learned())):
        ids, codes = own_generate(whole, model, LONG)
    assert made.text == model.prompter.text(ids)
    assert made.speech_tokens[:, 0].tolist() == codes


def test_without_a_cache_the_codec_ids_are_the_same(model: QwenOmniLALM) -> None:
    talker = model.parts.talker
    given: list[Tensor] = []
    handle = talker.thinker_to_talker_proj.register_forward_pre_hook(
        lambda _, args: given.append(args[0].reshape(-1, tiny.HIDDEN)), prepend=True
    )
    try:
        made = convert(model, ConversionRequest(SHORT, "angry", emosteer=learned()))[0]
    finally:
        handle.remove()
    assert len(given) == CODES
    with torch.inference_mode():
        model._emosteer.begin([learned()])
        inputs = talker.thinker_to_talker_proj(torch.cat(given).unsqueeze(0))
        model._emosteer.end(1)
        states = model.parts.speech(inputs_embeds=inputs, use_cache=False).last_hidden_state[0]
        stops = {int(talker.codec_pad_token), int(talker.codec_eos_token)}
        opening = [int(talker.codec_mask_token), int(talker.codec_pad_token), int(talker.codec_bos_token)]
        picker = Picker([None], opening, _forbidden(model.parts, stops))
        picked = [picker.pick(model.parts.codec_head(state.unsqueeze(0)))[0] for state in states[-CODES:]]
    assert picked == made.speech_tokens[:, 0].tolist()


@pytest.mark.parametrize("module", [LANGUAGE, SYNTHESIS])
def test_neurons_and_vectors_act_together(model: QwenOmniLALM, module: str) -> None:
    neurons = Steering(tiny.everywhere(module), Mode.GAIN, {"angry": 1.0})
    requests = [
        ConversionRequest(SHORT, "angry", neurons, emosteer=learned()),
        ConversionRequest(SHORT, "angry", neurons),
        ConversionRequest(SHORT, "angry", emosteer=learned()),
    ]
    both, masked, shifted = convert(model, *requests, module=module, record=True)
    assert both.text == masked.text
    tokens = [each.speech_tokens.tolist() for each in (both, masked, shifted)]
    assert all(tokens.count(each) == 1 for each in tokens)
    assert both.statistics is not None


@pytest.mark.parametrize("asked", [WORDS + 3, WORDS + CODES + 1])
def test_after_a_cancel_the_next_render_is_whole(model: QwenOmniLALM, asked: int) -> None:
    request = ConversionRequest(SHORT, "angry", emosteer=learned())
    before = convert(model, request)[0]
    count = 0

    def cancelled() -> bool:
        nonlocal count
        count += 1
        return count > asked

    with pytest.raises(Cancelled):
        convert(model, request, cancelled=cancelled)
    assert count == asked + 1
    plain = convert(model, ConversionRequest(SHORT, "angry"))[0]
    assert not np.array_equal(plain.speech_tokens, before.speech_tokens)
    assert same(convert(model, request)[0], before)


def test_a_projection_that_is_bypassed_is_noticed(model: QwenOmniLALM) -> None:
    other = fold(model.parts.talker.thinker_to_talker_proj, learned(0.0))
    with replaced(model, other), pytest.raises(EmoSteerError, match=f"called 0 times and not {CODES} times"):
        convert(model, ConversionRequest(SHORT, "angry", emosteer=learned()))


CURVE = Automation(((0.0, 0.0), (1.0, 1.0)))


@pytest.mark.parametrize(
    ("steering", "error", "says"),
    [
        (lambda: learned(automation=CURVE), StudioError, "cannot follow an intensity curve"),
        (lambda: EmoSteering(tiny.vectors(model_id="other"), {"angry": 1.0}), EmoSteerError, "trained on other"),
        (lambda: EmoSteering(tiny.vectors(dim=8), {"angry": 0.0}), EmoSteerError, r"\(8 wide\), but tiny offers"),
    ],
)
def test_vectors_that_cannot_be_used_are_refused(
    model: QwenOmniLALM, steering: Callable[[], EmoSteering], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        convert(model, ConversionRequest(SHORT, "angry", emosteer=steering()))


def test_a_closed_model_has_no_hook_on_its_talker() -> None:
    made = tiny.lalm(tiny.whole_model())
    projection = made.parts.talker.thinker_to_talker_proj
    assert projection._forward_pre_hooks
    made.close()
    assert not projection._forward_pre_hooks
