"""Static cache and compiled steps give what the plain ones give, and a slider edit compiles nothing anew.

The graphs are captured but run by torch itself (backend "eager"): what is tested is what is captured.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch._dynamo.testing import CompileCounter

from studio.esn.emosteer import EmoSteering
from studio.esn.intervention import Mode, Steering, TokenScope
from studio.lalm.base import LANGUAGE, SYNTHESIS, ConversionRequest
from studio.lalm.qwen_omni.lalm import QwenOmniLALM
from studio.lalm.qwen_omni.loading import _transformers
from studio.lalm.qwen_omni.stack import Stack
from tests.lalm.qwen_omni import tiny

pytestmark = pytest.mark.skipif(_transformers() < (5, 0), reason="compiled decoding needs transformers 5")

SHORT, LONG = tiny.recording(0.4, 1), tiny.recording(0.7, 2)


@pytest.fixture
def counter(model: QwenOmniLALM, monkeypatch: pytest.MonkeyPatch) -> Iterator[CompileCounter]:
    """The model with compiled stacks, and the number of graphs that were compiled."""
    torch._dynamo.reset()
    counting = CompileCounter()
    for module, layers in ((LANGUAGE, model.parts.thinker), (SYNTHESIS, model.parts.speech)):
        monkeypatch.setitem(model.stacks, module, Stack(layers, compiled=True, backend=counting))
    yield counting
    torch._dynamo.reset()


def steered(strength: float, mode: Mode = Mode.GAIN) -> Steering:
    return Steering(tiny.everywhere(), mode, {"angry": strength})


def test_compiled_decoding_gives_the_plain_tokens_and_counts(
    model: QwenOmniLALM, counter: CompileCounter, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned = EmoSteering(tiny.vectors(), {"angry": 1.0})
    requests = [
        ConversionRequest(SHORT, "angry", steered(1.0)), ConversionRequest(LONG, "angry"),
        ConversionRequest(SHORT, "angry", steered(0.5), emosteer=learned),
    ]  # fmt: skip
    compiled = model.convert(requests, record=True)
    assert counter.frame_count >= 2  # thinker and talker
    for module, layers in ((LANGUAGE, model.parts.thinker), (SYNTHESIS, model.parts.speech)):
        monkeypatch.setitem(model.stacks, module, Stack(layers))
    for fast, plain in zip(compiled, model.convert(requests, record=True), strict=True):
        assert fast.text == plain.text
        assert np.array_equal(fast.speech_tokens, plain.speech_tokens)
        assert fast.statistics is not None
        assert plain.statistics is not None
        assert fast.statistics.tokens == plain.statistics.tokens
        assert (fast.statistics.active - plain.statistics.active).abs().max() <= 1


def test_moving_a_slider_compiles_nothing_anew(model: QwenOmniLALM, counter: CompileCounter) -> None:
    first = model.convert([ConversionRequest(SHORT, "angry", steered(1.0))])[0]
    graphs = counter.frame_count
    made = [
        model.convert([ConversionRequest(SHORT, target, steered(strength, mode))])[0]
        for target, strength, mode in (("angry", 2.0, Mode.GAIN), ("sad", 0.4, Mode.ADD), ("angry", 1.0, Mode.GAIN))
    ]
    assert counter.frame_count == graphs
    assert made[2].text == first.text
    assert made[0].text != first.text


def test_switching_steering_on_and_off_compiles_nothing_anew(model: QwenOmniLALM, counter: CompileCounter) -> None:
    """Gains are read from tensors, ones when nothing steers: what was compiled then is steered later."""
    plain = model.convert([ConversionRequest(SHORT, "angry")])[0]
    graphs = counter.frame_count
    generated = Steering(tiny.everywhere(), Mode.GAIN, {"angry": 1.5}, scope=TokenScope.GENERATED)
    made = [
        model.convert([ConversionRequest(SHORT, "angry", each)])[0] for each in (steered(1.0), generated, steered(0.0))
    ]
    assert counter.frame_count == graphs
    assert len({plain.text, made[0].text, made[1].text}) == 3
    assert made[2].text == plain.text
    assert np.array_equal(made[2].audio.samples, plain.audio.samples)
