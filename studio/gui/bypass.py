"""Bypass: the baseline is heard at once, at the same position, until steering is let in again."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from studio.gui.playback import Playback
from studio.gui.renders import Renders, content_of
from studio.gui.shown import TAKE_LANES, LaneContent
from studio.gui.state import StudioState


class Bypass(QObject):
    """While ``state.bypass`` is on only the baseline is rendered; what lanes held and which was heard comes back."""

    changed = Signal()

    def __init__(self, state: StudioState, renders: Renders, playback: Playback) -> None:
        super().__init__()
        self._state = state
        self._renders = renders
        self._playback = playback
        self._heard = ""
        self._held: dict[str, LaneContent | None] = {}
        state.source_changed.connect(self._see_source)
        self._clip = None if state.source is None else state.source.drawing.clip

    def toggle(self) -> None:
        """On or off."""
        self.set_on(not self._state.bypass)

    def set_on(self, on: bool) -> None:
        """Hear the baseline, from the takes where it is among them, otherwise rendered now; or go back."""
        if on == self._state.bypass:
            return
        if on and self._renders.blocked() is not None:
            # The box that was pressed shows again that it is off.
            self._state.set_options(bypass=False)
            self._renders.render()
            return
        self._state.set_options(bypass=on)
        if on:
            self._begin()
        else:
            self._end()

    def _begin(self) -> None:
        state, known = self._state, self._renders.known_baseline()
        self._heard, self._held = self._playback.heard, dict(state.lanes)
        if known is None:
            self._renders.render()
            return
        holding = (lane for lane in TAKE_LANES if (held := state.lanes[lane]) is not None and held.shown is known)
        lane = next(holding, None)
        if lane is None and (lane := state.lane_for(baseline=True)) is not None:
            state.set_lane(lane, content_of(known))
        if lane is None:
            self._renders.render()
        else:
            self._playback.listen(lane)
            # A steered take that is still arriving would take the ear away.
            self._renders.catch_up()

    def _end(self) -> None:
        state = self._state
        for lane, content in self._held.items():
            there = content is not None and content.shown in state.takes
            if there and lane not in state.locks and state.lanes[lane] is not content:
                state.set_lane(lane, content)
        if self._heard == "source" or state.lanes.get(self._heard) is not None:
            self._playback.listen(self._heard)
        self._renders.catch_up()

    def _see_source(self) -> None:
        """Another recording begins with steering."""
        clip = None if self._state.source is None else self._state.source.drawing.clip
        if clip is not self._clip:
            self._clip = clip
            self._held = {}
            self._state.set_options(bypass=False)
