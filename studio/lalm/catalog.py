"""The models this installation knows, whether each can be loaded here, and the loading."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import StudioError
from studio.paths import resources_dir

if TYPE_CHECKING:
    # The protocol reaches torch, which a list of models can do without.
    from studio.lalm.base import SpeechLALM

DEFAULT = "embedded"


@dataclass(frozen=True)
class CatalogEntry:
    """A model by the name it is loaded with.

    ``problem`` says in a sentence why it cannot be loaded here; None when it can.
    """

    name: str
    title: str
    description: str
    weights: Path
    problem: str | None

    @property
    def available(self) -> bool:
        """Whether ``load_model`` can be tried."""
        return self.problem is None


def models() -> list[CatalogEntry]:
    """All known models, the default first."""
    weights = resources_dir() / "embedded"
    present = (weights / "model.safetensors").is_file()
    return [
        CatalogEntry(
            name=DEFAULT,
            title="Embedded",
            description="small speech LALM that ships with the studio; runs on the CPU; demo lines or content lock",
            weights=weights,
            problem=None if present else f"Its weights are missing from '{weights}'; check the project out again.",
        )
    ]


def find_model(name: str) -> CatalogEntry:
    """The entry called ``name``; raises StudioError naming the known ones when there is none."""
    known = models()
    for entry in known:
        if entry.name == name:
            return entry
    raise StudioError(f"There is no model '{name}'; known: {', '.join(entry.name for entry in known)}.")


def load_model(name: str = DEFAULT) -> SpeechLALM:
    """Load the model called ``name``. Raises StudioError when it is unknown or cannot be loaded here."""
    entry = find_model(name)
    if entry.problem is not None:
        raise StudioError(f"The model '{name}' cannot be loaded. {entry.problem}")
    return _LOADERS[name](entry.weights)


def _load_embedded(weights: Path) -> SpeechLALM:
    import torch

    from studio.lalm import embedded

    # One core stays free for the vocoder and the window; more than a few threads do not help layers this small.
    torch.set_num_threads(max(1, min(4, (os.cpu_count() or 2) - 1)))
    return embedded.load(weights)


_LOADERS: dict[str, Callable[[Path], SpeechLALM]] = {DEFAULT: _load_embedded}
