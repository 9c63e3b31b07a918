"""Playing the lanes: what is heard, where the playhead is, loops and level matching, on top of the player."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from studio.audio.clip import Clip, FloatArray
from studio.audio.player import Player, SoundUnavailable
from studio.engine import JobContext
from studio.errors import Cancelled
from studio.gui.analysis import matched_gains
from studio.gui.engine_thread import EngineThread
from studio.gui.state import LANES, SOURCE, TAKE_LANES, A, B, StudioState
from studio.gui.timeaxis import TimeAxis

FRAME_MILLISECONDS = 16
STARTING = "Sound is starting"
_AT_ONCE_SECONDS = 30.0
_PIECE_SECONDS = 5.0


class Playback(QObject):
    """Follows ``state`` with a player; ``reason`` says why nothing can be heard, None while sound works."""

    playing_changed = Signal(bool)
    heard_changed = Signal(str)
    looping_changed = Signal(bool)
    device_changed = Signal()
    _ended = Signal()

    def __init__(self, state: StudioState, axis: TimeAxis, worker: EngineThread, chores: EngineThread) -> None:
        super().__init__()
        self._state = state
        self._axis = axis
        self._worker = worker
        self._chores = chores
        self._ended.connect(self._stop_following, Qt.ConnectionType.QueuedConnection)
        self.player = Player(self._ended.emit)
        self.reason: str | None = STARTING
        self.heard = SOURCE
        self.playing = False
        self.looping = False
        self._held: dict[str, Clip | None] = {}
        self._measured: dict[str, Clip] = {}
        self._timer = QTimer(self)
        self._timer.setInterval(FRAME_MILLISECONDS)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        state.source_changed.connect(self._fill_source)
        state.lane_changed.connect(self._fill_lane)
        state.options_changed.connect(self._apply_gains)
        state.gains_changed.connect(self._apply_gains)
        axis.loop_changed.connect(self._take_region)

    def start(self) -> None:
        """Open the sound output, or look for one again, in the background."""

        def warm_up(_context: JobContext) -> str:
            self.player.warm_up()
            return self.player.reason

        self._worker.submit("device", warm_up, self._show_device)

    def close(self) -> None:
        """Stop and give the device back."""
        self._timer.stop()
        self.player.close()
        for lane in LANES:
            self.player.clear(lane)

    def toggle(self) -> None:
        """Play or stop."""
        self.stop() if self.playing else self.play()

    def play(self) -> None:
        """Play what is heard, from the playhead."""
        if self._state.source is None or self.reason is not None:
            return

        def begin(_context: JobContext) -> str:
            try:
                self.player.play()
            except SoundUnavailable as error:
                return str(error)
            return ""

        self._worker.submit("play", begin, self._show_device)
        self._set_playing(True)

    def stop(self) -> None:
        """Stop where we are."""
        self._worker.cancel("play")
        self.player.stop()
        self._set_playing(False)

    def seek(self, seconds: float) -> None:
        """Move the playhead."""
        self.player.seek(seconds)
        self._axis.set_playhead(seconds)

    def audition(self, lane: str) -> None:
        """Play a lane from the start of the loop, or of everything."""
        self.listen(lane)
        self.seek(self._axis.loop[0] if self.looping and self._axis.loop is not None else 0.0)
        self.play()

    def listen(self, lane: str) -> None:
        """Hear another lane at the same position."""
        self.player.set_source(lane)
        if lane != self.heard:
            self.heard = lane
            self.heard_changed.emit(lane)

    def swap(self) -> None:
        """From A to B and back; from the source to B."""
        self.listen(A if self.heard == B else B)

    def set_looping(self, on: bool) -> None:
        """Loop the marked stretch, or everything."""
        self.looping = on
        self._apply_loop()
        self.looping_changed.emit(on)

    def stream(self, lane: str, samples: FloatArray, rate: int, *, first: bool) -> None:
        """Take the next samples of a render that is arriving."""
        if first:
            self._worker.cancel(f"fill {lane}")
            self._held.pop(lane, None)
            self.player.clear(lane)
        self.player.append(lane, samples, rate)

    def finish_stream(self, lane: str, clip: Clip) -> None:
        """The render arrived completely; ``clip`` is all of it, so the lane need not be filled again."""
        self.player.finish(lane)
        if abs(self.player.seconds(lane) - clip.seconds) < 0.001:
            self._held[lane] = clip

    def _fill_source(self) -> None:
        source = self._state.source
        if self._held.get(SOURCE) is (source.drawing.clip if source is not None else None):
            return
        self.stop()
        self.seek(0.0)
        self._axis.set_loop(None)
        self.listen(SOURCE)
        self._fill(SOURCE, source.drawing.clip if source is not None else None)
        self._measure()

    def _fill_lane(self, lane: str) -> None:
        content = self._state.lanes[lane]
        if content is None:
            self._fill(lane, None)
            if self.heard == lane:
                self.stop()
                self.listen(SOURCE)
        elif content.shown is not None:
            self._fill(lane, content.shown.take.audio)
        self._measure()

    def _fill(self, lane: str, clip: Clip | None) -> None:
        if self._held.get(lane) is clip:
            return
        self._held[lane] = clip
        if clip is None:
            self._worker.cancel(f"fill {lane}")
            self.player.clear(lane)
        else:
            self._worker.submit(f"fill {lane}", partial(self._fill_player, lane, clip), lambda _none: None)

    def _fill_player(self, lane: str, clip: Clip, context: JobContext) -> None:
        if clip.seconds <= _AT_ONCE_SECONDS:
            self.player.set_clip(lane, clip)
            return
        # In pieces: the player's lock, which the window's thread needs too, is never held for long.
        self.player.clear(lane)
        piece = round(_PIECE_SECONDS * clip.rate)
        for start in range(0, len(clip.samples), piece):
            if context.cancelled():
                raise Cancelled
            self.player.append(lane, clip.samples[start : start + piece], clip.rate)
        self.player.finish(lane)

    def _measure(self) -> None:
        clips: dict[str, Clip] = {} if self._state.source is None else {SOURCE: self._state.source.drawing.clip}
        for lane in TAKE_LANES:
            content = self._state.lanes[lane]
            if content is not None and content.shown is not None:
                clips[lane] = content.shown.take.audio
        if {lane: id(clip) for lane, clip in clips.items()} == {
            lane: id(clip) for lane, clip in self._measured.items()
        }:
            return
        self._measured = clips
        self._chores.submit("gains", lambda _context: matched_gains(clips), self._state.set_gains)

    def _apply_gains(self) -> None:
        for lane in LANES:
            gain = self._state.gains.get(lane, self._state.gains.get(SOURCE, 0.0))
            self.player.set_gain(lane, gain if self._state.level_match else 0.0)

    def _take_region(self) -> None:
        self.set_looping(self._axis.loop is not None)

    def _apply_loop(self) -> None:
        region = self._axis.loop
        self.player.loop((region if region is not None else (0.0, None)) if self.looping else None)

    def _show_device(self, reason: str) -> None:
        before = self.reason
        # The player would look again when told to play; here a control of its own does, as playing is disabled.
        self.reason = reason.replace("press play again", "look again").replace("press play", "look again") or None
        if self.reason is not None:
            self._set_playing(False)
        if self.reason != before:
            self.device_changed.emit()

    def _set_playing(self, playing: bool) -> None:
        if playing:
            self._timer.start()
        else:
            self._timer.stop()
        if playing != self.playing:
            self.playing = playing
            self.playing_changed.emit(playing)

    def _tick(self) -> None:
        self._axis.set_playhead(self.player.position)

    def _stop_following(self) -> None:
        if self.player.playing:
            return
        self._tick()
        self._set_playing(False)
        reason = self.player.reason
        if reason:
            self._show_device(reason)
