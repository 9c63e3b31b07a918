"""Takes as JSON: everything but the samples, written and read back."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from studio.audio.clip import Clip
from studio.session.settings import RenderSettings
from studio.session.take import Flag, Take

MOST_STARS = 5

_ID = re.compile(r"[0-9a-f]{32}")


def take_record(take: Take) -> dict[str, Any]:
    """``take`` without its samples, as plain JSON values."""
    return {
        "id": take.id,
        "name": take.name,
        "created": take.created,
        "seconds": take.seconds,
        "source_name": take.source_name,
        "reference": take.reference,
        "revision": take.revision,
        "config_digest": take.config_digest,
        "settings": take.settings.to_json(),
        "text": take.text,
        "wer": take.wer,
        "heard_wer": take.heard_wer,
        "judge": take.judge,
        "judged": dict(take.judged),
        "flags": [str(flag) for flag in take.flags],
        "naturalness": take.naturalness,
        "similarity": take.similarity,
        "stars": take.stars,
        "note": take.note,
    }


def read_take(record: Mapping[str, Any], source: Clip, audio: Clip) -> Take:
    """The take that ``take_record`` described.

    Raises KeyError, TypeError, ValueError, AttributeError or StudioError when the record is not in order.
    """
    identity = text(record["id"])
    if not _ID.fullmatch(identity):
        raise ValueError(f"the take's id is {identity[:40]!r}")
    stars = whole(record["stars"])
    if not 0 <= stars <= MOST_STARS:
        raise ValueError(f"{stars} stars")
    created = text(record["created"])
    datetime.fromisoformat(created)
    return Take(
        id=identity,
        source=source,
        source_name=text(record["source_name"]),
        reference=None if record["reference"] is None else text(record["reference"]),
        settings=RenderSettings.from_json(record["settings"]),
        revision=text(record["revision"]),
        config_digest=text(record["config_digest"]),
        text=text(record["text"]),
        audio=audio,
        wer=_measured(record["wer"]),
        heard_wer=_measured(record["heard_wer"]),
        judged={text(emotion): _finite(share) for emotion, share in record["judged"].items()},
        judge=text(record["judge"]),
        flags=tuple(Flag(flag) for flag in record["flags"]),
        created=created,
        seconds=_finite(record["seconds"]),
        note=text(record["note"]),
        stars=stars,
        name=text(record["name"]),
        naturalness=_measured(record["naturalness"]),
        similarity=_measured(record["similarity"]),
    )


def text(value: Any) -> str:
    """``value`` if it is text; raises TypeError otherwise."""
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} instead of text")
    return value


def whole(value: Any) -> int:
    """``value`` if it is a whole number; raises TypeError otherwise."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{type(value).__name__} instead of a whole number")
    return value


def _finite(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise TypeError(f"{value!r} instead of a number")
    return float(value)


def _measured(value: Any) -> float | None:
    return None if value is None else _finite(value)
