"""Requests and conversions as what travels in frames (see ``wire``), and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch

from studio.audio.clip import Clip
from studio.esn.automation import Automation
from studio.esn.emosteer import EmoSteering, EmoVectors
from studio.esn.intervention import Mode, Steering, TokenScope
from studio.esn.mask import EsnMask
from studio.esn.statistics import GateStatistics
from studio.lalm.base import Content, Conversion, ConversionRequest, CurveUnit, ModelInfo


def pack_info(info: ModelInfo) -> dict[str, Any]:
    """A model's description."""
    return asdict(info)


def unpack_info(packed: dict[str, Any]) -> ModelInfo:
    """As it was packed. Raises KeyError, TypeError or ValueError when it was not."""
    return ModelInfo(
        **packed
        | {
            "gates": {name: tuple(widths) for name, widths in packed["gates"].items()},
            "curves": {name: CurveUnit(unit) for name, unit in packed["curves"].items()},
            "content_modes": tuple(Content(mode) for mode in packed["content_modes"]),
            "layer_labels": {name: tuple(labels) for name, labels in packed["layer_labels"].items()},
        }
    )


def pack_requests(requests: Sequence[ConversionRequest]) -> dict[str, Any]:
    """A batch; a mask or learned vectors that several rows share travel once, and of vectors only what is used."""
    masks: dict[int, EsnMask] = {}
    learned: dict[int, EmoVectors] = {}
    used: dict[int, set[str]] = {}
    rows = []
    for request in requests:
        steering, neurons = request.steering, None
        if steering is not None:
            masks[id(steering.mask)] = steering.mask
            neurons = {
                "mask": list(masks).index(id(steering.mask)), "mode": steering.mode.value,
                "strengths": steering.strengths, "layers": steering.layers, "scope": steering.scope.value,
                "automation": _pack_curve(steering.automation),
            }  # fmt: skip
        emosteer, vectors = request.emosteer, None
        if emosteer is not None:
            key = id(emosteer.vectors)
            learned[key] = emosteer.vectors
            used.setdefault(key, set()).update(emosteer.active)
            vectors = {
                "vectors": list(learned).index(key), "alphas": dict(emosteer.alphas),
                "automation": _pack_curve(emosteer.automation),
            }  # fmt: skip
        rows.append(
            {"source": _pack_clip(request.source), "target": request.target, "content": request.content.value,
             "seed": request.seed, "steering": neurons, "emosteer": vectors, "text": request.text}
        )  # fmt: skip
    packed_masks = [
        {"widths": mask.widths, "indices": mask.indices, "scores": mask.scores, "metadata": mask.metadata}
        for mask in masks.values()
    ]
    packed_vectors = [_pack_vectors(vectors, used[key]) for key, vectors in learned.items()]
    return {"masks": packed_masks, "vectors": packed_vectors, "rows": rows}


def unpack_requests(packed: dict[str, Any]) -> list[ConversionRequest]:
    """The batch as it was packed."""
    masks = [EsnMask(tuple(m["widths"]), m["indices"], m["scores"], m["metadata"]) for m in packed["masks"]]
    learned = [EmoVectors(v["dim"], v["site"], v["weights"], v["eps"], v["metadata"]) for v in packed["vectors"]]
    return [
        ConversionRequest(
            _unpack_clip(row["source"]),
            row["target"],
            None if row["steering"] is None else _unpack_steering(row["steering"], masks),
            Content(row["content"]),
            row["seed"],
            None if row["emosteer"] is None else _unpack_emosteer(row["emosteer"], learned),
            row["text"],
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


def _pack_vectors(vectors: EmoVectors, used: set[str]) -> dict[str, Any]:
    """With the matrices of the emotions ``used``; where none is, with one, since there are no vectors without."""
    kept = [emotion for emotion in vectors.emotions if emotion in used] or vectors.emotions[:1]
    return {
        "dim": vectors.dim, "site": vectors.site, "eps": vectors.eps, "metadata": vectors.metadata,
        "weights": {emotion: vectors.weights[emotion] for emotion in kept},
    }  # fmt: skip


def _pack_curve(curve: Automation | None) -> Any:
    return None if curve is None else curve.points


def _unpack_curve(points: Any) -> Automation | None:
    return None if points is None else Automation(tuple((point[0], point[1]) for point in points))


def _unpack_steering(packed: dict[str, Any], masks: list[EsnMask]) -> Steering:
    layers = packed["layers"]
    return Steering(
        masks[packed["mask"]],
        Mode(packed["mode"]),
        packed["strengths"],
        None if layers is None else (layers[0], layers[1]),
        TokenScope(packed["scope"]),
        _unpack_curve(packed["automation"]),
    )


def _unpack_emosteer(packed: dict[str, Any], learned: list[EmoVectors]) -> EmoSteering:
    return EmoSteering(learned[packed["vectors"]], packed["alphas"], _unpack_curve(packed["automation"]))
