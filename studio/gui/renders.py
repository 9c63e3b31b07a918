"""From steering values to takes: what to render next, where it lands, and what happens while it arrives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from studio.audio.clip import FloatArray
from studio.engine import JobContext
from studio.errors import Cancelled
from studio.gui.analysis import Drawing, draw, draw_chunks
from studio.gui.asking import settings_of, vectors_of
from studio.gui.engine_thread import EngineThread
from studio.gui.formats import clock, steering_summary
from studio.gui.loading import Loaded, ModelKeeper
from studio.gui.playback import Playback
from studio.gui.recovery import Recovery
from studio.gui.shown import LaneContent, ShownMask, ShownTake, Source, Steer
from studio.gui.state import StudioState
from studio.gui.widgets.notices import Notice
from studio.gui.words import Word, counted_against, words_of

if TYPE_CHECKING:
    from studio.session.take import Take

REST_MILLISECONDS = 150
"""How long the sliders must rest before a render starts by itself."""

Result = tuple["Take", Drawing, tuple[Word, ...]]


@dataclass(eq=False)
class _Arriving:
    """A render under way: what it will be, what its lane held before, and what has arrived so far.

    ``reading`` belongs to the worker: what the baseline that was asked for at the same time read in the source.
    """

    lane: str
    steer: Steer
    source: Source
    mask: ShownMask | None
    before: LaneContent | None
    leading: bool
    reading: list[str]
    chunks: list[FloatArray] = field(default_factory=list)


class Renders(QObject):
    """Renders what ``state.steer`` asks for: the baseline of the target into A, the steered take into B.

    A lane that is locked is passed over; a take that was rendered before is shown again instead of made again. A
    newer request for a lane cancels the older one; a cancelled render leaves its lane as it was.
    """

    progress = Signal(float)
    active_changed = Signal()
    notice = Signal(object)

    def __init__(
        self, state: StudioState, worker: EngineThread, keeper: ModelKeeper, playback: Playback, recovery: Recovery
    ) -> None:
        super().__init__()
        self._state = state
        self._worker = worker
        self._keeper = keeper
        self._playback = playback
        self._recovery = recovery
        self._arriving: dict[str, _Arriving] = {}
        self._shares: dict[str, float] = {}
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MILLISECONDS)
        self._rest.timeout.connect(self._render_wanted)
        for changed in (state.steer_changed, state.source_changed, state.mask_changed, state.model_changed):
            changed.connect(self._schedule)
        for changed in (state.source_changed, state.model_changed):
            changed.connect(self._warn_of_length)
        state.take_changed.connect(self._retitle)

    @property
    def active(self) -> bool:
        """Whether a render is under way."""
        return bool(self._arriving)

    @property
    def pending(self) -> bool:
        """Whether a render will start by itself shortly."""
        return self._rest.isActive()

    def blocked(self) -> str | None:
        """Why nothing can be rendered now, in a sentence; None when it can."""
        state = self._state
        if self._keeper.loaded is None:
            return self._keeper.problem
        if self._keeper.taken is not None:
            return self._keeper.taken
        if state.source is None:
            return "Open a recording or a demo line first"
        if (too_long := self._too_long()) is not None:
            return too_long
        if state.steer.target is None:
            return "Choose a target emotion first"
        steers = not (state.steer.is_baseline or state.bypass)
        if steers and state.steer.learned and state.steer.vectors is None:
            return "Choose a file of learned vectors first, under Mode"
        if steers and not state.steer.learned and state.mask is None:
            return "Steering needs a mask: choose one in the toolbar"
        return None

    def render(self) -> None:
        """Render now, as asked by the user."""
        self._rest.stop()
        reason = self.blocked()
        if reason is not None:
            self.notice.emit(Notice(f"{reason}.", kind="info"))
            return
        if not self._plan():
            self.notice.emit(Notice("Both lanes are kept; release one of them to hear another take.", kind="info"))
        self._render_wanted()

    def known_baseline(self) -> ShownTake | None:
        """The baseline of what is open and asked for, where it was rendered before."""
        source = self._state.source
        return None if source is None else self._known(self._state.steer.canonical().baseline(), source)

    def catch_up(self) -> None:
        """Render by itself what is asked for now, if that is switched on."""
        self._schedule()

    def cancel(self) -> None:
        """Stop everything under way."""
        self._rest.stop()
        for lane in list(self._arriving):
            self._worker.cancel(lane)

    def settle(self) -> None:
        """Render nothing by itself until something changes again: what the lanes hold was put there on purpose."""
        self._rest.stop()
        self.active_changed.emit()

    def assign(self, number: int, lane: str) -> None:
        """Put a take into a lane and hear it there."""
        shown = self._state.take_numbered(number)
        if shown is not None:
            self._open_source_of(shown)
            self._worker.cancel(lane)
            self._arriving.pop(lane, None)
            self._state.assign_lane(lane, content_of(shown))
            self._playback.listen(lane)
            self._tell_active()

    def _open_source_of(self, shown: ShownTake) -> None:
        """Open what a take was made from, where that is something else, so that the lanes belong together."""
        source = self._state.source
        if shown.origin is not None and (source is None or source.drawing.clip is not shown.source):
            # As it is listed now: its transcript may have been corrected since.
            listed = (each for each in self._state.sources if each.drawing.clip is shown.source)
            self._state.set_source(next(listed, shown.origin))
            # What is asked for now is this take, not another render.
            self._rest.stop()

    def _schedule(self) -> None:
        for lane, arriving in list(self._arriving.items()):
            if not self._still_wanted(arriving):
                self._worker.cancel(lane)
        if self._state.auto_render and self.blocked() is None:
            self._rest.start()
        self.active_changed.emit()

    def _warn_of_length(self) -> None:
        """Say at once, rather than at the first render, that a recording is too long."""
        reason = self._too_long()
        if reason is not None:
            self.notice.emit(Notice(f"{reason}.", kind="info"))

    def _too_long(self) -> str | None:
        model, source = self._state.model, self._state.source
        if model is None or source is None or source.drawing.seconds <= model.max_seconds:
            return None
        return (
            f"{model.title} converts at most {model.max_seconds:.0f} s and this recording has "
            f"{clock(source.drawing.seconds)}; trim it to a region under the source's waveform"
        )

    def _still_wanted(self, arriving: _Arriving) -> bool:
        wanted = self._plan().get(arriving.lane)
        return wanted == arriving.steer and self._same_source(arriving) and self._same_mask(arriving)

    def _same_source(self, arriving: _Arriving) -> bool:
        """Whether it is rendered from what is open, against its transcript; one the model read itself may be new."""
        now, then = self._state.source, arriving.source
        if now is None or now.drawing.clip is not then.drawing.clip:
            return False
        return now.reference == then.reference or (now.read and then.reference is None)

    def _same_mask(self, arriving: _Arriving) -> bool:
        steer = arriving.steer
        return steer.is_baseline or steer.learned or arriving.mask is self._state.mask

    def _plan(self) -> dict[str, Steer]:
        """What belongs into which lane."""
        steer = self._state.steer.canonical()
        if self._state.bypass:
            steer = steer.baseline()
        if steer.is_baseline:
            lane = self._state.lane_for(baseline=True)
            return {lane: steer} if lane is not None else {}
        steered_lane = self._state.lane_for(baseline=False)
        plan: dict[str, Steer] = {}
        if steered_lane != "A" and "A" not in self._state.locks:
            plan["A"] = steer.baseline()
        if steered_lane is not None:
            plan[steered_lane] = steer
        return plan

    def _render_wanted(self) -> None:
        loaded, source = self._keeper.loaded, self._state.source
        if self.blocked() is not None or loaded is None or source is None:
            return
        plan = self._plan()
        leading = max(plan, key=lambda lane: not plan[lane].is_baseline) if plan else ""
        # What will be heard comes first, unless its words can only be counted against the baseline's.
        order = sorted(plan, key=lambda lane: lane != leading) if source.reference else plan
        reading: list[str] = []
        for lane in order:
            steer = plan[lane]
            if lane in self._arriving and self._still_wanted(self._arriving[lane]):
                continue
            known = self._known(steer, source)
            if known is not None:
                self._show_known(lane, known, leading=lane == leading)
            else:
                self._begin(lane, steer, source, loaded, reading, leading=lane == leading)

    def _known(self, steer: Steer, source: Source) -> ShownTake | None:
        """The newest take that was made of this source in just this way."""
        for shown in reversed(self._state.takes):
            same_mask = steer.is_baseline or steer.learned or shown.mask is self._state.mask
            same_words = counted_against(shown.take, source.reference)
            if shown.steer == steer and shown.source is source.drawing.clip and same_mask and same_words:
                return shown
        return None

    def _show_known(self, lane: str, known: ShownTake, *, leading: bool) -> None:
        content = self._state.lanes[lane]
        if content is None or content.shown is not known:
            self._hold(lane, known)
            if leading and self._state.auto_play:
                self._playback.audition(lane)

    def _begin(
        self, lane: str, steer: Steer, source: Source, loaded: Loaded, reading: list[str], *, leading: bool
    ) -> None:
        before = self._state.lanes[lane]
        if lane in self._arriving:
            before = self._arriving[lane].before
        arriving = _Arriving(lane, steer, source, self._state.mask, before, leading, reading)
        self._arriving[lane] = arriving
        self._shares[lane] = 0.0
        if before is None:
            self._state.set_lane(lane, LaneContent(title_of(steer)))
        self._worker.submit(
            lane,
            partial(_work, loaded, arriving),
            partial(self._arrived, arriving),
            failed=partial(self._failed, arriving),
            progress=partial(self._show_share, arriving),
            event=partial(self._take_chunk, arriving),
        )
        self._tell_active()

    def _take_chunk(self, arriving: _Arriving, samples: FloatArray) -> None:
        if self._arriving.get(arriving.lane) is not arriving or self._keeper.loaded is None:
            return
        rate = self._keeper.loaded.model.info.rate
        first = not arriving.chunks
        arriving.chunks.append(samples)
        self._playback.stream(arriving.lane, samples, rate, first=first)
        if first and arriving.leading and self._state.auto_play:
            # Heard before it is drawn.
            self._playback.audition(arriving.lane)
        drawing = draw_chunks(arriving.chunks, rate)
        self._state.set_lane(arriving.lane, LaneContent(title_of(arriving.steer), drawing))

    def _show_share(self, arriving: _Arriving, share: float) -> None:
        if self._arriving.get(arriving.lane) is arriving:
            self._shares[arriving.lane] = share
            self.progress.emit(sum(self._shares.values()) / max(1, len(self._shares)))

    def _arrived(self, arriving: _Arriving, result: Result) -> None:
        take, drawing, words = result
        number, source = self._state.next_number, arriving.source
        shown = ShownTake(number, take, arriving.steer, drawing, words, source.drawing.clip, arriving.mask, source)
        self._state.add_take(shown)
        self._take_reading(shown)
        if self._arriving.get(arriving.lane) is not arriving:
            return
        del self._arriving[arriving.lane]
        if arriving.chunks:
            self._playback.finish_stream(arriving.lane, take.audio)
        self._hold(arriving.lane, shown)
        if not arriving.chunks and arriving.leading and self._state.auto_play:
            self._playback.audition(arriving.lane)
        self._tell_active()

    def _take_reading(self, shown: ShownTake) -> None:
        """Where nobody gave a transcript, what the model read in its first baseline is one."""
        source, text = self._state.source, " ".join(shown.take.text.split())
        empty = source is not None and source.drawing.clip is shown.source and source.reference is None
        if empty and text and shown.steer.is_baseline:
            self._state.set_reference(text, read=True)

    def _failed(self, arriving: _Arriving, error: BaseException) -> None:
        if self._arriving.get(arriving.lane) is arriving:
            del self._arriving[arriving.lane]
            before, now = arriving.before, self._state.source
            there = before is not None and (before.shown is None or before.shown in self._state.takes)
            same_source = now is not None and now.drawing.clip is arriving.source.drawing.clip
            self._state.set_lane(arriving.lane, before if same_source and there else None)
        self._recovery.tell(error, self.render)
        self._tell_active()

    def _hold(self, lane: str, shown: ShownTake) -> None:
        self._state.set_lane(lane, content_of(shown))

    def _retitle(self, shown: ShownTake) -> None:
        for lane, content in self._state.lanes.items():
            if content is not None and content.shown is shown and content.title != content_of(shown).title:
                self._hold(lane, shown)

    def _tell_active(self) -> None:
        if not self._arriving:
            self._shares.clear()
        self.active_changed.emit()


def content_of(shown: ShownTake) -> LaneContent:
    """A lane that holds a take."""
    name = shown.take.name
    title = f"Take {shown.number}  ·  {name}" if name else title_of(shown.steer, shown.number)
    return LaneContent(title, shown.drawing, shown)


def title_of(steer: Steer, number: int | None = None) -> str:
    """A lane's title: take number, target, and what steers it."""
    target = steer.target or ""
    parts = [f"Take {number}"] if number is not None else []
    parts += [target, _summary(steer)]
    if steer.seed is not None:
        parts.append(f"seed {steer.seed}")
    return "  ·  ".join(parts)


