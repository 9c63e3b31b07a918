"""Weights in the Hugging Face cache: where they lie, whether they are whole, downloading and removing them."""

from __future__ import annotations

import errno
import importlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from studio import atomic
from studio.errors import Cancelled, StudioError
from studio.lalm.entries import GB, ModelFacts
from studio.lalm.options import ModelOptions, options_of
from studio.lalm.remote_code import RECIPE
from studio.progress import Progress, never, no_progress

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)
"""What the system says when it is not the network's fault."""

_BESIDE_RECIPE = ("llm.pt", "flow.pt", "hift.pt", "campplus.onnx", "speech_tokenizer_v1.onnx", "code/cosyvoice")

MARGIN = GB
"""Bytes of the disk that a download leaves free."""


def cache() -> Path:
    """The hub's cache folder, by the environment variables huggingface_hub documents (its import takes too long here).

    Source: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
    """
    set_to = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")  # the second is its old name
    if set_to:
        return Path(set_to).expanduser()
    home = os.environ.get("HF_HOME")
    if home:
        return Path(home).expanduser() / "hub"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "huggingface" / "hub"


def storage(repo: str) -> Path:
    """The folder of a repository within the cache, of all its revisions."""
    return cache() / f"models--{repo.replace('/', '--')}"


def snapshot(repo: str, revision: str | None) -> Path:
    """The folder of one revision (None: main), there or not."""
    folder = storage(repo)
    if revision is None:
        try:
            revision = (folder / "refs" / "main").read_text().strip()
        except OSError:
            revision = "main"
    return folder / "snapshots" / revision


def repository(folder: Path) -> tuple[str, str] | None:
    """The repository and revision of which a folder is a snapshot; None for a folder outside of a hub's cache."""
    found = re.search(r"models--(.+?)--([^/\\]+)[/\\]snapshots[/\\]([0-9a-f]+)$", str(folder.absolute()))
    return None if found is None else (f"{found[1]}/{found[2]}", found[3])


