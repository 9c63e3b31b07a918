"""Play, stop, loop, swap, level match, and where the playhead is."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QWidget

from studio.gui.formats import clock
from studio.gui.icons import icon
from studio.gui.shown import SOURCE, A, B
from studio.gui.state import StudioState
from studio.gui.timeaxis import TimeAxis
from studio.gui.widgets.layout import explain, small
from studio.gui.widgets.toggles import Segments


class Transport(QWidget):
    """The bar under the lanes; signals say what was pressed."""

    play_asked = Signal()
    start_asked = Signal()
    loop_asked = Signal(bool)
    swap_asked = Signal()
    listen_asked = Signal(str)
    fit_asked = Signal()

    def __init__(self, state: StudioState, axis: TimeAxis) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._state = state
        self._axis = axis
        self._playing = False
        self._reason: str | None = None
        self.start = self._button("start", "Back to the start (Ctrl+Home)", self.start_asked.emit)
        self.play = self._button("play", "Play or stop (Space)", self.play_asked.emit)
        self.play.setFixedSize(48, 36)
        self.play.setIconSize(QSize(22, 22))
        self.loop = self._button("loop", "Loop all, or the stretch marked by dragging over a lane (L)", None)
        self.loop.setCheckable(True)
        self.loop.toggled.connect(self.loop_asked)
        self.position = QLabel()
        self.position.setProperty("role", "clock")
        self.length = small()
        self.heard = Segments({SOURCE: "Source", A: "A", B: "B"}, name="Heard lane")
        self.heard.setFixedWidth(168)
        self.heard.chosen.connect(self.listen_asked)
        self.swap = self._button("swap", "Swap A and B at the same position (X)", self.swap_asked.emit)
        self.level = QToolButton()
        self.level.setText("Level match")
        self.level.setIcon(icon("level"))
        self.level.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.level.setCheckable(True)
        self.level.setAccessibleName("Level match")
        self.level.setToolTip("Play all lanes equally loud (ITU-R BS.1770), without clipping any")
        self.level.toggled.connect(lambda on: state.set_options(level_match=on))
        self.fit = self._button("fit", "Show everything (0)", self.fit_asked.emit)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(12, 6, 12, 6)
        layout.setSpacing(8)
        for widget in (self.start, self.play, self.loop):
            layout.addWidget(widget)
        layout.addSpacing(8)
        layout.addWidget(self.position)
        layout.addWidget(self.length)
        layout.addStretch(1)
        layout.addWidget(self.heard)
        layout.addWidget(self.swap)
        layout.addStretch(1)
        layout.addWidget(self.level)
        layout.addWidget(self.fit)
        state.source_changed.connect(self.refresh)
        state.lane_changed.connect(lambda _lane: self.refresh())
        state.options_changed.connect(self.refresh)
        axis.playhead_changed.connect(lambda _seconds: self._show_time())
        axis.view_changed.connect(self.refresh)
        self.refresh()

    def _button(self, name: str, hint: str, pressed: object) -> QToolButton:
        button = QToolButton()
        button.setIcon(icon(name))
        button.setObjectName("square")
        button.setIconSize(QSize(18, 18))
        button.setFixedSize(36, 36)
        button.setToolTip(hint)
        button.setAccessibleName(hint.partition(" (")[0])
        if callable(pressed):
            button.clicked.connect(lambda _checked=False: pressed())
        return button

    def show_device(self, reason: str | None) -> None:
        """Enable playing, or say why nothing can be heard."""
        self._reason = reason
        self.refresh()

    def show_playing(self, playing: bool) -> None:
        """Show play or stop."""
        self._playing = playing
        self.refresh()

    def show_heard(self, lane: str) -> None:
        """Show which lane is heard."""
        self.heard.show_value(lane)

    def refresh(self) -> None:
        """Enable what can be pressed now."""
        state = self._state
        self.play.setIcon(icon("stop" if self._playing else "play"))
        no_sound = self._reason or ("Nothing to play: open a recording first" if state.source is None else None)
        explain(self.play, no_sound is None, no_sound or "", "Stop (Space)" if self._playing else "Play (Space)")
        explain(self.loop, no_sound is None, no_sound or "", "Loop all, or the stretch marked by dragging (L)")
        explain(self.start, state.source is not None, "Nothing is open", "Back to the start (Ctrl+Home)")
        held = [lane for lane in (A, B) if (content := state.lanes[lane]) is not None and content.drawing is not None]
        lanes = [*([SOURCE] if state.source is not None else []), *held]
        self.heard.allow(lanes, "This lane is empty")
        explain(self.swap, len(held) == 2, "Both A and B need a take", "Swap A and B at the same position (X)")
        self.level.blockSignals(True)
        self.level.setChecked(state.level_match)
        self.level.blockSignals(False)
        explain(self.fit, self._axis.zoomed, "Everything is shown", "Show everything (0)")
        self._show_time()

    def recolour(self) -> None:
        """Draw the icons in another scheme's colours."""
        for button, name in ((self.start, "start"), (self.loop, "loop"), (self.swap, "swap"), (self.fit, "fit")):
            button.setIcon(icon(name))
        self.level.setIcon(icon("level"))
        self.refresh()

    def _show_time(self) -> None:
        self.position.setText(clock(self._axis.playhead))
        self.length.setText(f"/ {clock(self._axis.length)}")
