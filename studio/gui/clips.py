"""Hearing single clips, of the wizard or the contact sheet, through the player the window has."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from studio.audio.clip import Clip
from studio.audio.files import load_clip
from studio.audio.player import SoundUnavailable
from studio.engine import JobContext
from studio.errors import Cancelled
from studio.gui.engine_thread import EngineThread, notice_of
from studio.gui.playback import Playback

_NAME = "conversion"
_LOOK_MILLISECONDS = 50


class ClipPlayer(QObject):
    """Plays one file or clip at a time, from its start; afterwards the lanes are what is heard again."""

    changed = Signal()
    notice = Signal(object)

    def __init__(self, playback: Playback, worker: EngineThread) -> None:
        super().__init__()
        self._playback = playback
        self._worker = worker
        self.playing: Path | Clip | None = None
        self._sounding = False
        self._position = 0.0
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MILLISECONDS)
        self._timer.timeout.connect(self._look)
        playback.playing_changed.connect(self._make_way)
        playback.device_changed.connect(self.changed)

    @property
    def reason(self) -> str | None:
        """Why nothing can be heard; None while sound works."""
        return self._playback.reason

    def play(self, item: Path | Clip) -> None:
        """Play it from its start; nothing happens without a sound output."""
        if self.reason is not None:
            return
        if self.playing is None:
            self._playback.stop()
            self._position = self._playback.player.position
        self.playing, self._sounding = item, False
        self._worker.submit(
            _NAME, partial(self._begin, item), partial(self._began, item), failed=partial(self._fail, item)
        )
        self._timer.start()
        self.changed.emit()

    def toggle(self, item: Path | Clip) -> None:
        """Play it, or stop if it is playing."""
        self.stop() if self.playing == item else self.play(item)

    def stop(self) -> None:
        """Stop, and give the player back to the lanes."""
        if self.playing is not None:
            self._worker.cancel(_NAME)
            self._playback.player.stop()
            self._give_back()

    def _begin(self, item: Path | Clip, context: JobContext) -> str:
        clip = load_clip(item) if isinstance(item, Path) else item
        player = self._playback.player
        if context.cancelled():
            return ""
        player.loop(None)
        player.set_clip(_NAME, clip)
        player.set_source(_NAME)
        player.seek(0.0)
        try:
            player.play()
        except SoundUnavailable as error:
            return str(error)
        return ""

    def _began(self, item: Path | Clip, problem: str) -> None:
        if problem:
            self._give_back()
            self._playback.start()
        elif self.playing == item:
            self._sounding = True

    def _fail(self, item: Path | Clip, error: BaseException) -> None:
        if isinstance(error, Cancelled):
            return
        if self.playing == item:
            self._give_back()
        self.notice.emit(notice_of(error))

    def _look(self) -> None:
        if self._sounding and not self._playback.player.playing:
            self._give_back()

    def _make_way(self, lanes_play: bool) -> None:
        if lanes_play and self.playing is not None:
            self._give_back()

    def _give_back(self) -> None:
        self._timer.stop()
        self.playing, self._sounding = None, False
        player = self._playback.player
        player.set_source(self._playback.heard)
        player.seek(self._position)
        self._playback.set_looping(self._playback.looping)
        self.changed.emit()
