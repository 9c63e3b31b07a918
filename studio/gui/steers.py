"""The panel's values from render settings, and as they are kept in projects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from studio.gui.asking import settings_of
from studio.gui.shown import LEARNED, LearnedFile, Steer

if TYPE_CHECKING:
    from studio.session.settings import RenderSettings

_ANY_TARGET = "neutral"


def steer_of(settings: RenderSettings) -> Steer:
    """The values that ask for these settings."""
    vectors = None
    if settings.emosteer_path is not None and settings.emosteer_sha is not None:
        vectors = LearnedFile(settings.emosteer_path, settings.emosteer_sha, tuple(settings.alphas))
    return Steer(
        target=settings.target,
        mode=LEARNED if settings.alphas else str(settings.mode),
        strengths=dict(settings.alphas or settings.strengths),
        vectors=vectors,
        layers=settings.layers,
        module=settings.module,
        scope=str(settings.scope),
        seed=settings.seed,
        content=str(settings.content),
        automation=None if settings.automation is None else tuple(settings.automation.points),
    )


def panel_document(steer: Steer) -> dict[str, Any]:
    """The values as plain JSON, a target or none."""
    return settings_of(Steer(target=_ANY_TARGET), None).to_json() | {
        "target": steer.target,
        "mode": "gain" if steer.learned else steer.mode,
        "learned": steer.learned,
        "strengths": {} if steer.learned else dict(steer.strengths),
        "alphas": dict(steer.strengths) if steer.learned else {},
        "emosteer_path": None if steer.vectors is None else steer.vectors.path,
        "emosteer_sha": None if steer.vectors is None else steer.vectors.fingerprint,
        "emosteer_emotions": [] if steer.vectors is None else list(steer.vectors.emotions),
        "layers": None if steer.layers is None else list(steer.layers),
        "module": steer.module,
        "scope": steer.scope,
        "automation": None if steer.automation is None else [list(point) for point in steer.automation],
        "seed": steer.seed,
        "content": steer.content,
        "muted": sorted(steer.muted),
    }


def read_panel(document: Mapping[str, Any]) -> Steer:
    """The values ``panel_document`` wrote; raises StudioError when they are not in order."""
    from studio.session.settings import RenderSettings

    if not document:
        return Steer()
    target = document.get("target")
    settings = RenderSettings.from_json(dict(document) | {"target": _ANY_TARGET if target is None else target})
    muted = frozenset(str(emotion) for emotion in document.get("muted", ()))
    steer = replace(steer_of(settings), target=target, muted=muted)
    if steer.vectors is not None:
        held = tuple(str(emotion) for emotion in document.get("emosteer_emotions", ()))
        steer = replace(steer, vectors=replace(steer.vectors, emotions=held))
    return replace(steer, mode=LEARNED) if document.get("learned") else steer
