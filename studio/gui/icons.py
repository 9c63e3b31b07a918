"""Icons by what they stand for, drawn in the colours of the scheme in use."""

from __future__ import annotations

import qtawesome
from PySide6.QtGui import QIcon

from studio.gui import theme

_NAMES = {
    "play": "mdi6.play",
    "stop": "mdi6.stop",
    "loop": "mdi6.repeat",
    "swap": "mdi6.swap-vertical",
    "level": "mdi6.scale-balance",
    "lock": "mdi6.lock-outline",
    "unlock": "mdi6.lock-open-variant-outline",
    "open": "mdi6.folder-open-outline",
    "lines": "mdi6.text-box-outline",
    "export": "mdi6.export-variant",
    "cancel": "mdi6.close",
    "theme": "mdi6.theme-light-dark",
    "fit": "mdi6.arrow-expand-horizontal",
    "start": "mdi6.skip-previous",
    "mute": "mdi6.volume-off",
    "mask": "mdi6.blur",
    "dice": "mdi6.dice-5-outline",
    "down": "mdi6.chevron-down",
}


def icon(name: str, *, active: bool = False, on_accent: bool = False) -> QIcon:
    """The icon for ``name``; ``active`` in the accent, ``on_accent`` to stand on it."""
    colours = theme.current()
    colour = colours.accent if active else colours.on_accent if on_accent else colours.text
    result: QIcon = qtawesome.icon(_NAMES[name], color=colour, color_disabled=colours.faint, color_on=colours.accent)
    return result
