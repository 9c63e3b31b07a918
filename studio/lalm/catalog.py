"""The models this installation knows, whether each can be loaded here, and the loading; see ``entries`` to add one."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import StudioError
from studio.lalm import consent
from studio.lalm import weights as store
from studio.lalm.entries import BY_HAND, ENTRIES, IN_PROCESS, JUDGES, ModelFacts
from studio.lalm.options import ModelOptions, options_of
from studio.lalm.runtimes.records import find_record, host_of, lacking
from studio.lalm.runtimes.specs import find_runtime
from studio.paths import resources_dir
from studio.progress import never

if TYPE_CHECKING:
    # The protocol reaches torch, which a list of models can do without.
    from studio.lalm.base import SpeechLALM

DEFAULT = "embedded"

HOSTED = "embedded-hosted"
"""The embedded model in a process of its own; for developers, so it is not listed."""

_HOSTED = replace(ENTRIES[0], name=HOSTED, title="Embedded (hosted)", loader="studio.lalm.catalog:load_hosted")


class Lack(StrEnum):
    """What keeps a model from being loaded, and can be mended."""

    PACKAGE = "package"
    WEIGHTS = "weights"
    ENVIRONMENT = "environment"


@dataclass(frozen=True)
class CatalogEntry:
    """A model as it stands on this machine.

    ``weights``: where its files lie, or would. ``problem`` says in a sentence why it cannot be loaded here, and
    ``lacks`` of what kind that is; None when it can be tried.
    """

    facts: ModelFacts
    weights: Path
    installed: bool
    problem: str | None
    lacks: Lack | None

    @property
    def name(self) -> str:
        """The name it is loaded with."""
        return self.facts.name

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.facts.title

    @property
    def description(self) -> str:
        """What it is."""
        return self.facts.description

    @property
    def available(self) -> bool:
        """Whether ``load_model`` can be tried."""
        return self.problem is None


def models() -> list[CatalogEntry]:
    """All known models, the default first, those that only judge last; nothing is loaded."""
    return [_entry(facts) for facts in (*ENTRIES, *JUDGES)]


def find_model(name: str) -> CatalogEntry:
    """The entry called ``name``; raises StudioError naming the known ones when there is none."""
    for facts in (*ENTRIES, *JUDGES, *BY_HAND, _HOSTED):
        if facts.name == name:
            return _entry(facts)
    known = ", ".join(facts.name for facts in (*ENTRIES, *BY_HAND))
    raise StudioError(f"There is no model '{name}'; known: {known}.")


def ready(name: str) -> CatalogEntry:
    """The entry called ``name``, once nothing that is known beforehand is in the way of loading it.

    Raises StudioError when it is unknown or cannot be loaded here, ConsentNeeded when it runs code that the user has
    not agreed to.
    """
    entry = find_model(name)
    if not entry.facts.converts and not entry.facts.recognises:
        raise StudioError(f"{entry.title} does not speak; it judges what others say (--judge, or evaluate --measures).")
    if not entry.facts.converts:
        raise StudioError(f"{entry.title} does not speak; what it recognises is studied with: esn-studio recognise")
    if entry.problem is not None:
        raise StudioError(f"The model '{name}' cannot be loaded. {entry.problem}")
    if entry.facts.remote_code:
        consent.require(code_of(entry))
    return entry


def code_of(entry: CatalogEntry) -> consent.CodeOffer:
    """The code that a downloaded model brings along. Raises StudioError when it has none, or is not there."""
    facts = entry.facts
    if not facts.remote_code or facts.repo is None:
        raise StudioError(f"{facts.title} brings no code of its own; there is nothing to agree to.")
    if not entry.installed:
        raise StudioError(f"The code of {facts.title} comes with its weights. {entry.problem}")
    if host_of(facts.runtime) is not None:
        from studio.lalm.runtimes.start import code_there

        return code_there(facts)
    return consent.offer(facts.name, facts.title, facts.repo, facts.agreed_revision, entry.weights)


def load_model(
    name: str = DEFAULT, options: ModelOptions | None = None, cancelled: Callable[[], bool] = never
) -> SpeechLALM:
    """Load the model called ``name``; ``options`` None: those that are kept for it.

    Raises as :func:`ready` does, and Cancelled: what is loaded in a process of its own can be given up.
    """
    entry = ready(name)
    if entry.facts.runtime != IN_PROCESS:
        from studio.lalm.runtimes.start import start

        return start(entry.facts, cancelled)
    module, _, function = entry.facts.loader.partition(":")
    load: Callable[..., SpeechLALM] = getattr(importlib.import_module(module), function)
    keywords = (options_of(name) if options is None else options).keywords if entry.facts.configurable else {}
    # From the folder, whole as it is, rather than by name: for a name, transformers asks the hub what else there is.
    return load(entry.weights, **keywords)


def load_hosted(_weights: Path) -> SpeechLALM:
    """Load the model that ships with the studio in a process of its own."""
    from studio.lalm.hosted import HostedLALM

    return HostedLALM((sys.executable, "-m", "studio.lalm.host", "studio.lalm.embedded:load"), "Embedded (hosted)")


def load_embedded(weights: Path) -> SpeechLALM:
    """Load the model that ships with the studio from its folder."""
    import torch

    from studio.lalm import embedded

    # One core stays free for the vocoder and the window; more than a few threads do not help layers this small.
    torch.set_num_threads(max(1, min(4, (os.cpu_count() or 2) - 1)))
    return embedded.load(weights)


def _entry(facts: ModelFacts) -> CatalogEntry:
    if facts.repo is None:
        folder = resources_dir() / DEFAULT
        present = (folder / "model.safetensors").is_file()
        problem = None if present else f"Its weights are missing from '{folder}'; check the project out again."
        return CatalogEntry(facts, folder, present, problem, None if present else Lack.WEIGHTS)
    record = None if facts.runtime == IN_PROCESS else find_record(facts.runtime)
    named = None if record is None else record.weights
    folder = store.snapshot(facts.repo, facts.revision) if named is None else Path(named)
    # What lies on another machine is asked for when the model is loaded there.
    present = host_of(facts.runtime) is not None or store.is_installed(facts, folder)
    problem, lacks = _problem(facts, present)
    return CatalogEntry(facts, folder, present, problem, lacks)


def _problem(facts: ModelFacts, present: bool) -> tuple[str, Lack] | tuple[None, None]:
    """What stands in the way of loading a model of the hub whose weights are ``present`` or not, and its kind."""
    if not present and facts in BY_HAND:
        make = f"esn-studio runtime create {facts.runtime} --weights FOLDER"
        by_hand = f"put into one folder by hand (see docs/{facts.runtime}.md); then run: {make}"
        return f"Its weights and its code are {by_hand}", Lack.WEIGHTS
    if facts.package is not None and find_spec(facts.package[0]) is None:
        return f"It needs a package that is not installed: pip install {facts.package[1]}", Lack.PACKAGE
    if not present:
        return f"It is not downloaded; run: esn-studio models download {facts.name}", Lack.WEIGHTS
    wrong = None if facts.runtime == IN_PROCESS else lacking(find_runtime(facts.runtime))
    return (None, None) if wrong is None else (wrong, Lack.ENVIRONMENT)
