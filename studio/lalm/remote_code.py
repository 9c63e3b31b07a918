"""Code that comes with a checkpoint: what it is, by its hash, and whether the user agreed to run exactly that.

``trust_remote_code`` runs whatever Python lies in the model's folder. It is run here only when the hash of all of it is
the one that was agreed to, so that an update of the checkpoint asks again.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from studio.errors import StudioError

RECIPE = "cosyvoice.yaml"

_CODE = ("*.py", "*.yaml", "*.yml")
"""From a recipe in YAML, HyperPyYAML builds, and so runs, whatever it names: CosyVoice's, MiniCPM-o's ``flow.yaml``."""

_SHOWN = 12


def code_files(folder: Path) -> list[Path]:
    """The Python and YAML files of a checkpoint, in the order of their names."""
    return sorted(path for kind in _CODE for path in folder.rglob(kind) if path.is_file())


def code_digest(folder: Path) -> str:
    """SHA-256, as hex, over names and bytes of a checkpoint's Python and YAML files.

    Raises StudioError when there is none: then it is no checkpoint with code of its own; and when its configs name code
    that lies elsewhere.
    """
    files = code_files(folder)
    if not files:
        raise StudioError(f"'{folder}' holds no Python code, which this model brings along; download it again.")
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    _require_own_code(folder)
    return digest.hexdigest()


def short(digest: str) -> str:
    """The beginning of a digest, for people."""
    return digest[:_SHOWN]


def require_consent(title: str, folder: Path, agreed: str | None) -> str:
    """The digest of a checkpoint's code, once it is what the user ``agreed`` to; raises StudioError otherwise."""
    digest = code_digest(folder)
    if agreed is None:
        raise StudioError(
            f"{title} runs {len(code_files(folder))} Python and YAML files of its own, from '{folder}' (SHA-256 "
            f"{short(digest)}...); agree to running them first."
        )
    if agreed != digest:
        raise StudioError(
            f"The Python and YAML files of {title} in '{folder}' are not those you agreed to (SHA-256 "
            f"{short(digest)}... instead of {short(agreed)}...); look at what changed and agree again, or restore them."
        )
    return digest


def revision(folder: Path, digest: str) -> str:
    """What masks and takes record: the hub's commit, where the folder is a snapshot of its cache, and the code's hash.

    Not the same weights under another name: two revisions that differ in code alone differ here too.
    """
    commit = folder.name if folder.parent.name == "snapshots" else "local"
    return f"{commit}+code.{digest}"


def _require_own_code(folder: Path) -> None:
    """Transformers takes "owner/name--module.Class" from another repository, whose code is in no hash of this one."""
    for path in sorted(folder.glob("*config*.json")):
        try:
            config = json.loads(path.read_bytes())
        except ValueError as problem:
            raise StudioError(f"'{path}' is no JSON; download the model again.") from problem
        if isinstance(config, dict) and "--" in json.dumps(config.get("auto_map")):
            raise StudioError(
                f"'{path}' names code of another repository, which an agreement to this one's does not cover; it is "
                "not run. Choose another checkpoint."
            )
