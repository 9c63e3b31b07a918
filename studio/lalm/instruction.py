"""What every model is asked to do with a recording; the words name the target emotion and nothing else of it."""

from __future__ import annotations

_VOICES = {"surprise": "surprised"}


def instruction(target: str) -> str:
    """The user's words beside the recording, for a target emotion."""
    voice = _VOICES.get(target, target)
    return (
        f"Convert the emotion of this recording to {target}: say exactly the same words as the speaker, and nothing "
        f"else, in a {voice} voice."
    )
