"""What the user agreed to run: the code a model brings along, at one revision, with one hash; kept in a file of theirs.

Nothing is agreed to by a file that is missing, damaged, foreign or of a newer version: such a file grants nothing, and
the next agreement replaces it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from studio import atomic
from studio.errors import StudioError
from studio.lalm.remote_code import code_digest, code_files, short
from studio.paths import user_data_dir

FORMAT = "esn-studio consent"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Consent:
    """One agreement: ``model`` by its name in the catalog, the hub's ``revision``, the ``digest`` of its code.

    ``date``: when, in ISO 8601, UTC.
    """

    model: str
    revision: str
    digest: str
    date: str = ""


@dataclass(frozen=True)
class CodeOffer:
    """Code that waits for an agreement: whose it is, and what it is made of.

    ``files``: names within ``folder``; ``size``: their bytes together; ``digest`` as by ``remote_code.code_digest``.
    """

    model: str
    title: str
    repository: str
    revision: str
    folder: Path
    digest: str
    files: tuple[str, ...]
    size: int

    def is_granted(self) -> bool:
        """Whether exactly this was agreed to."""
        return granted(self.model, self.revision, self.digest)

    def grant(self) -> None:
        """Agree to exactly this. Raises StudioError when that cannot be kept."""
        grant(self.model, self.revision, self.digest)


class ConsentNeeded(StudioError):
    """A model cannot be loaded before the user agreed to run the ``code`` it brings along."""

    def __init__(self, code: CodeOffer) -> None:
        super().__init__(
            f"{code.title} runs {len(code.files)} Python and YAML files of its own (SHA-256 {short(code.digest)}...), "
            f"which nobody agreed to yet; to read what that means and agree: esn-studio models consent {code.model}"
        )
        self.code = code


def consent_file() -> Path:
    """Where agreements are kept."""
    return user_data_dir() / "consent.json"


def given() -> list[Consent]:
    """All agreements, in order of model and revision."""
    try:
        document: Any = json.loads(consent_file().read_bytes())
        if document["format"] != FORMAT or document["version"] != FORMAT_VERSION:
            return []
        found = [Consent(**each) for each in document["agreed"]]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return []
    whole = [each for each in found if all(isinstance(value, str) for value in asdict(each).values())]
    return sorted(whole, key=lambda each: (each.model, each.revision))


def granted(model: str, revision: str, digest: str) -> bool:
    """Whether the user agreed to run the code with this digest for this model at this revision."""
    return agreed(model, revision) == digest


def agreed(model: str, revision: str) -> str | None:
    """The digest that was agreed to for a model's revision, for ``remote_code.require_consent``; None when none was."""
    for each in given():
        if (each.model, each.revision) == (model, revision):
            return each.digest
    return None


def grant(model: str, revision: str, digest: str) -> None:
    """Keep an agreement, in place of an earlier one to this revision. Raises StudioError when it cannot be written."""
    others = [each for each in given() if (each.model, each.revision) != (model, revision)]
    _write([*others, Consent(model, revision, digest, datetime.now(UTC).isoformat(timespec="seconds"))])


def revoke(model: str) -> int:
    """Forget every agreement of a model; how many there were. Raises StudioError when that cannot be written."""
    before = given()
    kept = [each for each in before if each.model != model]
    if len(kept) < len(before):
        _write(kept)
    return len(before) - len(kept)


def offer(model: str, title: str, repository: str, revision: str, folder: Path) -> CodeOffer:
    """What there is to agree to in a checkpoint's folder. Raises StudioError when there is none, or no reading it."""
    try:
        digest = code_digest(folder)
        paths = code_files(folder)
        size = sum(path.stat().st_size for path in paths)
    except OSError as error:
        raise StudioError(f"The code of {title} in '{folder}' cannot be read: {atomic.reason(error)}.") from error
    names = tuple(path.relative_to(folder).as_posix() for path in paths)
    return CodeOffer(model, title, repository, revision, folder, digest, names, size)


def require(code: CodeOffer) -> None:
    """Raise ConsentNeeded when exactly this code was not agreed to."""
    if not code.is_granted():
        raise ConsentNeeded(code)


def in_words(code: CodeOffer) -> str:
    """What running it means, in plain sentences."""
    return (
        f"{code.title} comes with {len(code.files)} Python and YAML files of its own, which are no part of ESN Studio "
        "and were not checked by it. To use the model they have to run on the machine that holds it, in a process of "
        "their own, with everything you may do there: read and write your files, use the network. Agree only if you "
        f"trust whoever published '{code.repository}'. The agreement holds for exactly these files (SHA-256 "
        f"{short(code.digest)}...): when one of them changes, you are asked again."
    )


def _write(agreements: list[Consent]) -> None:
    ordered = sorted(agreements, key=lambda each: (each.model, each.revision))
    document = {"format": FORMAT, "version": FORMAT_VERSION, "agreed": [asdict(each) for each in ordered]}
    atomic.write_json(consent_file(), document)
