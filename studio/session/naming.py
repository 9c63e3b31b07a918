"""File names of exports, from a template: ``{source} {target} {mode} {strengths}``."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from studio.atomic import reason
from studio.errors import StudioError

if TYPE_CHECKING:
    # Takes reach torch; names are made without it.
    from studio.session.take import Take

DEFAULT_TEMPLATE = "{source} {target} {mode} {strengths} {seed}"

FIELDS: Mapping[str, str] = {
    "source": "name of the recording",
    "target": "target emotion",
    "mode": "kind of steering; empty for a baseline",
    "strengths": "what was steered how strongly; 'baseline' when nothing was",
    "layers": "layer window; empty for all",
    "seed": "seed; empty for greedy decoding",
    "take": "number of the take",
    "stars": "stars given",
    "verdict": "emotion the judge hears",
    "model": "model it was rendered with",
    "date": "day it was rendered (UTC)",
    "time": "time it was rendered (UTC)",
}
"""What a template may name, with what it stands for."""

_LONGEST_BYTES = 160
"""Of a name without suffix: room is left for a number, the suffix, and what a file is called while it is written."""

_SUFFIXES = (".wav", ".flac", ".json", ".cue")

# Windows keeps these for devices, with any suffix.
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}


def take_name(take: Take, number: int = 1, template: str = DEFAULT_TEMPLATE) -> str:
    """A file name without suffix, such as ``0011_000001_angry_gain_angry0.50``, safe on every system.

    Fields that are empty leave no gap. Raises StudioError when the template names what ``FIELDS`` does not.
    """
    values = _values(take, number)
    parts = [text if name is None else text + values[name] for text, name in parse(template)]
    return safe_name("".join(parts))


def parse(template: str) -> list[tuple[str, str | None]]:
    """A template as pairs of literal text and the field that follows it (None after the last).

    Raises StudioError when a brace is unbalanced or a field is not one of ``FIELDS``.
    """
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        raise StudioError(
            f"The name template '{template}' has an unbalanced brace; write fields as {{source}}."
        ) from error
    for _text, name, form, conversion in pieces:
        if name is not None and (name not in FIELDS or form or conversion):
            asked = name + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
            raise StudioError(f"The name template has no field {{{asked}}}; known: {', '.join(FIELDS)}.")
    return [(text, name) for text, name, _form, _conversion in pieces]


def safe_name(text: str) -> str:
    """``text`` as a file name without suffix that any system takes: letters, digits and ``_ . + -`` in any script."""
    plain = re.sub(r"[^\w.+-]+", "_", text)
    plain = re.sub(r"_{2,}", "_", plain).strip("._-")
    plain = plain.encode("utf-8")[:_LONGEST_BYTES].decode("utf-8", "ignore").rstrip("._-")
    if plain.split(".")[0].lower() in _RESERVED:
        plain = f"{plain}_"
    return plain or "take"


def numbered(name: str) -> Iterator[str]:
    """``name``, ``name-2``, ``name-3``, ... without end."""
    yield name
    for number in count(2):
        yield f"{name}-{number}"


def plan(names: Sequence[str], taken: set[str]) -> list[str]:
    """``names`` as they will be: those in ``taken``, and one another, are given way to; case does not tell apart."""
    held = {name.lower() for name in taken}
    planned = []
    for name in names:
        free = next(each for each in numbered(name) if each.lower() not in held)
        held.add(free.lower())
        planned.append(free)
    return planned


def taken_names(folder: Path) -> set[str]:
    """Names without suffix that exports in ``folder`` give way to; none when there is no such folder."""
    try:
        return {path.stem for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES}
    except OSError:
        return set()


def reserve(folder: Path, name: str, suffix: str) -> Path:
    """Create an empty file ``name`` + ``suffix`` in ``folder`` that nobody else holds; the name gets a number if taken.

    Taken is what any sound, JSON or cue file there is called, so that none passes for another's. The folder is made
    if need be. Raises StudioError when it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for stem in numbered(name):
            path = folder / f"{stem}{suffix}"
            if any((folder / f"{stem}{each}").exists() for each in _SUFFIXES):
                continue
            try:
                path.open("xb").close()
            except FileExistsError:
                continue
            return path
    except OSError as error:
        raise StudioError(f"'{folder}' cannot be written to: {reason(error)}; choose another folder.") from error
    raise AssertionError("numbers never run out")


def strength_name(strength: float) -> str:
    """A strength with two decimals, or three where they say more: ``0.50``, ``0.125``."""
    return f"{strength:.2f}" if round(strength, 2) == round(strength, 3) else f"{strength:.3f}"


def _values(take: Take, number: int) -> dict[str, str]:
    settings = take.settings
    steered = [f"{emotion}{strength_name(value)}" for emotion, value in settings.strengths.items() if value]
    created = datetime.fromisoformat(take.created)
    return {
        "source": take.source_name or "take",
        "target": settings.target,
        "mode": str(settings.mode) if steered else "",
        "strengths": "_".join(steered) if steered else "baseline",
        "layers": "" if settings.layers is None else f"layers{settings.layers[0]}-{settings.layers[1]}",
        "seed": "" if settings.seed is None else f"seed{settings.seed}",
        "take": f"{number:02d}",
        "stars": str(take.stars),
        "verdict": take.verdict or "",
        "model": settings.model_id,
        "date": f"{created:%Y-%m-%d}",
        "time": f"{created:%H%M%S}",
    }
