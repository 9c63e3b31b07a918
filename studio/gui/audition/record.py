"""Recording a source from a microphone: choose it, see its level, record, and the clip is open."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QComboBox, QDialog, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from studio.audio.clip import Clip
from studio.audio.device import input_names
from studio.audio.recorder import LONGEST_SECONDS, Recorder
from studio.engine import JobContext
from studio.gui import theme
from studio.gui.engine_thread import EngineThread, notice_of
from studio.gui.formats import MINUS, clock
from studio.gui.playback import Playback
from studio.gui.widgets.layout import explain, set_role, small
from studio.session.recordings import save_recording

QUIETEST_DB = -60.0
_LOOK_MILLISECONDS = 33
_SILENT_PEAK = 1e-3
_FALL_PER_LOOK = 0.02
DEFAULT = "System default"


class LevelMeter(QWidget):
    """Peak level from -60 dB to full scale; it falls slowly, and turns to the warning colour near the top."""

    def __init__(self) -> None:
        super().__init__()
        self.share = 0.0
        self.setAccessibleName("Microphone level")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_level(self, level: float) -> None:
        """Show a linear peak, 0..1."""
        decibels = 20.0 * math.log10(max(level, 1e-6))
        share = min(max(1.0 - decibels / QUIETEST_DB, 0.0), 1.0)
        self.share = max(share, self.share - _FALL_PER_LOOK)
        text = f"{max(decibels, QUIETEST_DB):.0f} dB".replace("-", MINUS)
        self.setAccessibleDescription(text)
        self.update()

    def sizeHint(self) -> QSize:
        """A bar as wide as there is room for."""
        return QSize(240, 16)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw track, level and a mark every 12 dB."""
        colours = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.hover))
        painter.drawRoundedRect(QRectF(self.rect()), 3, 3)
        painter.setBrush(QColor(colours.accent if self.share < 0.95 else colours.danger))
        painter.drawRoundedRect(QRectF(0, 0, self.width() * self.share, self.height()), 3, 3)
        painter.setPen(QColor(colours.panel))
        for decibels in range(-48, 0, 12):
            x = round(self.width() * (1.0 - decibels / QUIETEST_DB))
            painter.drawLine(x, 0, x, self.height())


