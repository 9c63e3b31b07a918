"""A model of transformers read from its checkpoint, every fault one sentence."""

from __future__ import annotations

from typing import Any

import torch
from safetensors import SafetensorError

from studio.errors import StudioError

PROBLEMS = (OSError, ValueError, TypeError, AttributeError, KeyError, RuntimeError, SafetensorError)
"""What transformers raises for files that are missing, damaged, or of another model."""

_SHOWN = 300


def read(kind: Any, where: str, title: str, device: torch.device | str | None = None, **at: Any) -> Any:
    """The model of class ``kind`` in the folder or repository ``where``, in bf16 on CUDA and fp32 on the CPU.

    ``device`` None: CUDA where there is one. ``at``: revision and the like. Weights are read as safetensors alone.
    Raises StudioError when it cannot be read, weights are missing, or it does not fit the device.
    """
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    dtype = torch.bfloat16 if place.type == "cuda" else torch.float32
    try:
        model, report = kind.from_pretrained(where, dtype=dtype, use_safetensors=True, output_loading_info=True, **at)
    except PROBLEMS as error:
        raise unreadable(title, where, error) from error
    require_whole(where, report)
    try:
        return model.to(place)
    except torch.OutOfMemoryError as error:
        size = sum(each.numel() * each.element_size() for each in model.parameters())
        raise StudioError(
            f"{title} needs {size / 2**30:.1f} GiB for its weights alone, which {place} does not have free; close what "
            "else uses it, or choose a smaller one."
        ) from error


def unreadable(title: str, where: str, error: Exception) -> StudioError:
    """That ``title`` cannot be loaded, with the reason in one line."""
    said = " ".join(str(error).split())[:_SHOWN].rstrip(".") or type(error).__name__
    return StudioError(f"{title} cannot be loaded from '{where}': {said}. Download it again, or choose another.")


def require_whole(where: str, report: dict[str, Any]) -> None:
    """Raise StudioError when transformers' loading report names weights that the checkpoint lacks."""
    missing = sorted(str(key) for key in report["missing_keys"])
    if missing:
        raise StudioError(f"'{where}' is incomplete: {len(missing)} weights are missing, such as {missing[0]}.")
