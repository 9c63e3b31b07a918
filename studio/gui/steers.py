"""The panel's values as render settings, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from studio.gui.state import Steer

if TYPE_CHECKING:
    from studio.session.settings import RenderSettings

_ANY_TARGET = "neutral"


def settings_of(steer: Steer, mask_path: str | None = None) -> RenderSettings:
    """The settings a render with these values has; raises StudioError when one is out of range or no target is set."""
    from studio.esn.intervention import Mode, TokenScope
    from studio.lalm.base import Content
    from studio.session.settings import RenderSettings

    return RenderSettings(
        target=steer.target or "",
        mode=Mode(steer.mode),
        strengths=dict(steer.strengths),
        mask_path=mask_path,
        module=steer.module,
        layers=steer.layers,
        scope=TokenScope(steer.scope),
        seed=steer.seed,
        content=Content(steer.content),
    )


def steer_of(settings: RenderSettings) -> Steer:
    """The values that ask for these settings."""
    known = [each.name for each in fields(Steer) if hasattr(settings, each.name)]
    return Steer(**{name: _plain(getattr(settings, name)) for name in known})


def panel_document(steer: Steer) -> dict[str, Any]:
    """The values as plain JSON, a target or none."""
    return settings_of(replace(steer, target=steer.target or _ANY_TARGET)).to_json() | {"target": steer.target}


def read_panel(document: Mapping[str, Any]) -> Steer:
    """The values ``panel_document`` wrote; raises StudioError when they are not in order."""
    from studio.session.settings import RenderSettings

    if not document:
        return Steer()
    target = document.get("target")
    settings = RenderSettings.from_json(dict(document) | {"target": _ANY_TARGET if target is None else target})
    return replace(steer_of(settings), target=target)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Enum) else value
