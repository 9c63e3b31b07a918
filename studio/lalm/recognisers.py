"""The models that recognise emotions, by name or by the folder they lie in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import StudioError

if TYPE_CHECKING:
    from studio.lalm.recognition import SpeechRecogniser

AUDIO_FLAMINGO_3 = "audio-flamingo-3"


def load_recogniser(name: str = AUDIO_FLAMINGO_3) -> SpeechRecogniser:
    """Load ``audio-flamingo-3`` once it is downloaded, or one of its kind from the folder ``name``.

    Raises StudioError when there is none, or it cannot be read.
    """
    if name != AUDIO_FLAMINGO_3 and not Path(name).is_dir():
        raise StudioError(
            f"There is no model '{name}' that recognises; known: {AUDIO_FLAMINGO_3}, or a folder that holds one."
        )
    from studio.lalm import flamingo
    from studio.lalm.catalog import find_model

    if name != AUDIO_FLAMINGO_3:
        return flamingo.load(name)
    entry = find_model(name)
    if entry.problem is not None:
        raise StudioError(f"The model '{name}' cannot be loaded. {entry.problem}")
    return flamingo.load(entry.weights)
