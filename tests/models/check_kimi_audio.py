"""Run by hand: the adapter of Kimi-Audio on the model's own code, built tiny with random weights, without CUDA.

    PYTHONPATH=. ENVIRONMENT/bin/python tests/models/check_kimi_audio.py --code FOLDER --kimia REPOSITORY

FOLDER holds modeling_moonshot_kimia.py and configuration_moonshot_kimia.py, as in the hub's
moonshotai/Kimi-Audio-7B-Instruct; REPOSITORY is github.com/MoonshotAI/Kimi-Audio. It runs that code. What stands in for
flash-attn, CUDA, the tokenizers and the detokenizer is printed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
import transformers.utils
from transformers.dynamic_module_utils import get_class_from_dynamic_module
from transformers.models.qwen2 import modeling_qwen2

from studio.errors import Cancelled
from studio.lalm import kimi_audio, remote_code
from studio.lalm.base import LANGUAGE, SYNTHESIS, ConversionRequest
from studio.lalm.passes import Passes
from tests.models.reporting import SOURCE, Report, check_curve, check_model, small_random, steering

OFFSET, VOCABULARY, SPECIAL = 200, 300, 100
LAYERS, FORK, BRANCH = 5, 2, 2
PASSES = 16

NAMES = (
    *("<|im_msg_end|>", "<|im_user_msg_start|>", "<|im_assistant_msg_start|>", "<|im_media_begin|>"),
    *("<|im_media_end|>", "<|im_kimia_text_blank|>", "<|im_kimia_text_eos|>", "<|im_kimia_user_msg_start|>"),
    *("<|im_kimia_assistant_msg_start|>", "<|im_kimia_speech_ct_id|>", "<|im_kimia_speech_ctd_id|>"),
)


class Words:
    """Stands in for the text tokenizer."""

    special_tokens = {name: SPECIAL + index for index, name in enumerate(NAMES)}  # noqa: RUF012
    pad_id = 0

    def encode(self, text: str, **_: Any) -> list[int]:
        """A token per letter."""
        return [1 + ord(letter) % 90 for letter in text]

    def decode(self, ids: list[int]) -> str:
        """The ids as they are."""
        return " ".join(map(str, ids))


class Heard:
    """Stands in for the speech tokenizer and the Whisper encoder."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def tokenize(self, audio_path: str) -> torch.Tensor:
        """Speech tokens int64 [1, T], by loudness."""
        import soundfile

        sound, _ = soundfile.read(audio_path)
        return torch.from_numpy(np.abs(sound[:12_000]).reshape(12, 1000).max(1) * 50).long()[None]

    def tokenize_waveform(self, sound: torch.Tensor) -> torch.Tensor:
        """Features [1, 48, 4], four frames to a token."""
        return sound[:, :12_000].reshape(1, 48, 250)[:, :, :4].to(self.dtype)


class Sound:
    """Stands in for the detokenizer: a tone per token, with noise drawn as the flow does; 1920 samples a token."""

    def clear_states(self) -> None:
        """Nothing is kept."""

    def detokenize_streaming(self, tokens: torch.Tensor, **_: Any) -> torch.Tensor:
        """Speech tokens [1, T] to [1, samples]."""
        phase = torch.cumsum((100 + 5 * tokens.float()).repeat_interleave(1920, 1) / 24_000, 1)
        return 0.2 * torch.sin(2 * torch.pi * phase) + 0.01 * torch.randn(phase.shape)


def flash_attn_func(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, dropout: float = 0.0, *, softmax_scale: Any, causal: bool
) -> torch.Tensor:
    """What flash-attn computes, by torch: [batch, tokens, heads, width], causal from the end."""
    groups = q.shape[2] // k.shape[2]
    q, k, v = (x.transpose(1, 2) for x in (q, k.repeat_interleave(groups, 2), v.repeat_interleave(groups, 2)))
    mask = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).tril(k.shape[2] - q.shape[2])
    attend = torch.nn.functional.scaled_dot_product_attention
    return attend(q, k, v, attn_mask=mask, scale=softmax_scale).transpose(1, 2)


def stand_in() -> None:
    """Put in what the code imports and a machine without CUDA has not."""
    assert modeling_qwen2  # imported before flash-attn seems to be there
    flash, padding = ModuleType("flash_attn"), ModuleType("flash_attn.bert_padding")
    vars(flash).update(flash_attn_func=flash_attn_func, flash_attn_varlen_func=None, bert_padding=padding, __path__=[])
    vars(padding).update(index_first_axis=None, pad_input=None, unpad_input=None)
    detokenizer, speech, whisper = (ModuleType(name) for name in ("detokenizer", "speech", "whisper"))
    vars(detokenizer).update(get_audio_detokenizer=None)
    vars(speech).update(Glm4Tokenizer=None)
    vars(whisper).update(WhisperEncoder=None)
    sys.modules |= {
        "flash_attn": flash,
        "flash_attn.bert_padding": padding,
        "kimia_infer.models.detokenizer": detokenizer,
        "kimia_infer.models.tokenizer.glm4_tokenizer": speech,
        "kimia_infer.models.tokenizer.whisper_Lv3.whisper": whisper,
    }
    vars(transformers.utils)["is_flash_attn_2_available"] = lambda: True
    torch.cuda.current_device = lambda: "cpu"  # type: ignore[assignment,return-value]


