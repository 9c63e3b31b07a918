"""Playing the lanes: what is heard, where the playhead is, loops and level matching, on top of the player."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from studio.audio.clip import Clip, FloatArray
from studio.audio.device import output_names
from studio.audio.player import Player, SoundUnavailable
from studio.engine import JobContext
from studio.errors import Cancelled
from studio.gui.analysis import matched_gains
from studio.gui.engine_thread import EngineThread, Failed
from studio.gui.shown import LANES, SOURCE, TAKE_LANES, A, B
from studio.gui.state import StudioState
from studio.gui.timeaxis import TimeAxis

T = TypeVar("T")

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
    outputs_changed = Signal()
    _ended = Signal()

    def __init__(self, state: StudioState, axis: TimeAxis, worker: EngineThread, measurer: EngineThread) -> None:
        super().__init__()
        self._state = state
        self._axis = axis
        self._worker = worker
        self._measurer = measurer
        self._ended.connect(self._stop_following, Qt.ConnectionType.QueuedConnection)
        self.player = Player(self._ended.emit)
        self.reason: str | None = STARTING
        self.heard = SOURCE
        self.playing = False
        self.looping = False
        self.proportional = False
        self.outputs: list[str] = []
        self.output = ""
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
        self._ask_device("device", partial(self.player.choose_output, self.output))

    def look_for_outputs(self) -> None:
        """List the sound outputs afresh, in the background; while something plays they stay as they are."""
        self._ask_device("device", self.player.look_again)

    def choose_output(self, name: str) -> None:
        """Play through the output of that name, or, with an empty name, through the system's default."""
        self.output = name
        self.outputs_changed.emit()
        self._ask_device("output", partial(self.player.choose_output, name))

    def submit(
        self, slot: str, work: Callable[[JobContext], T], done: Callable[[T], None], failed: Failed | None = None
    ) -> None:
        """Let the worker that has the sound devices do something with them."""
        self._worker.submit(slot, work, done, failed=failed)

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

    def scrub(self, seconds: float) -> None:
        """Move the playhead and, while stopped, hear what is there."""
        self.player.scrub(seconds)
        self._axis.set_playhead(seconds)
        if self.reason is None and not self.player.running:
            self._ask_device("device", self.player.warm_up)

    def audition(self, lane: str) -> None:
        """Play a lane from the start of the loop, or of everything."""
        self.listen(lane)
        self.seek(self._axis.loop[0] if self.looping and self._axis.loop is not None else 0.0)
        self.play()

    def listen(self, lane: str) -> None:
        """Hear another lane at the same position, or, when aligned by proportion, at the same share of its length."""
        stretch = self._stretch(self.heard, lane) if self.proportional else 1.0
        self.player.set_source(lane, stretch)
        if stretch != 1.0:
            self._follow_stretch(stretch)
        if lane != self.heard:
            self.heard = lane
            self.heard_changed.emit(lane)

    def set_proportional(self, on: bool) -> None:
        """Align lanes by their share of length instead of by time."""
        self.proportional = on

    def _stretch(self, before: str, after: str) -> float:
        """How much longer one lane is than another; 1 while either is empty or still arriving."""
        old, new = (self._seconds(lane) for lane in (before, after))
        return new / old if old and new else 1.0

    def _seconds(self, lane: str) -> float | None:
        clip = self._held.get(lane)
        return clip.seconds if clip is not None else None

    def _follow_stretch(self, stretch: float) -> None:
        """Take the loop along, so that it stays on the same words, and the playhead."""
        if self._axis.loop is not None:
            start, stop = self._axis.loop
            looping = self.looping
            self._axis.set_loop((start * stretch, stop * stretch))
            self.set_looping(looping)
        self._axis.set_playhead(self.player.position)

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
        self._measurer.submit("gains", lambda _context: matched_gains(clips), self._state.set_gains)

    def _apply_gains(self) -> None:
        for lane in LANES:
            gain = self._state.gains.get(lane, self._state.gains.get(SOURCE, 0.0))
            self.player.set_gain(lane, gain if self._state.level_match else 0.0)

    def _take_region(self) -> None:
        self.set_looping(self._axis.loop is not None)

    def _apply_loop(self) -> None:
        region = self._axis.loop
        self.player.loop((region if region is not None else (0.0, None)) if self.looping else None)

    def _ask_device(self, slot: str, work: Callable[[], None]) -> None:
        def ask(_context: JobContext) -> tuple[str, list[str]]:
            work()
            try:
                return self.player.reason, output_names()
            except SoundUnavailable as error:
                return str(error), []

        self._worker.submit(slot, ask, self._take_device)

    def _take_device(self, found: tuple[str, list[str]]) -> None:
        reason, self.outputs = found
        self._show_device(reason)
        self.outputs_changed.emit()

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
        lost = bool(self.player.reason)
        if lost and self.playing:
            # The output went away: go on through the default one, or say that there is none.
            self.play()
        else:
            self._set_playing(False)
            if lost:
                self.start()
