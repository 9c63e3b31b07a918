"""Icons by what they stand for, drawn in the colours of the scheme in use."""

from __future__ import annotations

from functools import lru_cache

import qtawesome
from PySide6.QtGui import QIcon

from studio.gui import theme

_SIZES = (16, 18, 22, 32, 36, 44)

_NAMES = {
    "play": "mdi6.play",
    "stop": "mdi6.stop",
    "loop": "mdi6.repeat",
    "swap": "mdi6.swap-vertical",
    "level": "mdi6.scale-balance",
    "lock": "mdi6.lock-outline",
    "unlock": "mdi6.lock-open-variant-outline",
    "export": "mdi6.export-variant",
    "filter": "mdi6.filter-variant",
    "cancel": "mdi6.close",
    "waveform": "mdi6.waveform",
    "pitch": "mdi6.music-note-outline",
    "energy": "mdi6.chart-line-variant",
    "spectrogram": "mdi6.blur-linear",
    "fit": "mdi6.arrow-expand-horizontal",
    "start": "mdi6.skip-previous",
    "dice": "mdi6.dice-5-outline",
    "pause": "mdi6.pause",
    "accept": "mdi6.thumb-up-outline",
    "reject": "mdi6.thumb-down-outline",
    "trim": "mdi6.content-cut",
    "record": "mdi6.microphone-outline",
    "success": "mdi6.check",
    "failure": "mdi6.minus",
}


def icon(name: str, *, active: bool = False) -> QIcon:
    """The icon for ``name``; ``active`` in the accent."""
    colours = theme.current()
    return _drawn(_NAMES[name], colours.accent if active else colours.text, colours.accent, colours.faint)


@lru_cache(maxsize=256)
def _drawn(glyph: str, colour: str, on: str, disabled: str) -> QIcon:
    # As pixmaps: the font's own icons are painted anew, in Python, at every repaint of their button.
    result = QIcon()
    for mode, state, each in (
        (QIcon.Mode.Normal, QIcon.State.Off, colour),
        (QIcon.Mode.Normal, QIcon.State.On, on),
        (QIcon.Mode.Disabled, QIcon.State.Off, disabled),
        (QIcon.Mode.Disabled, QIcon.State.On, disabled),
    ):
        drawn = qtawesome.icon(glyph, color=each)
        for size in _SIZES:
            result.addPixmap(drawn.pixmap(size, size), mode, state)
    return result
