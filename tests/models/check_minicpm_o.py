"""Run by hand: the adapter of MiniCPM-o 4.5 on the model's own code, built tiny with random weights.

    PYTHONPATH=. ENVIRONMENT/bin/python tests/models/check_minicpm_o.py --code FOLDER

FOLDER holds the checkpoint's code and tokenizer files (github.com/OpenBMB/MiniCPM-o-Demo, folder MiniCPMO45, or the
hub's openbmb/MiniCPM-o-4_5). The environment is the one docs/minicpm-kimi.md describes. It runs that code.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import soundfile
import torch
from transformers import AutoConfig, AutoModel, AutoTokenizer

from studio.errors import StudioError
from studio.lalm import minicpm_o, remote_code
from studio.lalm.base import LANGUAGE, SYNTHESIS, ConversionRequest
from tests.models.reporting import (
    SOURCE,
    WORDS,
    Report,
    check_curve,
    check_level,
    check_model,
    follow,
    same,
    small_random,
    steering,
)

TEXT_TOKENS, SPEECH_TOKENS = 12, 80

TINY: dict[str, Any] = {
    "model_type": "minicpmo",
    "auto_map": {
        "AutoConfig": "configuration_minicpmo.MiniCPMOConfig",
        "AutoModel": "modeling_minicpmo.MiniCPMO",
    },
    "version": "4.5",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "init_vision": False,
    "vision_config": {"hidden_size": 32, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2},
    "audio_config": {
        "d_model": 32,
        "encoder_layers": 2,
        "encoder_attention_heads": 2,
        "encoder_ffn_dim": 128,
        "decoder_layers": 1,
        "decoder_attention_heads": 2,
        "decoder_ffn_dim": 32,
    },
    "tts_config": {
        "llm_dim": 64,
        "hidden_size": 48,
        "intermediate_size": 80,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "num_hidden_layers": 2,
        "num_audio_tokens": 101,
        "audio_bos_token_id": 7,
        "text_eos_token_id": 8,
        "top_p": 0.85,
        "top_k": 25,
        "repetition_penalty": 1.05,
        "condition_type": "hidden_text_merge",
        "audio_tokenizer_type": "s3tokenizer",
        "s3_stream_generate": False,
        "normalize_projected_hidden": True,
    },
}


class StandInVocoder:
    """A tone per token: CosyVoice2's and Token2wav's weights are not public code. 960 samples a token, 24 kHz."""

    sample_rate = 24_000
    broken = False

    def token2wav(self, *, speech_token: torch.Tensor, **_: Any) -> Any:
        """Speech tokens [1, T] to {"tts_speech": [1, samples]}, with noise drawn as the flow does."""
        if self.broken:
            raise RuntimeError("the flow went wrong")
        tokens = speech_token.reshape(-1).float()
        phase = torch.cumsum((100 + 5 * tokens).repeat_interleave(960) / 24_000, 0)
        yield {"tts_speech": (0.2 * torch.sin(2 * torch.pi * phase) + 0.01 * torch.randn(len(phase)))[None]}


def build(code: Path, folder: Path, dtype: torch.dtype) -> Any:
    """The tiny model, saved and loaded from ``folder`` like a checkpoint."""
    # Named by the code for another make of accelerator; transformers looks for it before it runs a line.
    sys.modules["flag_gems"] = ModuleType("flag_gems")
    for path in code.iterdir():
        if path.is_file() and path.suffix in {".py", ".json", ".txt"} and path.name != "config.json":
            shutil.copy(path, folder)
    tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=True)
    tiny = TINY | {"vocab_size": len(tokenizer)}
    tiny["tts_config"] = TINY["tts_config"] | {"num_text_tokens": len(tokenizer)}
    (folder / "config.json").write_text(json.dumps(tiny))
    config = AutoConfig.from_pretrained(str(folder), trust_remote_code=True)
    model = AutoModel.from_config(config, trust_remote_code=True, attn_implementation="sdpa").eval()
    small_random(model)
    model.to(dtype)
    config._name_or_path = model.config._name_or_path = str(folder)
    model.tts.audio_tokenizer = StandInVocoder()
    return model


def end_text(model: Any, passes: Any) -> None:
    """Random weights never end a text: the last two tokens are forced to be its end."""
    words = AutoTokenizer.from_pretrained(model.config._name_or_path, trust_remote_code=True)
    ends = {
        TEXT_TOKENS - 2: words.convert_tokens_to_ids("<|tts_eos|>"),
        TEXT_TOKENS - 1: words.convert_tokens_to_ids("<|im_end|>"),
    }

    def force(module: torch.nn.Module, args: Any, logits: torch.Tensor) -> torch.Tensor:
        logits = logits.clone()
        end = ends.get(passes.count)
        if end is not None:
            logits[..., end] = 1e4
        return logits

    model.llm.lm_head.register_forward_hook(force)


def end_speech(model: Any, passes: Any) -> Any:
    """Random weights hardly ever end speech: it is forced where it may end."""

    def force(module: torch.nn.Module, args: Any, logits: torch.Tensor) -> torch.Tensor:
        logits = logits.clone()
        logits[..., -1] = 1e4 if passes.count > SPEECH_TOKENS else -1e4
        return logits

    return model.tts.head_code[0].register_forward_hook(force)


def check_words(report: Report, lalm: Any) -> None:
    """The language module follows a curve word by word."""
    plain, full = follow(lalm, LANGUAGE, None, 0.0), follow(lalm, LANGUAGE, None)
    check_level(report, lalm, LANGUAGE, plain, full)
    guest, texts, shares = lalm._guest, list[str](), list[float]()
    text, intensity = guest._text, guest.sites[LANGUAGE].taps.intensity

    def keep_text(ids: Any) -> str:
        texts.append(text(ids))
        return str(texts[-1])

    def keep_share(each: Any) -> None:
        shares.append(each[0])
        intensity(each)

    guest._text, guest.sites[LANGUAGE].taps.intensity = keep_text, keep_share
    word = SOURCE.seconds / len(WORDS.split())
    late = follow(lalm, LANGUAGE, ((0.0, 0.0), (word, 1.0)))
    del guest._text, guest.sites[LANGUAGE].taps.intensity
    reads = shares.index(1.0)
    report.check(
        f"{LANGUAGE}: the ids that were read say what was answered: {texts[-1]!r}", texts[-1].strip() == late.text
    )
    report.check(
        f"{LANGUAGE}: of {len(shares)} passes the first at full strength is {reads}, which reads {texts[reads - 1]!r}",
        set(shares) == {0.0, 1.0} and len(texts[reads - 1].split()) == 2 and len(texts[reads - 2].split()) < 2,
    )
    until = texts[reads - 1].strip(" \ufffd")
    report.check(
        f"{LANGUAGE}: up to what that pass reads the text is the baseline's, and then no more",
        late.text.startswith(until) and plain.text.startswith(until) and late.text != plain.text,
    )


class StandInToken2wav:
    """``stepaudio2.Token2wav``, whose weights are not public code: a tone per token, in a WAV file of floats."""

    def __init__(self, model_path: str, float16: bool, n_timesteps: int) -> None:
        self.cache = None

    def __call__(self, generated_speech_tokens: list[int], prompt_wav: str) -> bytes:
        """Speech tokens and the path of a voice to a sound file."""
        (made,) = StandInVocoder().token2wav(speech_token=torch.tensor(generated_speech_tokens))
        file = BytesIO()
        soundfile.write(file, made["tts_speech"][0].numpy(), 24_000, format="WAV", subtype="FLOAT")
        return file.getvalue()


def check_vocoder(report: Report, lalm: Any, model: Any) -> None:
    """What minicpmo-utils brings is Token2wav, with which ``chat`` alone cannot speak."""
    before = follow(lalm, SYNTHESIS, None)
    stepaudio = ModuleType("stepaudio2")
    vars(stepaudio)["Token2wav"] = StandInToken2wav
    sys.modules["stepaudio2"] = stepaudio
    model.init_tts(streaming=True)
    try:
        follow(lalm, SYNTHESIS, None)
        report.check("chat itself does not speak with Token2wav", False)
    except StudioError as problem:
        report.check(
            f"chat itself does not speak with Token2wav: {str(problem)[-40:]!r}", "NotImplemented" in str(problem)
        )
    minicpm_o.load_vocoder(model)
    after = follow(lalm, SYNTHESIS, None)
    report.check("with the adapter's help it does, sample for sample what came before", same(before, after))


def check_load(report: Report, model: Any, folder: Path) -> None:
    """The way of a real checkpoint: from files, in bf16, with Token2wav, for which ``check_vocoder`` put a stand-in."""
    kept = (folder / "config.json").read_text()
    model.tts.audio_tokenizer = None
    model.save_pretrained(folder)
    (folder / "config.json").write_text(kept)
    lalm = minicpm_o.load(folder, agreed=remote_code.code_digest(folder), device="cpu")
    guest: Any = lalm._guest
    saved = dict(model.named_parameters())
    loaded = dict(guest._model.named_parameters())
    report.check(
        f"load, past consent: all {len(loaded)} weights are the saved ones in bf16",
        set(loaded) == set(saved) and all(torch.equal(each, saved[name].bfloat16()) for name, each in loaded.items()),
    )
    end_text(guest._model, guest.sites[LANGUAGE].passes)
    end_speech(guest._model, guest.sites[SYNTHESIS].passes)
    made = follow(lalm, LANGUAGE, None)
    report.check(f"what was loaded speaks: {len(made.audio.samples)} samples", len(made.audio.samples))
    lalm.close()


def main() -> None:
    """Print what ran and how it ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--code", type=Path, required=True)
    parser.add_argument("--bf16", action="store_true", help="as the real one is loaded; fp32 without")
    asked = parser.parse_args()
    code, dtype = asked.code, torch.bfloat16 if asked.bf16 else torch.float32
    report = Report("torch", "transformers", "minicpmo-utils", "librosa", "soundfile", "numpy")
    minicpm_o.MAX_TEXT_TOKENS = TEXT_TOKENS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = build(code, folder, dtype)
        try:
            minicpm_o.load(folder, agreed=None, device="cpu")
            report.check("without consent nothing is loaded", False)
        except StudioError as problem:
            report.check(f"without consent nothing is loaded: {problem}", "agree" in str(problem))
        lalm = minicpm_o.wrap(model, remote_code.revision(folder, remote_code.code_digest(folder)))
        print(f"{type(model).__module__}.{type(model).__qualname__} in {dtype}, revision {lalm.info.revision}")
        print(lalm.info.gates)
        guest = lalm._guest
        end_text(model, guest.sites[LANGUAGE].passes)
        forced = end_speech(model, guest.sites[SYNTHESIS].passes)
        for module in (LANGUAGE, SYNTHESIS):
            check_model(report, lalm, module, guest.sites[module].passes)
        check_words(report, lalm)
        check_curve(report, lalm, SYNTHESIS, 1 / minicpm_o.TOKENS_PER_SECOND)
        check_sites(report, lalm)
        check_errors(report, lalm, model)
        check_vocoder(report, lalm, model)
        forced.remove()
        lalm.close()
        report.check(
            "closing leaves no hook behind",
            not any(m._forward_hooks for m in (*model.llm.model.modules(), *model.tts.modules())),
        )
        check_load(report, model, folder)
    print("the ends of text and speech were forced, since random weights find none")
    report.did_not_run(
        "real weights", "the vocoder (a tone per token stood in)", "CUDA", "the vision tower (not built)"
    )
    report.leave()