def build(code: Path, dtype: torch.dtype) -> Any:
    """KimiAudio around a tiny model; what its __init__ loads from the hub is put in by hand."""
    from kimia_infer.api.kimia import KimiAudio  # type: ignore[import-not-found]
    from kimia_infer.api.prompt_manager import KimiAPromptManager  # type: ignore[import-not-found]
    from kimia_infer.utils.special_tokens import instantiate_extra_tokens  # type: ignore[import-not-found]

    model_class: Any = get_class_from_dynamic_module("modeling_moonshot_kimia.MoonshotKimiaForCausalLM", str(code))
    words = Words()
    config = model_class.config_class(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        kimia_mimo_layers=BRANCH,
        kimia_mimo_transformer_from_layer_index=FORK,
        kimia_token_offset=OFFSET,
        kimia_adaptor_input_dim=16,
        kimia_media_begin=words.special_tokens["<|im_media_begin|>"],
        kimia_media_end=words.special_tokens["<|im_media_end|>"],
        pad_token_id=0,
    )
    config.torch_dtype = dtype
    kimi, prompts = KimiAudio.__new__(KimiAudio), KimiAPromptManager.__new__(KimiAPromptManager)
    prompts.audio_tokenizer = prompts.whisper_model = Heard(dtype)
    prompts.text_tokenizer, prompts.kimia_token_offset = words, OFFSET
    prompts.extra_tokens = kimi.extra_tokens = instantiate_extra_tokens(words)
    kimi.alm = model_class(config).eval()
    small_random(kimi.alm)
    kimi.alm.to(dtype)
    kimi.prompt_manager, kimi.detokenizer, kimi.kimia_token_offset = prompts, Sound(), OFFSET
    kimi.kimia_text_audiodelaytokens = 6
    kimi.eod_ids = [kimi.extra_tokens.msg_end, kimi.extra_tokens.media_end]
    return kimi


def end_speech(kimi: Any, passes: Passes) -> None:
    """Random weights never end speech: no special token is chosen before the pass that has to be the last."""

    def force(module: torch.nn.Module, args: Any, logits: torch.Tensor) -> torch.Tensor:
        logits = logits.clone()
        logits[..., :OFFSET] = -1e4
        if passes.count >= PASSES:
            logits[..., kimi.extra_tokens.media_end] = 1e4
        return logits

    kimi.alm.mimo_output.register_forward_hook(force)


def check_fork(report: Report, lalm: Any) -> None:
    """Layers after the fork reach the voice through the text that is fed back, and through nothing else."""
    late = steering(lalm, LANGUAGE, 6.0)
    late = type(late)(late.mask, late.mode, late.strengths, (FORK + 1, LAYERS - 1))
    plain, steered = lalm.convert([ConversionRequest(SOURCE, "happy"), ConversionRequest(SOURCE, "happy", late)])
    report.check("layers after the fork change the text", plain.text != steered.text)
    report.check("the heatmap's labels: " + str(lalm.info.layer_labels[LANGUAGE]), lalm.info.layer_labels)


def check_sound(report: Report, lalm: Any, kimi: Any) -> None:
    """Cancelling reaches the chunks that sound is made in, when all passes are done."""
    asked = 0

    def last() -> bool:
        nonlocal asked
        asked += 1
        return asked > PASSES

    try:
        lalm.convert([ConversionRequest(SOURCE, "happy")], cancelled=last)
        report.check("cancelling ends the making of sound", False)
    except Cancelled:
        report.check("cancelling ends the making of sound, before its first chunk", asked == PASSES + 1)
    report.check("and leaves the detokenizer as it was", not vars(kimi.detokenizer))


def main() -> None:
    """Print what ran and how it ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--code", type=Path, required=True)
    parser.add_argument("--kimia", type=Path, required=True)
    parser.add_argument("--bf16", action="store_true", help="as the real one is loaded; fp32 without")
    asked = parser.parse_args()
    dtype = torch.bfloat16 if asked.bf16 else torch.float32
    sys.path.insert(0, str(asked.kimia))
    report = Report("torch", "transformers", "librosa", "numpy")
    stand_in()
    kimi = build(asked.code, dtype)
    lalm = kimi_audio.wrap(kimi, remote_code.revision(asked.code, remote_code.code_digest(asked.code)))
    print(f"{type(kimi.alm).__module__}.{type(kimi.alm).__qualname__} in {dtype}, revision {lalm.info.revision}")
    print(lalm.info.gates)
    passes = lalm._guest.sites[LANGUAGE].passes
    end_speech(kimi, passes)
    for module in (LANGUAGE, SYNTHESIS):
        check_model(report, lalm, module, passes)
        check_curve(report, lalm, module, 1 / kimi_audio.TOKENS_PER_SECOND)
    check_fork(report, lalm)
    check_sound(report, lalm, kimi)
    lalm.close()
    report.check("closing leaves no hook behind", not any(m._forward_hooks for m in kimi.alm.model.modules()))
    print("stood in: attention by torch for flash-attn, the CPU for CUDA, the tokenizers, the Whisper encoder, and the")
    print("detokenizer; the end of the speech was forced")
    report.did_not_run("real weights", "flash-attn, CUDA", "the tokenizers, the Whisper encoder, the detokenizer")
    report.leave()


if __name__ == "__main__":
    main()
