"""Masks for a loaded model: reading one, and finding those that ship or were made here."""

from __future__ import annotations

from pathlib import Path

from studio.errors import StudioError
from studio.esn.errors import MaskError
from studio.esn.mask import EsnMask
from studio.lalm.base import LANGUAGE, ModelInfo
from studio.paths import masks_dir, user_masks_dir

SUFFIX = ".esn.safetensors"
DEFAULT_METHOD = "CAS"


def load_mask(path: Path, info: ModelInfo, module: str | None = None) -> EsnMask:
    """Read the mask at ``path`` and check that it fits ``module`` of the model; None: the module it was made for.

    Raises StudioError (MaskError) saying what is wrong with the file or what does not fit.
    """
    mask = EsnMask.load(path)
    if module is None:
        module = module_of(mask)
        if module not in info.gates:
            raise MaskError(
                f"'{path.name}' holds neurons of a {module} module, and {info.title} has only {_modules(info)}; choose "
                "a mask made for this model."
            )
    mask.check_fits(info.model_id, module, widths_of(info, module))
    return mask


def module_of(mask: EsnMask) -> str:
    """The module a mask was made for; language where a foreign tool did not say."""
    return str(mask.metadata.get("module") or LANGUAGE)


def widths_of(info: ModelInfo, module: str) -> tuple[int, ...]:
    """Layer widths of ``module``; raises StudioError when the model has no such module."""
    if module not in info.gates:
        raise StudioError(f"{info.title} has no {module} module; it has {_modules(info)}.")
    return info.gates[module]


def fitting_masks(info: ModelInfo, module: str | None = None, folder: Path | None = None) -> list[Path]:
    """Mask files in ``folder`` (default: those that ship and the user's own) that fit the model, the default first.

    ``module`` None: any of its modules. Files that cannot be read or do not fit are passed over. First come masks of
    the language module, of these the ones that ship, of these the ones chosen by the default selector, then by name.
    """
    found: list[tuple[bool, int, bool, str, Path]] = []
    for place, each in enumerate([folder] if folder is not None else [masks_dir(), user_masks_dir()]):
        for path in each.glob(f"*{SUFFIX}"):
            try:
                mask = load_mask(path, info, module)
            except StudioError:
                continue
            found.append((module_of(mask) != LANGUAGE, place, mask.method != DEFAULT_METHOD, path.name, path))
    return [path for *_, path in sorted(found)]


def default_mask(info: ModelInfo, module: str = LANGUAGE) -> Path | None:
    """The mask to use when none is named; None when no mask for the model is there."""
    return next(iter(fitting_masks(info, module)), None)


def _modules(info: ModelInfo) -> str:
    return " and ".join(info.gates)
