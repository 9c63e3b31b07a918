"""Folding an intervention into a checkpoint, so that any server plays the steered voice without taps.

MLP out = W_down (g * W_up x): scaling gate n by s scales column n of W_down. Gain and deactivation are such scalings;
addition and clamping are none and cannot be folded.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from studio import __version__, atomic
from studio.errors import Cancelled, StudioError
from studio.esn.intervention import Mode, Steering, TokenScope, coefficients
from studio.lalm.base import LANGUAGE, SYNTHESIS, Progress, never, no_progress

SIDECAR = "esn-fold.json"
FORMAT = 1

_REASONS = {
    Mode.ADD: "it moves a gate by a constant, which no weight of a bias-free MLP can hold",
    Mode.CLAMP: "a floor under a gate is no scaling of weights",
}
_SITES = {
    LANGUAGE: r"(?:(?:thinker\.)?model\.(?:language_model\.)?|(?:language_model|llm)\.model\.)",
    SYNTHESIS: r"(?:talker\.model\.|tts\.model\.)",
}
"""Where checkpoints of the supported models keep the layers of a module, whatever version wrote them."""


def check_foldable(steering: Steering) -> None:
    """Raise StudioError, with the reason, for an intervention that scaling weights cannot express."""
    if steering.mode in _REASONS:
        raise StudioError(
            f"'{steering.mode}' cannot be folded into weights: {_REASONS[steering.mode]}; use gain or deactivate."
        )
    if steering.scope is not TokenScope.ALL:
        raise StudioError("Weights cannot tell prompt from reply, so only steering of all tokens can be folded.")
    if steering.automation is not None:
        raise StudioError("Weights do not change over time; fold without an intensity curve.")
    if steering.is_identity:
        raise StudioError("Nothing would change: give at least one emotion of the mask a strength above 0.")


def fold(
    source: Path,
    steering: Steering,
    out: Path,
    *,
    module: str = LANGUAGE,
    progress: Progress = no_progress,
    cancelled: Callable[[], bool] = never,
) -> None:
    """Write the checkpoint folder ``source`` to the new folder ``out`` with ``steering`` folded into ``module``.

    Read and written file by file, so that no more than one file of weights is in memory; ``out`` appears when it is
    whole. Beside the weights lies a JSON file that says what was folded. Raises StudioError when ``source`` is no
    checkpoint that the mask fits, the intervention cannot be folded or ``out`` cannot be written; Cancelled.
    """
    check_foldable(steering)
    if out.exists():
        raise StudioError(f"'{out}' exists already; name a new folder.")
    if out.resolve().is_relative_to(source.resolve()):
        raise StudioError(f"'{out}' lies inside of the checkpoint that is to be copied; name a folder elsewhere.")
    weights = sorted(source.glob("*.safetensors"))
    if not weights:
        raise StudioError(f"'{source}' holds no weights as safetensors; give the folder of a saved checkpoint.")
    columns = _columns(weights, steering, module)
    sidecar = _sidecar(source, steering, module)
    partial = out.with_name(f".{out.name}.part")
    try:
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
        _copy_others(source, partial)
        for place, path in enumerate(weights):
            if cancelled():
                raise Cancelled
            progress(place / len(weights))
            _fold_file(path, partial / path.name, columns)
        atomic.write_json(partial / SIDECAR, sidecar)
        partial.rename(out)
    except (OSError, SafetensorError) as error:
        raise StudioError(f"'{out}' could not be written: {error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    progress(1.0)


def _columns(weights: list[Path], steering: Steering, module: str) -> dict[str, torch.Tensor]:
    """Tensor name -> factor per column, float32 [width], for the layers that change; checks that the mask fits."""
    if module not in _SITES:
        raise StudioError(f"There is no module '{module}'; choose {LANGUAGE} or {SYNTHESIS}.")
    pattern = re.compile(rf"^{_SITES[module]}layers\.(\d+)\.mlp\.down_proj\.weight$")
    found: dict[int, tuple[str, int]] = {}
    for path in weights:
        try:
            with safe_open(path, "pt") as file:
                for name in file.keys():  # noqa: SIM118 - the file is no dict
                    if match := pattern.match(name):
                        if file.get_slice(name).get_dtype() not in ("F64", "F32", "F16", "BF16"):
                            raise StudioError(
                                f"'{path.name}' holds quantised weights; fold the unquantised checkpoint."
                            )
                        found[int(match[1])] = name, file.get_slice(name).get_shape()[1]
        except (OSError, SafetensorError) as error:
            raise StudioError(f"'{path}' cannot be read as safetensors: {error}.") from error
    if not found:
        raise StudioError(
            f"'{weights[0].parent}' holds no {module} layers of a gated MLP; give the folder of a model's checkpoint."
        )
    widths = tuple(found[layer][1] for layer in sorted(found))
    if sorted(found) != list(range(len(found))) or widths != tuple(steering.mask.widths):
        raise StudioError(
            f"The mask covers {len(steering.mask.widths)} layers with {sum(steering.mask.widths)} neurons, but the "
            f"checkpoint's {module} module has {len(widths)} with {sum(widths)}; choose a mask made for this model."
        )
    layers = coefficients([steering], widths)
    scales = {found[at][0]: layer.scale.flatten() for at, layer in enumerate(layers)}
    return {name: scale for name, scale in scales.items() if bool((scale != 1).any())}


def _fold_file(source: Path, target: Path, columns: dict[str, torch.Tensor]) -> None:
    with safe_open(source, "pt") as file:
        names = list(file.keys())
        if not columns.keys() & set(names):
            shutil.copyfile(source, target)
            return
        arrays = {name: file.get_tensor(name) for name in names}
        metadata = file.metadata()
    for name in columns.keys() & set(names):
        weight = arrays[name]
        # In double precision, so that the factor is rounded once, to the checkpoint's own precision.
        arrays[name] = (weight.double() * columns[name].double()).to(weight.dtype)
    save_file(arrays, target, metadata)


def _copy_others(source: Path, target: Path) -> None:
    for path in source.iterdir():
        if path.is_dir():
            shutil.copytree(path, target / path.name)
        elif path.suffix != ".safetensors":
            shutil.copyfile(path, target / path.name)


def _sidecar(source: Path, steering: Steering, module: str) -> dict[str, object]:
    config = source / "config.json"
    try:
        model = json.loads(config.read_text("utf-8")).get("_name_or_path") if config.is_file() else None
    except (OSError, ValueError, AttributeError) as error:
        raise StudioError(f"'{config}' is no model's config, so nothing could load the result; restore it.") from error
    return {
        "format": FORMAT,
        "tool": f"esn-studio {__version__}",
        "note": "Speech made with these weights is synthetic and steered.",
        "checkpoint": model or source.resolve().name,
        "module": module,
        "mode": str(steering.mode),
        "strengths": steering.strengths,
        "layers": steering.layers,
        "mask": steering.mask.fingerprint(),
        "mask_model": steering.mask.metadata.get("model_id"),
    }
