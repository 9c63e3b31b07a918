"""What to render: a sound file, or a line of the demo corpus."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from studio.audio.clip import Clip
from studio.audio.files import load_clip
from studio.corpora import esd
from studio.corpora.base import Utterance
from studio.errors import StudioError
from studio.lalm.base import Content, ModelInfo
from studio.paths import resources_dir

DEMO_PREFIX = "demo:"
DEFAULT_LINE = "demo:0011_000001"


@dataclass(frozen=True, eq=False)
class Source:
    """A clip to render, what it says (None when nobody said), and whether it is a demo line."""

    clip: Clip
    text: str | None
    is_demo: bool


def demo_lines() -> list[Utterance]:
    """Every line of the demo corpus; raises StudioError when it is not there."""
    return esd.read(resources_dir() / "demo")


def open_source(spec: str, *, text: str | None = None, max_seconds: float | None = None) -> Source:
    """Open ``spec``: a path, or ``demo:`` and the id of a demo line such as ``demo:0011_000001``.

    ``text`` is the transcript and goes before the corpus's own. Raises StudioError when there is no such line or file,
    or it cannot be read.
    """
    if not spec.startswith(DEMO_PREFIX):
        return Source(load_clip(Path(spec), max_seconds), text, is_demo=False)
    wanted = spec.removeprefix(DEMO_PREFIX)
    for line in demo_lines():
        if line.path.stem == wanted:
            clip = replace(load_clip(line.path, max_seconds), name=wanted)
            return Source(clip, text if text is not None else line.text, is_demo=True)
    raise StudioError(f"There is no demo line '{wanted}'; ids run from 0011_000001 to 0020_000060.")


def content_for(source: Source, info: ModelInfo, wanted: Content | None = None) -> Content:
    """``wanted``, or by default free generation for demo lines and content lock for other recordings.

    A model without content lock always generates freely.
    """
    if wanted is not None:
        return wanted
    locks = not source.is_demo and Content.LOCK in info.content_modes
    return Content.LOCK if locks else Content.FREE
