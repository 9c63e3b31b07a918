"""How the window looked, kept from one start to the next: size, docks, colours, options and tracks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QSettings

from studio.gui.shown import TRACKS

if TYPE_CHECKING:
    from studio.gui.main_window import MainWindow

_LAYOUT_VERSION = 1
_OPTIONS = ("level_match", "auto_render", "auto_play")


def keep_look(window: MainWindow, settings: QSettings) -> None:
    """Write down how the window looks."""
    state = window.studio.state
    settings.setValue("window/geometry", window.saveGeometry())
    settings.setValue("window/layout", window.saveState(_LAYOUT_VERSION))
    settings.setValue("theme", window.theme.choice)
    for name in _OPTIONS:
        settings.setValue(f"options/{name}", getattr(state, name))
    settings.setValue("options/tracks", ",".join(sorted(state.tracks)))


def restore_look(window: MainWindow, settings: QSettings) -> None:
    """Make it look as it did; 1280 x 800 where nothing was kept."""
    window.resize(1280, 800)
    geometry, layout = settings.value("window/geometry"), settings.value("window/layout")
    if geometry is not None:
        window.restoreGeometry(geometry)
    if layout is not None:
        window.restoreState(layout, _LAYOUT_VERSION)
    window.studio.state.set_options(
        **{name: bool(settings.value(f"options/{name}", True, type=bool)) for name in _OPTIONS}
    )
    tracks = str(settings.value("options/tracks", "waveform,pitch")).split(",")
    window.studio.state.show_tracks(frozenset(TRACKS) & frozenset(tracks))
