"""What the panel shows as settings of a render; runs in workers, so that the window never waits for model code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.gui.state import ShownMask, Steer

if TYPE_CHECKING:
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
        mode=Mode(steer.mode),
        strengths=dict(steer.strengths),
        mask_path=str(mask.path) if mask is not None else None,
        module=steer.module,
        layers=steer.layers,
        scope=TokenScope(steer.scope),
        automation=Automation(steer.automation) if steer.automation else None,
        seed=steer.seed,
        content=Content(steer.content),
    )
