"""Load a Qwen2.5-Omni from the hub's cache, the hub or a folder, without its vision tower."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoTokenizer,
    PretrainedConfig,
    Qwen2_5OmniConfig,
    Qwen2_5OmniForConditionalGeneration,
    WhisperFeatureExtractor,
)
from transformers.utils.hub import cached_file

from studio.errors import StudioError
from studio.lalm import weights
from studio.lalm.failures import DoesNotFit
from studio.lalm.qwen_omni import memory
from studio.lalm.qwen_omni.lalm import QwenOmniLALM
from studio.lalm.qwen_omni.memory import Precision
from studio.lalm.qwen_omni.parts import remove_vision, take_apart
from studio.lalm.qwen_omni.prompt import Prompter
from studio.lalm.reading import require_whole, unreadable

OLDEST_TRANSFORMERS = (4, 52)
"""The first that has the model; tested there and on the version that is pinned."""

QUANTISED = "pip install 'esn-studio[quantised]'"

_UNQUANTISED = ("talker", "token2wav", "thinker.audio_tower", "thinker.model.audio_tower", "thinker.lm_head")


class _Listener(Qwen2_5OmniForConditionalGeneration):
    """Without vision: its weights are never read. token2wav keeps fp32 while the rest is loaded in bf16."""

    _keys_to_ignore_on_load_unexpected = [r"\bvisual\."]  # noqa: RUF012
    _keep_in_fp32_modules_strict = {"token2wav"}  # noqa: RUF012

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        remove_vision(self)


def load(
    source: str | Path,
    *,
    precision: Precision | str | None = None,
    device: torch.device | str | None = None,
    speaker: str | None = None,
    revision: str | None = None,
    offline: bool = False,
    compiled: bool = False,
) -> QwenOmniLALM:
    """Load a model.

    ``source``: a folder, or a name on the hub (``Qwen/Qwen2.5-Omni-7B``), taken from its cache where it is there and
    always when ``offline``. ``precision`` None: bf16 on CUDA, fp32 on the CPU. ``device`` None: CUDA where there is
    one. ``speaker``: one of the checkpoint's voices; None for its first. ``compiled``: static KV cache and
    torch.compile for the decoding steps.

    Raises StudioError when it is no such model, does not fit the card, or cannot be read.
    """
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    chosen = _precision(precision, device)
    if compiled and _transformers() < (5, 0):
        raise StudioError("Compiled decoding needs transformers 5 or newer; load the model without it.")
    where = str(source)
    at: dict[str, Any] = {"revision": revision or "main", "local_files_only": offline or Path(where).is_dir()}
    try:
        written, _ = PretrainedConfig.get_config_dict(where, **at)
        if written.get("model_type") != "qwen2_5_omni":
            raise StudioError(
                f"'{where}' is no Qwen2.5-Omni but a {written.get('model_type', 'model of another kind')}."
            )
        config: Any = Qwen2_5OmniConfig.from_pretrained(where, **at)
        if not config.enable_audio_output:
            raise StudioError(f"'{where}' was saved without its talker, so it cannot speak; choose another checkpoint.")
        model_id, commit = identity(where, getattr(config, "_commit_hash", None))
        title = model_id.rpartition("/")[2]
        _check_memory(title, config, chosen, device)
        prompter = Prompter(
            _tokenizer(where, at),
            WhisperFeatureExtractor.from_pretrained(where, **at),
            config.thinker_config.audio_token_index,
        )
        model = _weights(where, at, config, chosen, device)
        model.speaker_map = _speakers(where, at)
    except (OSError, ValueError, SafetensorError) as error:
        raise unreadable("Qwen2.5-Omni", where, error) from error
    return QwenOmniLALM(
        take_apart(model),
        prompter,
        model_id=model_id,
        revision=variant(commit, chosen, _precision(None, device), speaker, model.speaker_map),
        title=title,
        speaker=speaker,
        compiled=compiled,
    )


def variant(
    commit: str, precision: Precision, usual: Precision, speaker: str | None, speakers: Mapping[str, Any]
) -> str:  # fmt: skip
    """The revision of what was loaded: another precision or speaker than usual does not give the same samples."""
    marks = [precision.value] if precision is not usual else []
    if speaker is not None and speaker != next(iter(speakers), None):
        marks.append(speaker)
    return "+".join([commit, *marks])


def identity(where: str, commit: str | None) -> tuple[str, str]:
    """What masks call the model at ``where``, and its revision.

    A folder of the hub's cache is the model it was downloaded from. Any other folder goes by its name, and by a digest
    over the names and sizes of its weights and the text of its config.
    """
    folder = Path(where)
    if not folder.is_dir():
        return where, commit or "unknown"
    cached = weights.repository(folder)
    if cached is not None:
        return cached
    digest = sha256((folder / "config.json").read_bytes())
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(f"{path.name}:{path.stat().st_size}\n".encode())
    return folder.absolute().name, f"local-{digest.hexdigest()[:12]}"


def quantisation(precision: Precision) -> Any:
    """How transformers is told to quantise the thinker's layers; None for bf16 and fp32.

    Raises StudioError when what quantises is not installed.
    """
    if precision not in (Precision.INT8, Precision.INT4):
        return None
    if find_spec("bitsandbytes") is None or find_spec("accelerate") is None:
        raise StudioError(f"Precision {precision} needs packages that are not installed: {QUANTISED}.")
    from transformers import BitsAndBytesConfig

    skipped = list(_UNQUANTISED)
    if precision is Precision.INT8:
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=skipped)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.bfloat16,
        llm_int8_skip_modules=skipped,
    )


def _precision(wanted: Precision | str | None, device: torch.device) -> Precision:
    if wanted is None:
        return Precision.BF16 if device.type == "cuda" else Precision.FP32
    try:
        return Precision(wanted)
    except ValueError:
        raise StudioError(f"There is no precision '{wanted}'; known: {', '.join(Precision)}.") from None


def _check_memory(title: str, config: Any, precision: Precision, device: torch.device) -> None:
    card = memory.card_at(device)
    if card is None:
        return
    of = memory.sizes(config)
    if not memory.fits(of.need(precision), card):
        raise DoesNotFit(memory.sentence(title, of, precision, card))


def _weights(where: str, at: dict[str, Any], config: Any, precision: Precision, device: torch.device) -> Any:
    dtype = torch.float32 if precision is Precision.FP32 else torch.bfloat16
    quantised = quantisation(precision)
    options: dict[str, Any] = {("dtype" if _transformers() >= (4, 56) else "torch_dtype"): dtype, **at}
    if quantised is not None:
        options["quantization_config"] = quantised
    # With accelerate the weights go straight to the card, without a whole copy in the machine's memory.
    if device.type != "cpu" and find_spec("accelerate") is not None:
        options["device_map"] = {"": device}
    # Past the class's own from_pretrained, which cannot say what was missing.
    read = super(Qwen2_5OmniForConditionalGeneration, _Listener).from_pretrained
    model, report = read(where, config=config, use_safetensors=True, output_loading_info=True, **options)
    require_whole(where, report)
    if quantised is None:
        model = model.to(device)
    return model.eval()


def _tokenizer(where: str, at: dict[str, Any]) -> Any:
    try:
        return AutoTokenizer.from_pretrained(where, **at)
    except Exception as error:  # tokenizers raises bare ones, for which transformers 4 then wants another package
        raise StudioError(f"Qwen2.5-Omni cannot be loaded from '{where}': its tokenizer cannot be read.") from error


def _speakers(where: str, at: dict[str, Any]) -> dict[str, Any]:
    path: Any = cached_file(where, "spk_dict.pt", **at)
    try:
        # A pickle, but one that may hold nothing but tensors and plain values.
        voices = torch.load(path, weights_only=True, map_location="cpu")
        return {
            str(name): {key: voice[key] for key in ("bos_token", "cond", "ref_mel")} for name, voice in voices.items()
        }
    except (pickle.UnpicklingError, RuntimeError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise StudioError(f"The voices of '{where}' (spk_dict.pt) cannot be read; download the model again.") from error


def _transformers() -> tuple[int, int]:
    major, minor = version("transformers").split(".")[:2]
    return int(major), int(minor)
