"""How long work says how far it is, and is asked to stop."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float], None]
"""Called with the share done, 0..1, from the worker thread."""


def no_progress(share: float) -> None:
    """Ignore progress."""


def never() -> bool:
    """A cancel flag that is never set."""
    return False
