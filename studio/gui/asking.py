"""What the panel shows as settings of a render; runs in workers, so that the window never waits for model code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.gui.shown import ShownMask, Steer

if TYPE_CHECKING:
    from studio.esn.emosteer import EmoVectors
    from studio.session.settings import RenderSettings


def settings_of(steer: Steer, mask: ShownMask | None) -> RenderSettings:
    """Settings that render ``steer``, muted emotions left out."""
    from studio.esn.automation import Automation
    from studio.esn.intervention import Mode, TokenScope
    from studio.lalm.base import Content
    from studio.session.settings import RenderSettings

    steer = steer.canonical()
    return RenderSettings(
        target=steer.target or "",
        mode=Mode.GAIN if steer.learned else Mode(steer.mode),
        strengths={} if steer.learned else dict(steer.strengths),
        alphas=dict(steer.strengths) if steer.learned else {},
        emosteer_path=steer.vectors.path if steer.vectors is not None else None,
        emosteer_sha=steer.vectors.fingerprint if steer.vectors is not None else None,
        mask_path=str(mask.path) if mask is not None else None,
        module=steer.module,
        layers=steer.layers,
        scope=TokenScope(steer.scope),
        automation=Automation(steer.automation) if steer.automation else None,
        seed=steer.seed,
        content=Content(steer.content),
    )


def vectors_of(steer: Steer) -> EmoVectors | None:
    """The learned vectors that ``steer`` needs, read anew; raises StudioError when they are not what they were."""
    from pathlib import Path

    from studio.errors import StudioError
    from studio.esn.emosteer import EmoVectors

    steer = steer.canonical()
    if not steer.learned or steer.vectors is None:
        return None
    vectors = EmoVectors.load(Path(steer.vectors.path))
    if vectors.fingerprint() != steer.vectors.fingerprint:
        raise StudioError(f"'{steer.vectors.path}' holds other learned vectors than when it was opened; open it again.")
    return vectors
