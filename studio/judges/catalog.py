"""The emotion judges this installation knows, by name."""

from __future__ import annotations

from collections.abc import Callable

from studio.errors import StudioError
from studio.judges.base import EmotionJudge

DEFAULT = "embedded"


def judge_names() -> tuple[str, ...]:
    """Names ``load_judge`` takes, the default first."""
    return tuple(_LOADERS)


def load_judge(name: str = DEFAULT) -> EmotionJudge:
    """Load the judge called ``name``. Raises StudioError when there is none or it cannot be loaded."""
    if name not in _LOADERS:
        raise StudioError(f"There is no judge '{name}'; known: {', '.join(_LOADERS)}.")
    return _LOADERS[name]()


def _load_embedded() -> EmotionJudge:
    from studio.judges import embedded

    return embedded.load()


_LOADERS: dict[str, Callable[[], EmotionJudge]] = {DEFAULT: _load_embedded}
