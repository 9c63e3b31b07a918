"""What a sound file claims about itself, and whether it was altered since it was exported."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from studio.atomic import reason
from studio.audio import flac, riff
from studio.audio.files import AudioFileError, fingerprint_of
from studio.errors import StudioError
from studio.session import credentials
from studio.session.provenance import Claims, from_text, settings_digest
from studio.session.sidecar import read_sidecar

_BLOCK = 1 << 20


class Verdict(StrEnum):
    """What looking at a file came to."""

    INTACT = "intact"
    ALTERED = "altered"
    NOTHING = "nothing to verify"


@dataclass(frozen=True)
class Check:
    """One thing looked at: ``holds`` is None where it could not be decided; ``words`` is a sentence."""

    name: str
    holds: bool | None
    words: str


@dataclass(frozen=True)
class Report:
    """A file, whether anything in or beside it says that the speech is synthetic, its claims and the checks made.

    ``sidecar`` is the JSON document beside it, ``manifest`` its content credentials; None where there are none.
    """

    file: Path
    synthetic: bool
    claims: Claims | None
    sidecar: dict[str, Any] | None
    manifest: credentials.Manifest | None
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> Verdict:
        """Altered when any check fails, intact when at least one was made and none failed."""
        decided = [check.holds for check in self.checks if check.holds is not None]
        if not decided:
            return Verdict.NOTHING
        return Verdict.INTACT if all(decided) else Verdict.ALTERED


def verify(path: Path) -> Report:
    """Look at the file's own texts, the sidecar beside it and its content credentials.

    Hashes in texts and sidecars reveal changes made without care or by accident; only signed credentials withstand
    somebody who wants to deceive. Raises StudioError when the file is missing or cannot be read.
    """
    digest = _sha256(path)
    comment, container, carries = _texts(path)
    claims = None if comment is None else from_text(comment)
    sidecar = read_sidecar(path)
    manifest, unread = _manifest(path, container) if carries and container else (None, None)
    checks = [*_check_sidecar(path, sidecar, digest, claims), *_check_sound(path, claims, sidecar)]
    if unread is not None:
        checks.append(unread)
    if manifest is not None:
        checks.append(_check_manifest(manifest))
    made = (credentials.SYNTHETIC, credentials.PARTLY_SYNTHETIC)
    synthetic = (
        (claims is not None and claims.synthetic)
        or (sidecar is not None and sidecar.get("synthetic_speech") is True)
        or (manifest is not None and any(kind in made for kind in manifest.source_types))
    )
    return Report(path, synthetic, claims, sidecar, manifest, tuple(checks))


def _texts(path: Path) -> tuple[str | None, str | None, bool]:
    """The comment of a sound file, its container (WAV, FLAC or None), and whether it carries credentials."""
    with path.open("rb") as stream:
        head = stream.read(4)
        if head == b"RIFF":
            wav = riff.read_texts(stream)
            # Editors that drop INFO often keep bext.
            description = wav.broadcast.description if wav.broadcast is not None else None
            return wav.info.get("ICMT", description), "WAV", wav.credentials
        if head == b"fLaC" or head[:3] == b"ID3":
            found = flac.read_comments(stream)
            return found.comments.get("COMMENT"), "FLAC", found.credentials
    return None, None, False


def _check_sidecar(path: Path, sidecar: dict[str, Any] | None, digest: str, claims: Claims | None) -> Iterator[Check]:
    if sidecar is None:
        return
    beside = path.with_suffix(".json").name
    same = sidecar["audio"]["sha256"] == digest
    yield Check(
        "file",
        same,
        f"Every byte is as {beside} says." if same else f"The file is not the one {beside} was written for.",
    )
    settings = sidecar.get("settings")
    if claims is not None and claims.settings is not None and isinstance(settings, dict):
        agrees = settings_digest(settings) == claims.settings
        yield Check(
            "settings",
            agrees,
            f"The settings in {beside} are those the file names."
            if agrees
            else f"The settings in {beside} are not those the file names.",
        )


def _check_sound(path: Path, claims: Claims | None, sidecar: dict[str, Any] | None) -> Iterator[Check]:
    claimed = (claims.sound if claims is not None else None) or (sidecar or {}).get("audio", {}).get("sound_sha256")
    if not claimed:
        return
    try:
        same = fingerprint_of(path) == claimed
    except AudioFileError as error:
        yield Check("sound", False, f"The sound cannot be read: {error}")
        return
    words = "The sound is as it was exported." if same else "The sound is not what was exported: it was changed."
    yield Check("sound", same, words)


def _manifest(path: Path, container: str) -> tuple[credentials.Manifest | None, Check | None]:
    missing = credentials.missing_package()
    if missing is not None:
        return None, Check("credentials", None, f"The file carries content credentials that were not read. {missing}.")
    try:
        return credentials.read_manifest(path, container), None
    except StudioError as error:
        return None, Check("credentials", False, str(error))


def _check_manifest(manifest: credentials.Manifest) -> Check:
    signer = manifest.signer or "somebody the certificate does not name"
    if not manifest.intact:
        why = ", ".join(manifest.problems) or "invalid"
        return Check("credentials", False, f"The content credentials signed by {signer} do not hold: {why}.")
    if manifest.doubts:
        why = ", ".join(manifest.doubts)
        words = f"The content credentials fit the file, but the certificate of {signer} cannot be relied on: {why}."
        return Check("credentials", None, words)
    words = f"The content credentials hold; they are signed by {signer} (whether to trust the signer is for you)."
    return Check("credentials", True, words)


def _sha256(path: Path) -> str:
    if path.is_dir():
        raise StudioError(f"'{path}' is a folder; name a sound file in it.")
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        raise StudioError(f"'{path}' cannot be opened: {reason(error)}.") from error
    return digest.hexdigest()
