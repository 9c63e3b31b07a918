"""The model as a listener for the five-way choice judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from studio.errors import StudioError
from studio.judges import choice
from studio.lalm.base import ConversionRequest
from studio.lalm.qwen_omni import answering
from studio.lalm.qwen_omni.answering import Listener
from studio.lalm.qwen_omni.lalm import QwenOmniLALM
from tests.lalm.qwen_omni import tiny

CLIP = tiny.recording(0.4)


def test_the_answer_is_what_transformers_own_thinker_writes(
    whole: Any, model: QwenOmniLALM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "MAX_TOKENS", 5)
    written = model.prompter.prompt(CLIP, choice.QUESTION)
    ids = written.ids.unsqueeze(0)
    made = whole.thinker.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        input_features=written.features.unsqueeze(0),
        feature_attention_mask=torch.ones(1, written.features.shape[1], dtype=torch.long),
        max_new_tokens=5,
        do_sample=False,
    )
    said = Listener(model).answer(CLIP, choice.QUESTION)
    assert said == model.prompter.text(made[0, ids.shape[1] :].tolist())
    assert model.convert([ConversionRequest(CLIP, "sad")])[0].text  # and it converts as before


def test_the_judge_takes_its_choice_and_refuses_what_is_none(
    model: QwenOmniLALM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "MAX_TOKENS", 3)
    judge = choice.ChoiceJudge(Listener(model))
    assert judge.name == "choice-tiny"
    monkeypatch.setattr(model.prompter, "text", lambda ids: "C. angry")
    assert judge.judge(CLIP)["angry"] == 1.0
    monkeypatch.setattr(model.prompter, "text", lambda ids: "")
    with pytest.raises(StudioError, match="tiny gave no answer"):
        judge.judge(CLIP)
    with pytest.raises(StudioError, match=r"31\.0 s long"):
        judge.judge(tiny.recording(31))


def test_the_judges_name_loads_the_checkpoint_that_is_named(
    whole: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.save(whole, tmp_path / "tiny-omni")
    monkeypatch.setenv(answering.CHECKPOINT_VARIABLE, str(tmp_path / "tiny-omni"))
    monkeypatch.setattr(answering, "MAX_TOKENS", 3)
    judge = choice.load("studio.lalm.qwen_omni.answering:listener")
    asked = judge._model
    assert isinstance(asked, Listener)
    try:
        assert judge.name == "choice-tiny-omni"
        with pytest.raises(StudioError, match=r"no clear choice|no answer"):
            judge.judge(CLIP)
    finally:
        asked.close()
