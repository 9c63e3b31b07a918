"""Requests and conversions as what travels in frames (see ``wire``), and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch

from studio.audio.clip import Clip
from studio.errors import StudioError
from studio.esn.automation import Automation
from studio.esn.intervention import Mode, Steering, TokenScope
from studio.esn.mask import EsnMask
from studio.esn.statistics import GateStatistics
from studio.lalm.base import Content, Conversion, ConversionRequest, ModelInfo


def pack_info(info: ModelInfo) -> dict[str, Any]:
    """A model's description."""
    return asdict(info)


def unpack_info(packed: dict[str, Any]) -> ModelInfo:
    """As it was packed. Raises KeyError, TypeError or ValueError when it was not."""
    return ModelInfo(
        **packed
        | {
            "gates": {name: tuple(widths) for name, widths in packed["gates"].items()},
            "content_modes": tuple(Content(mode) for mode in packed["content_modes"]),
            "layer_labels": {name: tuple(labels) for name, labels in packed["layer_labels"].items()},
        }
    )


def pack_requests(requests: Sequence[ConversionRequest]) -> dict[str, Any]:
    """A batch; a mask that several rows share travels once. Raises StudioError for learned vectors."""
    masks: dict[int, EsnMask] = {}
    rows = []
    for request in requests:
        if request.emosteer is not None:
            raise StudioError("Learned vectors do not reach a hosted model yet; steer it by neurons.")
        steering, packed = request.steering, None
        if steering is not None:
            masks[id(steering.mask)] = steering.mask
            curve = steering.automation
            packed = {
                "mask": list(masks).index(id(steering.mask)), "mode": steering.mode.value,
                "strengths": steering.strengths, "layers": steering.layers, "scope": steering.scope.value,
                "automation": None if curve is None else curve.points,
            }  # fmt: skip
        rows.append(
            {"source": _pack_clip(request.source), "target": request.target, "content": request.content.value,
             "seed": request.seed, "steering": packed, "words": request.words}
        )  # fmt: skip
    packed_masks = [
        {"widths": mask.widths, "indices": mask.indices, "scores": mask.scores, "metadata": mask.metadata}
        for mask in masks.values()
    ]
    return {"masks": packed_masks, "rows": rows}


def unpack_requests(packed: dict[str, Any]) -> list[ConversionRequest]:
    """The batch as it was packed."""
    masks = [EsnMask(tuple(m["widths"]), m["indices"], m["scores"], m["metadata"]) for m in packed["masks"]]
    return [
        ConversionRequest(
            _unpack_clip(row["source"]),
            row["target"],
            None if row["steering"] is None else _unpack_steering(row["steering"], masks),
            Content(row["content"]),
            row["seed"],
            words=row["words"],
        )
        for row in packed["rows"]
    ]


def pack_conversion(conversion: Conversion) -> dict[str, Any]:
    """One result."""
    counts = conversion.statistics
    return {
        "text": conversion.text,
        "audio": _pack_clip(conversion.audio),
        "speech_tokens": conversion.speech_tokens,
        "truncated": conversion.truncated,
        "statistics": None
        if counts is None
        else {
            "widths": counts.widths, "active": counts.active.numpy(), "total": counts.total.numpy(),
            "total_sq": counts.total_sq.numpy(), "tokens": counts.tokens,
        },
    }  # fmt: skip


def unpack_conversion(packed: dict[str, Any]) -> Conversion:
    """The result as it was packed."""
    counts, statistics = packed["statistics"], None
    if counts is not None:
        active, total, total_sq = (torch.from_numpy(counts[name]) for name in ("active", "total", "total_sq"))
        statistics = GateStatistics(tuple(counts["widths"]), active, total, total_sq, counts["tokens"])
    audio = _unpack_clip(packed["audio"])
    return Conversion(packed["text"], audio, packed["speech_tokens"], packed["truncated"], statistics)


def _pack_clip(clip: Clip) -> dict[str, Any]:
    return {"samples": clip.samples, "rate": clip.rate, "name": clip.name}


def _unpack_clip(packed: dict[str, Any]) -> Clip:
    return Clip(packed["samples"], packed["rate"], packed["name"])


def _unpack_steering(packed: dict[str, Any], masks: list[EsnMask]) -> Steering:
    curve, layers = packed["automation"], packed["layers"]
    return Steering(
        masks[packed["mask"]],
        Mode(packed["mode"]),
        packed["strengths"],
        None if layers is None else (layers[0], layers[1]),
        TokenScope(packed["scope"]),
        None if curve is None else Automation(tuple((point[0], point[1]) for point in curve)),
    )
