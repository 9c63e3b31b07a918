"""What an export says about itself: that the speech is synthetic, and what made it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import studio
from studio.audio.riff import Broadcast

if TYPE_CHECKING:
    # Takes reach torch; a file is verified without it.
    from studio.session.take import Take

TOOL = "ESN Studio"
DISCLOSURE = "Synthetic speech: made by an audio language model; no person said this in this way."
MARK = "Synthetic speech"
"""What every text that claims it begins with."""

_CLAIM = re.compile(r"\b(tool|model|mask|settings|sound)=([^;]+)")
_DESCRIPTION_CHARACTERS = 256


@dataclass(frozen=True)
class Claims:
    """What a sound file's own texts claim; hashes are SHA-256 as hex, None where nothing is claimed.

    ``settings`` is the digest of the render settings, ``sound`` the fingerprint of rate and samples in the file.
    """

    synthetic: bool
    tool: str | None = None
    model: str | None = None
    mask: str | None = None
    settings: str | None = None
    sound: str | None = None


def settings_digest(settings: Mapping[str, Any]) -> str:
    """SHA-256 over render settings as JSON; where files of steering lay does not enter it, their fingerprints do."""
    kept = {name: value for name, value in settings.items() if name not in ("mask_path", "emosteer_path")}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def claims_of(take: Take, sound: str) -> Claims:
    """What an export of ``take`` claims; ``sound`` is the fingerprint of the samples as they are in the file."""
    return Claims(
        synthetic=True,
        tool=f"{TOOL} {studio.__version__}",
        model=f"{take.settings.model_id}@{take.revision}",
        mask=take.settings.mask_sha,
        settings=settings_digest(take.settings.to_json()),
        sound=sound,
    )


def to_text(claims: Claims, disclosure: str = DISCLOSURE) -> str:
    """The claims in one line, for a comment field: a sentence for people, then ``name=value`` pairs."""
    named = {
        "tool": claims.tool,
        "model": claims.model,
        "mask": claims.mask,
        "settings": claims.settings,
        "sound": claims.sound,
    }
    pairs = "; ".join(f"{name}={_plain(value)}" for name, value in named.items() if value)
    return f"{disclosure} {pairs}" if disclosure else pairs


def from_text(text: str) -> Claims | None:
    """The claims in a comment field; None when it makes none."""
    found = {name: value.strip() for name, value in _CLAIM.findall(text)}
    synthetic = text.startswith(MARK)
    return Claims(synthetic, **found) if synthetic or "sound" in found else None


def info_texts(claims: Claims, title: str, text: str, created: str) -> dict[str, str]:
    """RIFF INFO fields by code."""
    keywords = {"IKEY": MARK.lower()} if claims.synthetic else {}
    tool = f"{TOOL} {studio.__version__}"
    return {"INAM": title, "IART": TOOL, "ICMT": text, "ICRD": created[:10], **keywords, "ISFT": tool}


def vorbis_comments(claims: Claims, title: str, text: str, created: str) -> dict[str, str]:
    """Vorbis comments by name."""
    genre = {"GENRE": MARK.lower()} if claims.synthetic else {}
    tool = f"{TOOL} {studio.__version__}"
    return {"TITLE": title, "ARTIST": TOOL, "COMMENT": text, "DATE": created[:10], **genre, "ENCODER": tool}


def broadcast(claims: Claims, summary: str, created: str, coding: str, loudness: float | None) -> Broadcast:
    """The ``bext`` chunk: that the speech is synthetic in the first words, where every player shows it."""
    details = [
        f"model {claims.model}" if claims.model else "",
        f"mask {claims.mask[:16]}" if claims.mask else "",
        f"settings {claims.settings[:16]}" if claims.settings else "",
    ]
    description = f"{MARK}: {summary}. " if claims.synthetic else f"{summary}. "
    history = f"{coding},T={TOOL} {studio.__version__}" + (f"; {MARK.lower()}" if claims.synthetic else "")
    return Broadcast(
        description=(description + "; ".join(filter(None, details)))[:_DESCRIPTION_CHARACTERS],
        originator=TOOL,
        reference=(claims.settings or "")[:32],
        date=created[:10],
        time=created[11:19],
        coding_history=f"{history}\r\n",
        loudness=loudness,
    )


def _plain(value: str) -> str:
    return re.sub(r"[;\s]+", "_", value) if ";" in value else value