class RecordDialog(QDialog):
    """Records one clip; ``recorded`` carries the path it was saved to. Devices are ``playback``'s worker's business."""

    recorded = Signal(object)
    chosen = Signal(str)
    _ended = Signal()

    def __init__(
        self,
        playback: Playback,
        worker: EngineThread,
        *,
        microphone: str = "",
        model_limit: str = "",
        longest: float = LONGEST_SECONDS,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Record a source")
        self._playback = playback
        self._worker = worker
        self._longest = longest
        self._recorder: Recorder | None = None
        self._saving = False
        # Work under way may end after the dialog did.
        self._done = False
        self.microphone = microphone
        self.devices = QComboBox()
        self.devices.setAccessibleName("Microphone")
        self.devices.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.again = QPushButton("Look again")
        self.again.setToolTip("Look for microphones again")
        self.meter = LevelMeter()
        self.time = QLabel()
        self.time.setProperty("role", "clock")
        self.limit = small(model_limit)
        self.limit.setWordWrap(True)
        self.says = small()
        self.says.setWordWrap(True)
        self.record = QPushButton("Record")
        self.record.setObjectName("primary")
        self.cancel = QPushButton("Cancel")
        self._lay_out()
        self.record.clicked.connect(self._press)
        self.cancel.clicked.connect(self.reject)
        self.again.clicked.connect(self.look)
        self.devices.activated.connect(self._choose)
        self._ended.connect(self._finish, Qt.ConnectionType.QueuedConnection)
        self._look_timer = QTimer(self)
        self._look_timer.setInterval(_LOOK_MILLISECONDS)
        self._look_timer.timeout.connect(self._show_level)
        self._show_devices([])
        self._show_state()
        self.look()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 16, 24, 16)
        layout.setSpacing(16)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(small("Microphone"))
        row.addWidget(self.devices, 1)
        row.addWidget(self.again)
        layout.addLayout(row)
        layout.addWidget(self.meter)
        layout.addWidget(self.time)
        layout.addWidget(self.says)
        layout.addWidget(self.limit)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addStretch(1)
        buttons.addWidget(self.cancel)
        buttons.addWidget(self.record)
        layout.addLayout(buttons)
        self.setFixedWidth(440)

    @property
    def recording(self) -> bool:
        """Whether a clip is being recorded."""
        return self._recorder is not None and self._recorder.recording

    def look(self) -> None:
        """List the microphones and open the chosen one, in the background."""
        self._open(afresh=True)

    def _choose(self, index: int) -> None:
        self.microphone = str(self.devices.itemData(index))
        self.chosen.emit(self.microphone)
        self._open(afresh=False)

    def _open(self, *, afresh: bool) -> None:
        old, self._recorder = self._recorder, None
        self._playback.stop()
        self._say("Opening the microphone…")
        self._show_state()
        name, player = self.microphone, self._playback.player

        def open_it(_context: JobContext) -> tuple[Recorder, list[str]]:
            if old is not None:
                old.close()
            if afresh:
                # Looking again is the player's to do, for it ends every open stream.
                player.look_again()
            return Recorder(name, longest=self._longest, on_ended=self._ended.emit), input_names()

        self._playback.submit("microphone", open_it, self._take_in, self._refuse)

    def _take_in(self, opened: tuple[Recorder, list[str]]) -> None:
        recorder, names = opened
        if self._done:
            self._close_in_background(recorder)
            return
        self._recorder = recorder
        self._show_devices(names)
        missing = self.microphone and recorder.name != self.microphone
        self._say(f"'{self.microphone}' is not connected; '{recorder.name}' is used." if missing else "")
        self._look_timer.start()
        self._show_state()

    def _refuse(self, error: BaseException) -> None:
        if not self._done:
            self._say(notice_of(error).text, role="warning")
            self._show_state()

    def _show_devices(self, names: list[str]) -> None:
        self.devices.blockSignals(True)
        self.devices.clear()
        self.devices.addItem(DEFAULT, "")
        for name in names:
            self.devices.addItem(name, name)
        if self.microphone and self.microphone not in names:
            self.devices.addItem(f"{self.microphone} (not connected)", self.microphone)
        self.devices.setCurrentIndex(max(0, self.devices.findData(self.microphone)))
        self.devices.blockSignals(False)

    def _press(self) -> None:
        if self._recorder is None:
            return
        if self._recorder.recording:
            self._finish()
        else:
            self._say("Recording: speak now, then press Stop.")
            self._recorder.record()
            self._show_state()

    def _finish(self) -> None:
        """Take what was recorded, whoever ended it."""
        recorder = self._recorder
        if recorder is None or self._saving:
            return
        clip = recorder.stop()
        lost = recorder.lost
        if lost:
            self._recorder = None
            self._close_in_background(recorder)
        if not np.any(np.abs(clip.samples) > _SILENT_PEAK):
            quiet = "Nothing was heard; check that the microphone is on and not muted, then record again."
            self._say("The microphone went away; connect it and look again." if lost else quiet, role="warning")
            self._show_state()
            return
        self._save(clip)

    def _save(self, clip: Clip) -> None:
        self._saving = True
        self._show_state()
        self._worker.submit("recording", partial(_save, clip), self._saved, failed=self._not_saved)

    def _saved(self, path: Path) -> None:
        self.recorded.emit(path)
        self.accept()

    def _not_saved(self, error: BaseException) -> None:
        self._saving = False
        self._refuse(error)

    def _show_level(self) -> None:
        recorder = self._recorder
        if recorder is None:
            self.meter.show_level(0.0)
            return
        self.meter.show_level(recorder.level)
        self._show_time()
        if recorder.recording and recorder.clipped:
            self._say("Too loud: the recording is clipped; move away or turn the microphone down.", role="warning")

    def _show_time(self) -> None:
        seconds = self._recorder.seconds if self._recorder is not None else 0.0
        self.time.setText(f"{clock(seconds)} of at most {clock(self._longest)}")

    def _show_state(self) -> None:
        self.record.setText("Stop" if self.recording else "Record")
        ready = self._recorder is not None and not self._saving
        explain(self.record, ready, "No microphone is open", "Stop and keep the clip" if self.recording else "Record")
        idle = not self.recording and not self._saving
        explain(self.devices, idle, "A recording is under way", "Which microphone is heard")
        explain(self.cancel, not self._saving, "The clip is being saved", "Forget what was recorded")
        explain(self.again, idle, "A recording is under way", "Look for microphones again")
        self._show_time()

    def _say(self, text: str, role: str = "small") -> None:
        set_role(self.says, role)
        self.says.setText(text)

    def _close_in_background(self, recorder: Recorder) -> None:
        self._playback.submit("close microphone", lambda _context: recorder.close(), lambda _none: None)

    def reject(self) -> None:
        """Cancel, unless the clip is being kept already."""
        if not self._saving:
            super().reject()

    def done(self, result: int) -> None:
        """Give the microphone back; a clip that was not kept is gone."""
        self._done = True
        self._look_timer.stop()
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            self._close_in_background(recorder)
        super().done(result)


def _save(clip: Clip, _context: JobContext) -> Path:
    return save_recording(clip)
