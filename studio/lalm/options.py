"""How a model is to be loaded where it leaves a choice: precision, speaker, offline; kept in a file of the user's."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from studio import atomic
from studio.errors import StudioError
from studio.lalm.entries import ModelFacts
from studio.paths import user_data_dir

FORMAT = "esn-studio model options"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class ModelOptions:
    """None leaves ``precision`` and ``speaker`` to the model; ``offline``: nothing is downloaded for it."""

    precision: str | None = None
    speaker: str | None = None
    offline: bool = False

    @property
    def keywords(self) -> dict[str, Any]:
        """What a loader is called with: only what was chosen."""
        return {name: value for name, value in _chosen(self).items() if name != "offline"}


def options_file() -> Path:
    """Where they are kept."""
    return user_data_dir() / "models.json"


def options_of(name: str) -> ModelOptions:
    """What was chosen for a model. Raises StudioError when the file is there and cannot be read."""
    return _read().get(name, ModelOptions())


def all_options() -> dict[str, ModelOptions]:
    """What was chosen, by model. Raises StudioError as :func:`options_of` does."""
    return _read()


def keep_options(facts: ModelFacts, options: ModelOptions) -> None:
    """Keep what was chosen. Raises StudioError for what the model does not offer, or when it cannot be written."""
    check(facts, options)
    kept = _read() | {facts.name: options}
    chosen = {name: _chosen(each) for name, each in sorted(kept.items()) if each != ModelOptions()}
    atomic.write_json(options_file(), {"format": FORMAT, "version": FORMAT_VERSION, "models": chosen})


def check(facts: ModelFacts, options: ModelOptions) -> None:
    """Raise StudioError when a model offers no such choice."""
    if not facts.configurable:
        raise StudioError(f"{facts.title} has nothing to choose: no precision, no speaker.")
    for what, value, known in (
        ("precision", options.precision, facts.precisions),
        ("speaker", options.speaker, facts.speakers),
    ):
        if value is not None and value not in known:
            raise StudioError(f"{facts.title} has no {what} '{value}'; choose {', '.join(known) or 'none'}.")


def _chosen(options: ModelOptions) -> dict[str, Any]:
    return {name: value for name, value in asdict(options).items() if value}


def _read() -> dict[str, ModelOptions]:
    path = options_file()
    try:
        if not path.exists():
            return {}
        document: Any = json.loads(path.read_bytes())
        if document["format"] == FORMAT and document["version"] == FORMAT_VERSION:
            return {str(name): _options(each) for name, each in document["models"].items()}
        reason = "they are of another version"
    except OSError as error:
        reason = atomic.reason(error)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        reason = "the file is damaged"
    raise StudioError(f"The models' settings in '{path}' cannot be read: {reason}; move the file away to begin anew.")


def _options(written: dict[str, Any]) -> ModelOptions:
    options = ModelOptions(**written)
    texts = (options.precision, options.speaker)
    if not all(value is None or isinstance(value, str) for value in texts) or not isinstance(options.offline, bool):
        raise TypeError("an option of another kind")
    return options
