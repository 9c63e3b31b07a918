"""A checkpoint with gain or deactivation folded in: columns of ``down_proj`` scaled, everything else as it was.

MLP(x) = W_down (g * W_up x), so scaling a gate is scaling its column of W_down (METHOD.md, section 4; paper section
3.4). Any server runs the result; what cannot be folded is refused with the reason.
"""

from __future__ import annotations

import json
import math
import re
import secrets
import shutil
import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

import studio
from studio import atomic
from studio.errors import StudioError
from studio.esn.intervention import Mode, Steering, TokenScope, coefficients
from studio.progress import Progress, no_progress

SIDECAR = "esn-fold.json"
FORMAT = 1

_SITES = {
    "language": re.compile(r"(?:thinker\.|language_model\.|llm\.)?(?:model\.)?(?:language_model\.)?"
                           r"layers\.(\d+)\.mlp\.down_proj\.weight"),
    "synthesis": re.compile(r"(?:talker|tts)\.model\.layers\.(\d+)\.mlp\.down_proj\.weight"),
}  # fmt: skip
"""Names of W_down of layer i in checkpoints of Qwen2, Qwen2.5-Omni (thinker, talker) and MiniCPM-o (llm, tts)."""

_DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64}


def fold(
    source: Path, steering: Steering, out: Path, *, module: str = "language", progress: Progress = no_progress
) -> dict[str, Any]:
    """Write the folded checkpoint of folder ``source`` to the new folder ``out``; returns what its sidecar says.

    Tensors pass through one at a time. ``out`` appears whole or not at all. Raises StudioError when the steering cannot
    be folded, does not fit the checkpoint, or ``out`` exists or cannot be written.
    """
    _refuse(steering)
    if out.exists():
        raise StudioError(f"'{out}' exists already; choose another folder.")
    shards = sorted(source.glob("*.safetensors"))
    if not shards:
        raise StudioError(f"'{source}' holds no safetensors file, so it is no checkpoint that can be folded.")
    headers = {shard: _header(shard) for shard in shards}
    sites = _sites(headers, module, source)
    _check_widths(headers, sites, steering, module)
    (scales,) = zip(*[[layer.scale[0, 0]] for layer in coefficients([steering], steering.mask.widths)], strict=True)
    partial = out.with_name(f".{out.name}.{secrets.token_hex(4)}.part")
    try:
        partial.mkdir(parents=True)
        _copy_others(source, partial)
        total = sum(shard.stat().st_size for shard in shards)
        done = 0
        for shard in shards:
            _fold_shard(shard, partial / shard.name, headers[shard], sites, scales)
            done += shard.stat().st_size
            progress(done / total)
        document = _provenance(source, steering, module, scales)
        atomic.write_json(partial / SIDECAR, document)
        partial.rename(out)
    except OSError as error:
        raise StudioError(f"The folded checkpoint cannot be written to '{out}': {atomic.reason(error)}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return document


def _refuse(steering: Steering) -> None:
    reason = None
    if steering.mode is Mode.ADD:
        reason = "add shifts a gate before its product with the up projection; no scaling of weights does that"
    elif steering.mode is Mode.CLAMP:
        reason = "clamp depends on the gate's value at every token; no scaling of weights does that"
    elif steering.scope is not TokenScope.ALL:
        reason = "weights cannot tell the prompt's tokens from generated ones; use the scope 'all'"
    elif steering.automation is not None:
        reason = "weights cannot follow an intensity curve over time; leave the curve out"
    elif steering.is_identity:
        reason = "nothing is steered; give a strength above 0"
    if reason is not None:
        raise StudioError(f"This steering cannot be folded into a checkpoint: {reason}.")


def _sites(headers: Mapping[Path, dict[str, Any]], module: str, source: Path) -> dict[str, int]:
    """Names of W_down tensors of the module -> layer."""
    if module not in _SITES:
        raise StudioError(f"There is no module '{module}' to fold into; choose {' or '.join(_SITES)}.")
    found = {
        name: int(match.group(1))
        for header in headers.values()
        for name in header
        if (match := _SITES[module].fullmatch(name))
    }
    if sorted(found.values()) != list(range(len(found))) or not found:
        raise StudioError(f"'{source}' has no complete row of gated layers for the module '{module}'.")
    return found


def _check_widths(
    headers: Mapping[Path, dict[str, Any]], sites: Mapping[str, int], steering: Steering, module: str
) -> None:
    entries = {name: entry for header in headers.values() for name, entry in header.items() if name in sites}
    for name, entry in entries.items():
        if entry["dtype"] not in _DTYPES:
            raise StudioError(f"'{name}' is stored as {entry['dtype']}; only unquantised checkpoints can be folded.")
    widths = tuple(entries[name]["shape"][1] for name in sorted(sites, key=lambda name: sites[name]))
    if widths != steering.mask.widths:
        raise StudioError(
            f"The mask covers {len(steering.mask.widths)} layers with {sum(steering.mask.widths)} neurons, but the "
            f"checkpoint has {len(widths)} with {sum(widths)} in its module '{module}'; choose a mask made for it."
        )


def _header(shard: Path) -> dict[str, Any]:
    """The header of a safetensors file: name -> dtype, shape, data_offsets.

    Source: https://github.com/huggingface/safetensors#format
    """
    try:
        with shard.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > shard.stat().st_size:
                raise ValueError("its header is longer than the file")
            header: dict[str, Any] = json.loads(stream.read(length))
        header.pop("__metadata__", None)
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
        if shard.stat().st_size != 8 + length + end:
            raise ValueError("it is cut short")
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, struct.error) as error:
        raise StudioError(f"'{shard}' is no whole safetensors file ({error}); download the model again.") from error
    return header


def _fold_shard(
    shard: Path, copy: Path, header: Mapping[str, Any], sites: Mapping[str, int], scales: Sequence[torch.Tensor]
) -> None:
    """Copy a shard, then scale its W_down tensors in place, one at a time; layout and metadata stay as they were."""
    shutil.copyfile(shard, copy)
    with copy.open("r+b") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        for name in sites.keys() & header.keys():
            scale = scales[sites[name]]
            if bool((scale == 1).all()):
                continue
            entry = header[name]
            first, last = entry["data_offsets"]
            stream.seek(8 + length + first)
            values = torch.frombuffer(bytearray(stream.read(last - first)), dtype=_DTYPES[entry["dtype"]])
            weight = values.view(entry["shape"])
            # In double precision and rounded once; columns of scale 1 keep their bits.
            weight.copy_((weight.double() * scale.double()).to(weight.dtype))
            stream.seek(8 + length + first)
            stream.write(values.view(torch.uint8).numpy().tobytes())


def _copy_others(source: Path, partial: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.is_file() and path.suffix != ".safetensors":
            target = partial / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _provenance(source: Path, steering: Steering, module: str, scales: Sequence[torch.Tensor]) -> dict[str, Any]:
    layers = None if steering.layers is None else list(steering.layers)
    return {
        "format": FORMAT,
        "tool": f"ESN Studio {studio.__version__}",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "source": source.name,
        "module": module,
        "mode": steering.mode.value,
        "strengths": dict(steering.strengths),
        "layers": layers,
        "mask": {"fingerprint": steering.mask.fingerprint(), "metadata": dict(steering.mask.metadata)},
        "neurons_scaled": sum(int((scale != 1).sum()) for scale in scales),
        "largest_scale": max((float(scale.max()) for scale in scales), default=math.nan),
        "note": "Speech made with this checkpoint is synthetic and steered; say so wherever it is heard.",
    }