def is_whole(folder: Path) -> bool:
    """Whether a folder holds a config and every shard its index names, or weights without an index.

    A checkpoint with a recipe: whether everything is there that it is loaded from, its code included.
    """
    if (folder / RECIPE).is_file():
        return all((folder / name).exists() for name in _BESIDE_RECIPE)
    if not (folder / "config.json").is_file():
        return False
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return (folder / "model.safetensors").is_file()
    try:
        shards = set(json.loads(index.read_text())["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError):
        return False
    return bool(shards) and all((folder / str(shard)).is_file() for shard in shards)


def is_installed(facts: ModelFacts, folder: Path) -> bool:
    """Whether everything a model is loaded from is there, with ``folder`` for its own files."""
    own = all((folder / name).is_file() for name in facts.files) if facts.files else is_whole(folder)
    return own and all(snapshot(repo, None).is_dir() for repo in facts.companions)


def offline_reason(facts: ModelFacts, options: ModelOptions) -> str | None:
    """Why nothing may be downloaded for a model, in a sentence; None when it may.

    Source: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables#hfhuboffline
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return f"HF_HUB_OFFLINE is set, so nothing is downloaded; unset it to download {facts.title}."
    if options.offline:
        allow = f"esn-studio models set {facts.name} --no-offline"
        return f"Nothing is to be downloaded for {facts.title}; allow it with: {allow}"
    return None


def download(
    facts: ModelFacts, *, progress: Progress = no_progress, cancelled: Callable[[], bool] = never
) -> Path:  # fmt: skip
    """Download what is still missing of a model, and return its folder.

    Files that are there whole are kept when it stops, so that the next call goes on with the others. Raises Cancelled,
    and StudioError when there is nothing to download, the net may not be asked, no network, no such repository or too
    little room.
    """
    if facts.repo is None:
        raise StudioError(f"{facts.title} ships with the studio; there is nothing to download.")
    refused = offline_reason(facts, options_of(facts.name))
    if refused is not None:
        raise StudioError(refused)
    # The model itself comes last: where it is whole, so is what it needs.
    wanted = [_look(facts, repo, revision) for repo, revision in _repositories(facts)]
    total = sum(sum(each.files.values()) for each in wanted)
    done = sum(size for each in wanted for name, size in each.files.items() if (each.folder / name).is_file())
    _check_room(facts, total - done)
    meter = _meter(total, done, progress, cancelled)
    for each in wanted:
        _fetch(facts, each, meter, cancelled)
    progress(1.0)
    return wanted[-1].folder


@dataclass(frozen=True)
class _Wanted:
    """A repository at the revision that is pinned, or that its main branch is at; ``files``: bytes by name."""

    repo: str
    pinned: bool
    revision: str
    files: dict[str, int]

    @property
    def folder(self) -> Path:
        return storage(self.repo) / "snapshots" / self.revision


def _repositories(facts: ModelFacts) -> list[tuple[str, str | None]]:
    own = [] if facts.repo is None else [(facts.repo, facts.revision)]
    return [*((repo, None) for repo in facts.companions), *own]


def _look(facts: ModelFacts, repo: str, revision: str | None) -> _Wanted:
    from huggingface_hub import HfApi

    with _in_words(facts, repo):
        found = HfApi().model_info(repo, revision=revision, files_metadata=True)
    files = {each.rfilename: each.size or 0 for each in found.siblings or ()}
    if repo == facts.repo and facts.files:
        files = {name: files[name] for name in facts.files if name in files}
    if not files or (repo == facts.repo and len(files) < len(facts.files)):
        raise StudioError(f"The repository '{repo}' does not hold the files of {facts.title}; nothing is downloaded.")
    return _Wanted(repo, revision is not None, found.sha or revision or "main", files)


def _fetch(facts: ModelFacts, wanted: _Wanted, meter: Any, cancelled: Callable[[], bool]) -> None:
    from huggingface_hub import hf_hub_download

    files = wanted.files
    for name in sorted(files, key=lambda name: (files[name], name)):
        if (wanted.folder / name).is_file():
            continue
        if cancelled():
            raise Cancelled
        with _in_words(facts, wanted.repo):
            hf_hub_download(wanted.repo, name, revision=wanted.revision, tqdm_class=meter)
    if not wanted.pinned:
        reference = storage(wanted.repo) / "refs" / "main"
        with _in_words(facts, wanted.repo):
            reference.parent.mkdir(parents=True, exist_ok=True)
            atomic.replace_bytes(reference, wanted.revision.encode())


def remove(facts: ModelFacts) -> int:
    """Delete a model's files, all revisions, finished or not; returns the bytes freed. Raises StudioError."""
    if facts.repo is None:
        raise StudioError(f"{facts.title} ships with the studio and cannot be removed.")
    size = size_on_disk(facts)
    folders = [folder for repo, _ in _repositories(facts) if (folder := storage(repo)).exists()]
    if not folders:
        raise StudioError(f"{facts.title} is not downloaded; there is nothing to remove.")
    for folder in folders:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise StudioError(f"'{folder}' cannot be deleted: {error.strerror or error}.") from error
    return size


def size_on_disk(facts: ModelFacts) -> int:
    """Bytes a model's files take now."""
    return sum(
        path.stat().st_size
        for repo, _ in _repositories(facts)
        for path in storage(repo).rglob("*")
        if path.is_file() and not path.is_symlink()
    )


def _check_room(facts: ModelFacts, need: int) -> None:
    place = cache()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if need + MARGIN > free:
        raise StudioError(
            f"{facts.title} needs {(need + MARGIN) / GB:.1f} GB on the disk of '{place}', which has {free / GB:.1f} GB "
            "free; make room, or set HF_HOME to another disk."
        )


@contextmanager
def _in_words(facts: ModelFacts, repo: str) -> Iterator[None]:
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

    broken: tuple[type[Exception], ...] = (OSError, *_transport_errors())
    try:
        yield
    except GatedRepoError as error:
        raise StudioError(
            f"'{repo}' asks for an agreement first: accept it at https://huggingface.co/{repo}, then log in with: "
            "hf auth login"
        ) from error
    except RepositoryNotFoundError as error:
        raise StudioError(f"The hub has no repository '{repo}' that can be read from here.") from error
    except HfHubHTTPError as error:
        raise StudioError(f"The hub refused {facts.title}: {str(error).splitlines()[0]}.") from error
    except broken as error:
        if isinstance(error, OSError) and error.errno in _DISK:
            raise StudioError(f"{facts.title} cannot be written to '{cache()}': {atomic.reason(error)}.") from error
        raise StudioError(
            f"{facts.title} cannot be downloaded: the hub was not reached, or the connection broke "
            f"({(str(error) or type(error).__name__).splitlines()[0]}); what arrived whole is kept, try again."
        ) from error


def _transport_errors() -> tuple[type[Exception], ...]:
    """What huggingface_hub's HTTP client raises without a connection: its name changed with version 2."""
    found = (name for name in ("httpx2", "httpx") if find_spec(name) is not None)
    return tuple(importlib.import_module(name).TransportError for name in found)


def _meter(total: int, done: int, progress: Progress, cancelled: Callable[[], bool]) -> Any:
    """A class in the shape of tqdm that reports the share of all files, and stops a download that was cancelled."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    state = {"bytes": done}

    class Meter(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **keywords: Any) -> None:
            super().__init__(*args, **keywords | {"disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            if cancelled():
                raise Cancelled
            state["bytes"] += int(n or 0)
            progress(min(1.0, state["bytes"] / max(1, total)))
            return None

    return Meter
