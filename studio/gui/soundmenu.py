"""What belongs to the sound output in the Playback menu: which device plays, and how lanes are aligned."""

from __future__ import annotations

from PySide6.QtCore import QObject, QSettings
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu

from studio.gui.playback import Playback

_OUTPUT = "sound/output"
_PROPORTIONAL = "sound/proportional"


class SoundMenu(QObject):
    """The submenu of outputs, which looks for devices when it opens, and the switch between the two alignments."""

    def __init__(self, playback: Playback, outputs: QMenu, proportional: QAction) -> None:
        super().__init__(outputs)
        self._playback = playback
        self._settings: QSettings | None = None
        self.menu = outputs
        self._group = QActionGroup(self)
        self._proportional = proportional
        proportional.setCheckable(True)
        proportional.toggled.connect(self._align)
        outputs.aboutToShow.connect(playback.look_for_outputs)
        playback.outputs_changed.connect(self._fill)
        self._fill()

    def remember_in(self, settings: QSettings) -> None:
        """Take the choices made before from ``settings``, and keep those to come there."""
        self._proportional.setChecked(bool(settings.value(_PROPORTIONAL, False, type=bool)))
        # Opened once the window is there.
        self._playback.output = str(settings.value(_OUTPUT, ""))
        self._fill()
        self._settings = settings

    def _fill(self) -> None:
        playback = self._playback
        for action in self._group.actions():
            self.menu.removeAction(action)
            action.deleteLater()
        self._add("System default", "")
        for name in playback.outputs:
            self._add(name, name)
        if playback.output and playback.output not in playback.outputs:
            self._add(f"{playback.output} (not connected)", playback.output)

    def _add(self, text: str, name: str) -> None:
        action = QAction(text.replace("&", "&&"), self._group)
        action.setCheckable(True)
        action.setChecked(name == self._playback.output)
        action.triggered.connect(lambda _checked=False: self._choose(name))
        self.menu.addAction(action)

    def _choose(self, name: str) -> None:
        if self._settings is not None:
            self._settings.setValue(_OUTPUT, name)
        self._playback.choose_output(name)

    def _align(self, on: bool) -> None:
        if self._settings is not None:
            self._settings.setValue(_PROPORTIONAL, on)
        self._playback.set_proportional(on)
