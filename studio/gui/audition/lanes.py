"""The source lane and the two take lanes on one time axis."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QScrollBar, QToolButton, QVBoxLayout, QWidget

from studio.gui.audition.canvas import Ruler
from studio.gui.audition.curve import CurveLane
from studio.gui.audition.lane import LaneView
from studio.gui.audition.tracks import TrackToggles, level_at
from studio.gui.audition.trim import TrimBar
from studio.gui.formats import clock, decibels
from studio.gui.icons import icon
from studio.gui.shown import LANES, SOURCE, TAKE_LANES, ShownTake, Source
from studio.gui.state import StudioState
from studio.gui.timeaxis import TimeAxis
from studio.gui.widgets.layout import explain
from studio.gui.words import Word, flags_help, no_curve, take_flags, take_wer, transcript_words, wordless

QUIETEST_PEAK = 0.1
"""Waveforms are drawn with one common gain that lets the loudest lane fill its height, up to ten times."""

_SCROLL_STEPS = 10_000


class LanesView(QWidget):
    """Shows ``state.source`` and ``state.lanes``; asks for seeks and for another lane to be heard."""

    seek_asked = Signal(float)
    scrub_asked = Signal(float)
    listen_asked = Signal(str)

    def __init__(self, state: StudioState, axis: TimeAxis) -> None:
        super().__init__()
        self.setObjectName("lanes")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._state = state
        self._axis = axis
        self.lanes = {lane: LaneView(axis, lane) for lane in LANES}
        self.ruler = Ruler(axis)
        self.curve = CurveLane(axis)
        self.tracks = TrackToggles(state)
        self.lanes[SOURCE].header.addWidget(self.tracks)
        self.trim = TrimBar(state, axis)
        self.trim_button = self._trim_button()
        self.lanes[SOURCE].header.addWidget(self.trim_button)
        self.lanes[SOURCE].body.insertWidget(1, self.trim)
        # Right above the end of the curve's lane.
        self.lanes[SOURCE].foot.addWidget(self.curve.clear_button, 0, Qt.AlignmentFlag.AlignBottom)
        self._bar = QScrollBar(Qt.Orientation.Horizontal)
        self._bar.setAccessibleName("Scroll the time axis")
        self._bar.setFixedHeight(10)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 4, 12, 4)
        layout.setSpacing(6)
        layout.addWidget(self.ruler)
        for lane in LANES:
            layout.addWidget(self.lanes[lane], 1)
            if lane == SOURCE:
                layout.addWidget(self.curve)
        layout.addWidget(self._bar)
        self.ruler.scrub_asked.connect(self.scrub_asked)
        for view in self.lanes.values():
            view.canvas.seek_asked.connect(self.seek_asked)
            view.canvas.pressed.connect(view.listen.click)
            view.listen_asked.connect(self.listen_asked)
            view.lock_toggled.connect(state.set_locked)
        self.curve.edited.connect(lambda points: state.set_steer(replace(state.steer, automation=points)))
        self._bar.valueChanged.connect(self._scroll)
        axis.view_changed.connect(self._show_view)
        state.source_changed.connect(self._show_source)
        state.source_changed.connect(self._show_locked_words)
        state.take_changed.connect(self._show_take)
        state.arriving_changed.connect(self._show_source)
        state.lane_changed.connect(self._show_lane)
        state.locks_changed.connect(self._show_locks)
        state.gains_changed.connect(self._show_gains)
        state.options_changed.connect(self._show_gains)
        state.options_changed.connect(self._show_tracks)
        axis.playhead_changed.connect(self._show_levels)
        state.steer_changed.connect(self._show_hints)
        state.steer_changed.connect(self._show_curve)
        state.model_changed.connect(self._show_curve)
        self.refresh()

    def _trim_button(self) -> QToolButton:
        button = QToolButton()
        button.setObjectName("bare")
        button.setFixedSize(24, 24)
        button.setCheckable(True)
        button.setAccessibleName("Trim the source")
        button.toggled.connect(self.trim.ask)
        return button

    def refresh(self) -> None:
        """Show everything anew, as after a change of colours."""
        self._show_source()
        for lane in TAKE_LANES:
            self._show_lane(lane)
        self._show_locks()
        self._show_gains()
        self._show_view()
        self._show_tracks()
        self.tracks.refresh()
        self.ruler.redraw()
        self.curve.redraw()

    def show_heard(self, lane: str) -> None:
        """Mark the lane that is heard."""
        for name, view in self.lanes.items():
            view.show_heard(name == lane)

    def _show_source(self) -> None:
        view, source = self.lanes[SOURCE], self._state.source
        self.trim_button.setIcon(icon("trim"))
        explain(self.trim_button, source is not None, "Nothing is open", "Show the handles that trim the source (T)")
        explain(view.listen, source is not None, "Nothing is open", "Listen to the source (S)")
        arriving = self._state.arriving
        if arriving is not None:
            explain(view.listen, False, f"{arriving.name} is still being read", "")
            view.title.show_text(arriving.name)
            view.length.setText(f"{clock(arriving.drawing.seconds)} of {clock(arriving.seconds)} read")
            view.canvas.show_drawing(arriving.drawing)
            view.show_words([])
        elif source is None:
            view.title.show_text("")
            view.length.setText("")
            view.canvas.show_drawing(None, "Open a recording (Ctrl+O), drop one here, or choose a demo line.")
            view.show_words([])
        else:
            view.title.show_text(source.name)
            view.length.setText(source_length(source))
            view.canvas.show_drawing(source.drawing)
            note = "No transcript: type the words on the left, or let the first render fill them in."
            view.show_words(transcript_words(source.reference), note)
        self._show_curve()
        self._fit_axis()

    def _show_curve(self) -> None:
        source = self._state.source
        model, reference = self._state.model, source.reference if source is not None else None
        module = self._state.steer.module
        in_words = model is not None and model.curves.get(module) == "words"
        self.curve.show_words((reference or "").split() if in_words else ())
        self.curve.allow(None if model is None else no_curve(model, module))
        self.curve.show_points(self._state.steer.automation, source.drawing.seconds if source is not None else 0.0)

    def _show_lane(self, lane: str) -> None:
        view, content = self.lanes[lane], self._state.lanes[lane]
        shown = content.shown if content is not None else None
        filled = content is not None and content.drawing is not None
        explain(view.listen, filled, f"Lane {lane} is empty", f"Listen to lane {lane} ({lane})")
        view.title.show_text(content.title if content is not None else "")
        seconds = content.drawing.seconds if content is not None and content.drawing is not None else None
        view.length.setText(clock(seconds) if seconds is not None else "")
        view.canvas.show_drawing(content.drawing if content is not None else None, self._hint(lane))
        view.canvas.show_curve(
            shown.steer.automation if shown is not None else None, shown.source.seconds if shown else 0
        )
        view.flags.setText(take_flags(shown.take) if shown is not None else "")
        view.flags.setToolTip(flags_help(shown.take) if shown is not None else "")
        text, bad = take_wer(shown.take) if shown is not None else ("", False)
        view.show_wer(text, bad=bad)
        if shown is not None:
            view.show_words(shown.words or self._locked_words(shown), wordless(shown.take))
        else:
            view.show_words([], "Rendering…" if content is not None else "")
        self._fit_axis()
        self._show_gains()

    def _locked_words(self, shown: ShownTake) -> tuple[Word, ...]:
        """Under content lock a take says what its recording does, whenever that became known."""
        source = self._state.source
        locked = shown.take.settings.content == "lock" and source is not None and source.drawing.clip is shown.source
        return transcript_words(source.reference) if locked and source is not None else ()

    def _show_locked_words(self) -> None:
        for lane in TAKE_LANES:
            content = self._state.lanes[lane]
            if content is not None and content.shown is not None and not content.shown.words:
                self._show_lane(lane)

    def _show_take(self, shown: ShownTake) -> None:
        """What is said of a take in a lane, such as a flag, may have come later than the take."""
        for lane, content in self._state.lanes.items():
            if content is not None and content.shown is shown:
                self._show_lane(lane)

    def _hint(self, lane: str) -> str:
        content = self._state.lanes[lane]
        if content is not None:
            return "Rendering…"
        if self._state.source is None:
            return ""
        if self._state.steer.target is None:
            return (
                "Choose a target emotion on the right: its conversion lands here."
                if lane == "A"
                else "Then raise an intensity: the steered take lands here."
            )
        if lane == "A":
            return "Press Render (R): the conversion without steering lands here."
        return "Raise an intensity on the right: the steered take lands here. X swaps A and B while they play."

    def _show_hints(self) -> None:
        for lane in TAKE_LANES:
            if self._state.lanes[lane] is None:
                self.lanes[lane].canvas.show_drawing(None, self._hint(lane))

    def _show_locks(self) -> None:
        for lane in TAKE_LANES:
            self.lanes[lane].show_locked(lane in self._state.locks)

    def _show_gains(self) -> None:
        for lane, view in self.lanes.items():
            gain = self._state.gains.get(lane) if self._state.level_match else None
            view.gain.setText(decibels(gain) if gain is not None else "")

    def _show_tracks(self) -> None:
        for view in self.lanes.values():
            view.canvas.show_tracks(self._state.tracks)
        self._show_levels()

    def _show_levels(self, _seconds: float = 0.0) -> None:
        for lane, view in self.lanes.items():
            held = self._state.source if lane == SOURCE else self._state.lanes[lane]
            drawing = held.drawing if held is not None else None
            shown = drawing is not None and "energy" in self._state.tracks
            level = level_at(drawing.spectrum, self._axis.playhead) if shown and drawing is not None else None
            view.meter.setText(f"{decibels(level)}FS" if level is not None else "")

    def _fit_axis(self) -> None:
        source, arriving = self._state.source, self._state.arriving
        drawings = [arriving.drawing] if arriving is not None else [source.drawing] if source is not None else []
        drawings += [
            held.drawing for held in self._state.lanes.values() if held is not None and held.drawing is not None
        ]
        longest = max((drawing.seconds for drawing in drawings), default=1.0)
        if arriving is not None:
            longest = max(longest, arriving.seconds)
        if abs(longest - self._axis.length) > 1e-6:
            self._axis.set_length(longest)
        loudest = max((drawing.peak for drawing in drawings), default=1.0)
        for view in self.lanes.values():
            view.canvas.show_scale(1.0 / max(loudest, QUIETEST_PEAK))

    def _show_view(self) -> None:
        axis = self._axis
        span = axis.stop - axis.start
        self._bar.blockSignals(True)
        self._bar.setPageStep(round(span / axis.length * _SCROLL_STEPS))
        self._bar.setMaximum(_SCROLL_STEPS - self._bar.pageStep())
        self._bar.setSingleStep(max(1, self._bar.pageStep() // 10))
        self._bar.setValue(round(axis.start / axis.length * _SCROLL_STEPS))
        self._bar.setEnabled(axis.zoomed)
        self._bar.blockSignals(False)

    def _scroll(self, value: int) -> None:
        start = value / _SCROLL_STEPS * self._axis.length
        self._axis.show(start, start + self._axis.stop - self._axis.start)


def source_length(source: Source) -> str:
    """How long what is converted is, and where in the recording it lies."""
    length = clock(source.drawing.seconds)
    if source.region is None:
        return length
    start, stop = source.region
    return f"{clock(start)} – {clock(stop)} of {clock(source.recording.seconds)}   {length}"
