"""The same gain on the same neurons through other libraries, for ``bench_taps``; each where it is installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import torch

Generate = Callable[..., torch.Tensor]


def nnsight_generate(model: Any, paths: Sequence[str], chosen: Sequence[torch.Tensor], factor: float) -> Generate:
    """``generate`` inside one nnsight trace that changes the gates at ``paths`` in every step.

    Raises ImportError where nnsight is not installed.
    """
    wrapped = importlib.import_module("nnsight").NNsight(model)

    def generate(prompt: torch.Tensor, **settings: Any) -> torch.Tensor:
        gates = []
        for path in paths:
            envoy = wrapped
            for part in path.split("."):
                envoy = envoy[int(part)] if part.isdecimal() else getattr(envoy, part)
            gates.append(envoy)
        steps = settings["max_new_tokens"]
        with wrapped.trace(prompt, fn=model.generate, **settings) as tracer:
            for _ in tracer.iter[:steps]:
                for gate, at in zip(gates, chosen, strict=True):
                    value = gate.output.clone()
                    value[..., at] *= factor
                    gate.output = value
            ids: torch.Tensor = tracer.result.save()
        return ids

    return generate


def pyvene_generate(model: Any, paths: Sequence[str], chosen: Sequence[torch.Tensor], factor: float) -> Generate:
    """``generate`` of a pyvene IntervenableModel with a function on each gate; ImportError where it is absent."""
    pyvene = importlib.import_module("pyvene")

    def gain(at: torch.Tensor) -> Callable[..., torch.Tensor]:
        def change(base: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
            base = base.clone()
            base[..., at] *= factor
            return base

        return change

    places = [
        {"component": f"{_subscripted(path)}.output", "intervention": gain(at)}
        for path, at in zip(paths, chosen, strict=True)
    ]
    wrapped = pyvene.IntervenableModel(places, model=model)

    def generate(prompt: torch.Tensor, *, attention_mask: torch.Tensor, **settings: Any) -> torch.Tensor:
        given = {"input_ids": prompt, "attention_mask": attention_mask}
        _, ids = wrapped.generate(given, unit_locations=None, intervene_on_prompt=True, **settings)
        return ids

    return generate


def _subscripted(path: str) -> str:
    """``model.layers.0.mlp`` as pyvene writes it: ``model.layers[0].mlp``."""
    written = ""
    for part in path.split("."):
        written += f"[{part}]" if part.isdecimal() else f".{part}"
    return written.removeprefix(".")
