"""An intensity curve followed word by word, on tiny random weights of transformers' own classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from studio.errors import StudioError
from studio.esn.automation import Automation
from studio.esn.intervention import Mode, Steering
from studio.lalm.base import LANGUAGE, SYNTHESIS, Conversion, ConversionRequest, CurveUnit
from studio.lalm.pace import Pace
from studio.lalm.qwen_omni.lalm import QwenOmniLALM
from tests.lalm.qwen_omni import tiny
from tests.lalm.qwen_omni.conftest import WORDS

SOURCE = tiny.recording(0.4, 1)
LATE = WORDS // 2


def a_word_an_id(ids: Sequence[int]) -> str:
    return " ".join(map(str, ids))


@pytest.fixture(autouse=True)
def every_id_is_a_word(model: QwenOmniLALM, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny tokenizer's ids are bytes, which hardly ever end a word."""
    monkeypatch.setattr(model.prompter, "text", a_word_an_id)


def at_word(word: float) -> float:
    return word * SOURCE.seconds / WORDS


def request(curve: Automation | None, strength: float = 1.5, words: int = WORDS) -> ConversionRequest:
    steering = Steering(tiny.everywhere(), Mode.GAIN, {"angry": strength}, automation=curve)
    return ConversionRequest(SOURCE, "angry", steering, text="la " * words)


def same(a: Conversion, b: Conversion) -> bool:
    return a.text == b.text and np.array_equal(a.audio.samples, b.audio.samples)


def test_the_curve_is_followed_from_word_to_word(model: QwenOmniLALM) -> None:
    assert model.info.curves == {LANGUAGE: CurveUnit.WORDS}
    late = Automation(((at_word(LATE - 1), 0.0), (at_word(LATE), 1.0)))
    unheard = Automation(((SOURCE.seconds + 1.0, 0.0), (SOURCE.seconds + 2.0, 1.0)))
    curves = [None, Automation(((0.0, 1.0), (0.1, 1.0))), late, unheard]
    full, level, rising, silent = model.convert([request(curve) for curve in curves])
    baseline = model.convert([ConversionRequest(SOURCE, "angry")])[0]
    assert same(level, full)
    half = request(Automation(((0.0, 0.3), (1.0, 0.3))), words=0)
    assert same(model.convert([half])[0], model.convert([request(None, 1.5 * 0.3)])[0]), "a level curve is a strength"
    assert same(silent, baseline), "a curve that is 0 at every word is the baseline, sample for sample"
    said, plain = rising.text.split(), baseline.text.split()
    # Word LATE is read at full strength, and what follows it is the first to differ.
    assert said[: LATE + 1] == plain[: LATE + 1]
    assert said[LATE + 1 :] != plain[LATE + 1 :]
    assert not same(rising, full)


def test_shares_are_the_curves_where_words_begin() -> None:
    rows = [
        request(Automation(((at_word(1), 0.2), (at_word(3), 1.0)))),
        request(None),
        ConversionRequest(SOURCE, "sad"),
    ]
    pace = Pace(rows, a_word_an_id)
    assert not pace.is_level
    assert pace.listening() == pytest.approx([0.2, 1.0, 1.0])
    shares = [pace.writing([[7] * count, [], []])[0] for count in range(6)]
    assert shares == pytest.approx([0.2, 0.2, 0.2, 0.6, 1.0, 1.0])
    zero = Pace([request(Automation(((0.0, 0.0),)), words=0)], a_word_an_id)
    assert zero.is_level


@pytest.mark.parametrize(
    ("module", "words", "says"), [(LANGUAGE, 0, "type the transcript"), (SYNTHESIS, 4, "language module")]
)
def test_what_a_curve_needs_is_said(model: QwenOmniLALM, module: str, words: int, says: str) -> None:
    steering = Steering(tiny.everywhere(module), Mode.GAIN, {"angry": 1.0}, automation=Automation(((0, 0), (1, 1))))
    with pytest.raises(StudioError, match=says):
        model.convert([ConversionRequest(SOURCE, "sad", steering, text="la " * words)], module=module)
