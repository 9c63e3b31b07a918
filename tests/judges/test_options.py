"""Option-letter judges on the real classes at tiny size with random weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen3OmniMoeThinkerConfig,
    Qwen3OmniMoeThinkerForConditionalGeneration,
)
from transformers.models.qwen3_omni_moe import modeling_qwen3_omni_moe

from studio.emotions import EMOTIONS
from studio.errors import StudioError
from studio.judges.catalog import judges, load_judge
from studio.judges.options import OptionJudge, Recognising
from studio.lalm.catalog import find_model
from studio.lalm.flamingo import FlamingoRecogniser
from studio.lalm.reading import read
from studio.lalm.recognition import RecognitionRequest
from studio.lalm.thinkers import Thinker, load_qwen2, load_qwen3, qwen2_thinker, qwen3_positions, qwen3_thinker
from tests.lalm.flamingo import tiny
from tests.lalm.qwen_omni import tiny as tiny_qwen

CLIPS = [tiny.clip(130.0, 0.7), tiny.clip(240.0, 1.6)]


def qwen2() -> Thinker:
    torch.manual_seed(0)
    config: Any = tiny_qwen.config().thinker_config
    model = Qwen2_5OmniThinkerForConditionalGeneration(config)
    return qwen2_thinker(model, tiny_qwen.tokenizer(), tiny_qwen.extractor(), "Qwen/Qwen2.5-Omni-7B")


def qwen3_model():
    torch.manual_seed(0)
    marks: Any = tiny_qwen.tokenizer()
    kind: Any = Qwen3OmniMoeThinkerConfig
    config = kind(
        text_config={
            "vocab_size": 400, "hidden_size": 64, "intermediate_size": 64, "moe_intermediate_size": 32,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
            "num_experts": 4, "num_experts_per_tok": 2, "max_position_embeddings": 1024, "initializer_range": 0.2,
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3], "mrope_interleaved": True,
            },
        },
        audio_config={
            "num_mel_bins": 128, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 32,
            "d_model": 32, "output_dim": 64, "downsample_hidden_size": 16, "max_source_positions": 1500,
            "n_window": 50, "n_window_infer": 100, "conv_chunksize": 100,
        },
        vision_config={
            "depth": 1, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 64,
            "deepstack_visual_indexes": [0],
        },
        audio_token_id=marks.convert_tokens_to_ids("<|AUDIO|>"), image_token_id=311, video_token_id=312,
        audio_start_token_id=313, vision_start_token_id=316, user_token_id=315,
    )  # fmt: skip
    return Qwen3OmniMoeThinkerForConditionalGeneration(config).eval()


def qwen3() -> Thinker:
    return qwen3_thinker(qwen3_model(), tiny_qwen.tokenizer(), tiny_qwen.extractor())


@pytest.mark.parametrize("make", [qwen2, qwen3])
def test_a_thinker_judges_by_the_shares_of_its_letters(make):
    thinker = make()
    judge = OptionJudge(thinker)
    assert judge.name in ("options-qwen2.5-omni-7b", "options-qwen3-omni-30b-a3b-instruct")
    heard = [judge.judge(clip) for clip in CLIPS]
    for shares in heard:
        assert list(shares) == list(EMOTIONS)
        assert sum(shares.values()) == pytest.approx(1.0)
    assert heard[0] != heard[1]  # the recording reaches the answer
    assert judge.judge(CLIPS[0], CLIPS[1]) == heard[0]
    with pytest.raises(StudioError, match=r"'long' is 31\.00 s long"):
        judge.judge(tiny.clip(100.0, 31.0, "long"))


def test_positions_of_a_recording_are_those_of_the_model():
    theirs = modeling_qwen3_omni_moe._get_feat_extract_output_lengths
    for frames in (10, 50, 99, 100, 101, 160, 200, 257, 3000):
        assert qwen3_positions(frames) == int(theirs(torch.tensor(frames)))


def test_a_thinker_loads_from_a_folder_or_says_why_not(tmp_path):
    model = qwen3_model()
    model.save_pretrained(tmp_path / "qwen3")
    tiny_qwen.tokenizer().save_pretrained(tmp_path / "qwen3")
    tiny_qwen.extractor().save_pretrained(tmp_path / "qwen3")
    loaded = load_qwen3(tmp_path / "qwen3", device="cpu")
    expected = qwen3_thinker(model, tiny_qwen.tokenizer(), tiny_qwen.extractor()).options(CLIPS[0])
    assert loaded.options(CLIPS[0]) == pytest.approx(expected, abs=1e-6)
    torn = tmp_path / "qwen3" / "model.safetensors"
    torn.write_bytes(torn.read_bytes()[:1000])
    for folder in (tmp_path, tmp_path / "qwen3"):
        with pytest.raises(StudioError, match="The judge cannot be loaded from"):
            load_qwen3(folder, device="cpu")


def test_the_thinker_is_read_out_of_a_whole_checkpoint(tmp_path):
    whole = tiny_qwen.whole_model()
    tiny_qwen.save(whole, tmp_path)
    loaded = load_qwen2(tmp_path, device="cpu")
    expected = qwen2_thinker(whole.thinker, tiny_qwen.tokenizer(), tiny_qwen.extractor()).options(CLIPS[0])
    assert loaded.options(CLIPS[0]) == pytest.approx(expected, abs=1e-6)


def test_a_judge_is_the_model_that_was_downloaded_and_never_downloads_by_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    fetch = {
        "qwen2.5-omni": "esn-studio models download qwen2.5-omni-7b",
        "qwen3-omni": "esn-studio models download qwen3-omni",
    }
    for name, line in fetch.items():
        with pytest.raises(StudioError, match=f"The judge '{name}' cannot be loaded. .* with: {line}$"):
            load_judge(name)
    whole = tiny_qwen.whole_model()
    tiny_qwen.save(whole, find_model("qwen2.5-omni-7b").weights)
    third = tmp_path / "models--Qwen--Qwen3-Omni-30B-A3B-Instruct"
    (third / "refs").mkdir(parents=True)
    (third / "refs" / "main").write_text("0a1b")
    for part in (qwen3_model(), tiny_qwen.tokenizer(), tiny_qwen.extractor()):
        part.save_pretrained(third / "snapshots" / "0a1b")
    assert {each.name: each.problem for each in judges()}["qwen2.5-omni"] is None
    judge = load_judge("qwen2.5-omni")
    assert judge.name == "options-qwen2.5-omni-7b"
    expected = qwen2_thinker(whole.thinker, tiny_qwen.tokenizer(), tiny_qwen.extractor()).options(CLIPS[0])
    assert judge.judge(CLIPS[0]) == pytest.approx(expected, abs=1e-6)
    assert load_judge("qwen3-omni").name == "options-qwen3-omni-30b-a3b-instruct"


def test_a_model_that_is_larger_than_the_device_is_one_sentence():
    class Large(torch.nn.Linear):
        @classmethod
        def from_pretrained(cls, where, **options):
            return cls(1024, 1024, bias=False), {"missing_keys": set()}

        def to(self, *place: Any, **options: Any) -> Any:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    with pytest.raises(StudioError, match=r"^The judge needs 0\.0 GiB for its weights alone, which cpu does not have"):
        read(Large, "somewhere", "The judge", "cpu")


def test_a_recogniser_is_a_judge_too():
    processor = tiny.processor()
    recogniser = FlamingoRecogniser(tiny.model(processor), processor)
    judge = OptionJudge(Recognising(recogniser))
    assert judge.name == "options-audio-flamingo-3-hf"
    [expected] = recogniser.recognise([RecognitionRequest(CLIPS[1])])
    assert judge.judge(CLIPS[1]) == expected.probabilities
    recogniser.close()