def _summary(steer: Steer) -> str:
    curve = steer.automation is not None
    return steering_summary(steer.target or "", steer.mode, steer.strengths, steer.layers, curve=curve)


def _work(loaded: Loaded, arriving: _Arriving, context: JobContext) -> Result:
    """Render and judge; runs in the worker."""
    from studio.session.render import render

    source, mask = arriving.source, arriving.mask
    settings = settings_of(arriving.steer, mask)
    reference = source.reference or next(iter(arriving.reading), None)
    listener = loaded.listener if reference else None
    recognise = listener.recogniser(reference or "") if listener is not None else None

    def hand_over(_row: int, samples: Any) -> None:
        context.event(np.array(samples, dtype=np.float32))

    takes: Sequence[Take] = render(
        loaded.model,
        source.drawing.clip,
        [settings],
        mask=mask.mask if mask is not None else None,
        vectors=vectors_of(arriving.steer),
        reference=reference,
        judge=loaded.judge,
        recognise=recognise,
        progress=context.progress,
        cancelled=context.cancelled,
        on_audio=hand_over if loaded.model.info.streams else None,
    )
    if context.cancelled():
        raise Cancelled
    take = takes[0]
    if reference is None and arriving.steer.is_baseline and take.text.strip():
        arriving.reading.append(" ".join(take.text.split()))
    return take, draw(take.audio), words_of(take)