def check_sites(report: Report, lalm: Any) -> None:
    """Which module reaches what."""
    rows = [ConversionRequest(SOURCE, "happy"), ConversionRequest(SOURCE, "happy", steering(lalm, SYNTHESIS, 3.0))]
    plain, steered = lalm.convert(rows, module=SYNTHESIS)
    report.check("steering the synthesis leaves the text alone", plain.text == steered.text)
    heard: dict[int, list[Any]] = {0: [], 1: []}
    both = lalm.convert(rows, module=SYNTHESIS, on_audio=lambda row, samples: heard[row].append(samples))
    report.check(
        "audio is handed over row by row", all(np.array_equal(heard[n][0], both[n].audio.samples) for n in (0, 1))
    )
    report.check("rows do not touch each other", same(both[0], plain) and same(both[1], steered))


def check_errors(report: Report, lalm: Any, model: Any) -> None:
    """What ``chat`` swallows must come out."""
    model.tts.audio_tokenizer.broken = True
    try:
        lalm.convert([ConversionRequest(SOURCE, "sad")])
        report.check("an error while speaking is raised", False)
    except StudioError as problem:
        report.check(
            f"an error while speaking is raised: {str(problem)[-90:]!r}", "the flow went wrong" in str(problem)
        )
    model.tts.audio_tokenizer.broken = False


if __name__ == "__main__":
    main()
