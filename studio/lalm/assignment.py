"""What a host is to load, told by the variables of its environment, since its adapter takes no arguments."""

from __future__ import annotations

import os
from pathlib import Path

from studio.errors import StudioError
from studio.lalm.weights import snapshot

REPO, REVISION, WEIGHTS, AGREED = (
    "ESN_STUDIO_REPO", "ESN_STUDIO_REVISION", "ESN_STUDIO_WEIGHTS", "ESN_STUDIO_AGREED",
)  # fmt: skip


def variables(repo: str | None, revision: str | None, weights: str | None, agreed: str | None) -> dict[str, str]:
    """The environment that assigns a host: to a repository in the hub's cache, or to the folder ``weights``.

    ``agreed``: digest of the code the user agreed to run.
    """
    told = {REPO: repo, REVISION: revision, WEIGHTS: weights, AGREED: agreed}
    return {name: value for name, value in told.items() if value}


def folder() -> Path | None:
    """Where the weights of this process lie, or would; None when it was assigned to nothing."""
    weights, repo = os.environ.get(WEIGHTS), os.environ.get(REPO)
    if weights:
        return Path(weights).expanduser()
    return snapshot(repo, os.environ.get(REVISION) or None) if repo else None


def required_folder() -> Path:
    """As ``folder``; raises StudioError when it was assigned to nothing, or nothing is there."""
    found = folder()
    if found is None:
        raise StudioError(f"This host was not told what to load; it is told by {WEIGHTS} or {REPO}.")
    if not found.is_dir():
        raise StudioError(f"There are no weights in '{found}'; download them, or name another folder.")
    return found


def agreed() -> str | None:
    """The digest of the code the user agreed to run; None when they agreed to none."""
    return os.environ.get(AGREED) or None
