"""What an auto-intensity search found: words, voice and emotion over strength, and the strongest that keeps them."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from studio.emotions import COLOURS
from studio.errors import StudioError
from studio.gui import theme
from studio.gui.batches import Batches, Cell, Search
from studio.gui.clips import ClipPlayer
from studio.gui.formats import percent, strength
from studio.gui.state import StudioState
from studio.gui.widgets.figures import export_figure
from studio.gui.widgets.layout import explain, small
from studio.gui.widgets.progress import ThinBar

_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 24, 10, 24
_REACH = 12.0


class FoundPlot(QWidget):
    """Draws the steps of a search; ``chosen`` carries the cell of a step that is pressed or moved to."""

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._search: Search | None = None
        self.at = 0
        self.setMinimumSize(QSize(360, 200))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAccessibleName("What was found over strength")

    def show_search(self, search: Search) -> None:
        """Show another search, at its best step."""
        self._search = search
        self._move(list(search.found.steps).index(search.found.best))

    @property
    def cell(self) -> Cell | None:
        """The step the keys are on."""
        return self._search.cells[self.at] if self._search is not None else None

    def x_of(self, value: float) -> float:
        """Pixel of a strength."""
        top = self._search.cells[-1].strength if self._search is not None else 1.0
        return _LEFT + value / max(top, 1e-9) * (self.width() - _LEFT - _RIGHT)

    def _step_at(self, x: float) -> int | None:
        """The step nearest to a pixel, if one is near."""
        if self._search is None:
            return None
        distances = [abs(self.x_of(cell.strength) - x) for cell in self._search.cells]
        nearest = min(range(len(distances)), key=distances.__getitem__)
        return nearest if distances[nearest] <= _REACH else None

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the step nearest to the mouse."""
        step = self._step_at(event.position().x())
        if step is not None:
            self._move(step)
            self.chosen.emit(self.cell)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """The numbers of the step under the mouse."""
        step = self._step_at(event.position().x())
        self.setToolTip("" if self._search is None or step is None else say_step(self._search, step))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Left and right move between steps."""
        key = event.key()
        if self._search is not None and key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            step = 1 if key == Qt.Key.Key_Right else -1
            self._move(min(max(self.at + step, 0), len(self._search.cells) - 1))
            self.chosen.emit(self.cell)
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw grid, the kept range, the three lines, and the chosen step."""
        colours = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor(colours.canvas))
        painter.setFont(theme.font(theme.SMALL_PX))
        if self._search is None:
            return
        found = self._search.found
        if not found.best.broken:
            shade = QColor(colours.accent)
            shade.setAlphaF(0.12)
            left, right = self.x_of(0.0), self.x_of(found.best.strength)
            painter.fillRect(QRectF(left, _TOP, right - left, self.height() - _TOP - _BOTTOM), shade)
        for share in (0.0, 0.5, 1.0):
            y = self._y_of(share)
            painter.setPen(QColor(colours.grid))
            painter.drawLine(QPointF(_LEFT, y), QPointF(self.width() - _RIGHT, y))
            painter.setPen(QColor(colours.muted))
            painter.drawText(QRectF(0, y - 8, _LEFT - 6, 16), Qt.AlignmentFlag.AlignRight, percent(share))
        for cell in self._search.cells[:: max(1, len(self._search.cells) // 6)]:
            box = QRectF(self.x_of(cell.strength) - 24, self.height() - _BOTTOM + 4, 48, 16)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, strength(cell.strength))
        emotion = self._search.emotion
        self._line(painter, [cell.take.judged.get(emotion) for cell in self._search.cells], COLOURS[emotion])
        self._line(painter, [_wrong(cell) for cell in self._search.cells], colours.danger)
        self._line(painter, [step.similarity for step in found.steps], colours.source)
        x = round(self.x_of(self._search.cells[self.at].strength)) + 0.5
        painter.setPen(QPen(QColor(colours.text), 1.5))
        painter.drawLine(QPointF(x, _TOP), QPointF(x, self.height() - _BOTTOM))

    def _y_of(self, share: float) -> float:
        return _TOP + (1 - share) * (self.height() - _TOP - _BOTTOM)

    def _line(self, painter: QPainter, values: list[float | None], colour: str) -> None:
        assert self._search is not None
        pairs = zip(self._search.cells, values, strict=True)
        points = [
            QPointF(self.x_of(cell.strength), self._y_of(min(value, 1.0))) for cell, value in pairs if value is not None
        ]
        painter.setPen(QPen(QColor(colour), 2))
        painter.setBrush(QColor(colour))
        painter.drawPolyline(points)
        for point in points:
            painter.drawEllipse(point, 2.5, 2.5)

    def _move(self, step: int) -> None:
        self.at = step
        cell = self.cell
        self.setAccessibleDescription("" if cell is None or self._search is None else say_step(self._search, step))
        self.update()


class FoundDialog(QDialog):
    """Runs a search for the target emotion and offers what it found."""

    def __init__(self, state: StudioState, batches: Batches, clips: ClipPlayer, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Auto-intensity")
        self.resize(560, 400)
        self._state, self._batches, self._clips = state, batches, clips
        self.search: Search | None = None
        self._searching = ""
        self.plot = FoundPlot()
        self.says = QLabel()
        self.says.setWordWrap(True)
        self.says.setMinimumHeight(48)
        self.says.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.keys = small()
        self.keys.setTextFormat(Qt.TextFormat.RichText)
        self.bar = ThinBar("Progress of the search", wide=True)
        self.export_button = QPushButton("Export…")
        self.cancel_button = QPushButton("Cancel")
        self.use_button = QPushButton("Use it")
        self.use_button.setObjectName("primary")
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.keys, 1)
        buttons.addWidget(self.export_button)
        buttons.addWidget(self.cancel_button)
        buttons.addWidget(self.use_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(8)
        for widget in (self.says, self.bar, self.plot):
            layout.addWidget(widget, 1 if widget is self.plot else 0)
        layout.addLayout(buttons)
        self.export_button.clicked.connect(self._export)
        self.cancel_button.clicked.connect(lambda: batches.cancel() if batches.active else self.reject())
        self.use_button.clicked.connect(self._use)
        self.plot.chosen.connect(self._hear)
        batches.search_ready.connect(self._show)
        batches.progress.connect(self._show_share)
        batches.active_changed.connect(self._show_active)
        self._show_active()

    def start(self, emotion: str) -> None:
        """Search for an emotion."""
        self._searching = f"Searching the strongest {emotion} that keeps words and voice…"
        self.says.setText(self._searching)
        self.show()
        self.raise_()
        self._batches.search(emotion)

    def done(self, result: int) -> None:
        """Closing stops what plays."""
        self._clips.stop()
        super().done(result)

    def _show_share(self, share: float) -> None:
        self.bar.show_share(share)
        if self._batches.active and self._searching:
            self.says.setText(" ".join(filter(None, (self._searching, self.bar.left))))

    def _show(self, search: Search) -> None:
        self.search = search
        self.plot.show_search(search)
        self.says.setText(say_found(search))
        colours = theme.current()
        named = [(COLOURS[search.emotion], f"judge: {search.emotion}"), (colours.danger, "wrong words")]
        named += [] if search.voice else [(colours.source, "voice like the source")]
        self.keys.setText(
            "&nbsp;&nbsp; ".join(f'<span style="color:{colour}">●</span> {name}' for colour, name in named)
        )
        self._show_active()
        self.plot.setFocus()

    def _hear(self, cell: Cell) -> None:
        if self.search is not None:
            self.says.setText(say_step(self.search, self.plot.at))
            self._clips.play(cell.take.audio)
            self._show_active()

    def _export(self) -> None:
        search = self.search
        if search is None:
            return
        try:
            export_figure(self, f"{search.emotion} intensity", self.plot, partial(search_table, search))
        except StudioError as error:
            self.says.setText(str(error))

    def _use(self) -> None:
        cell, search = self.plot.cell, self.search
        if cell is None or search is None:
            return
        self._batches.keep(cell, search.source, search.mask)
        self._state.set_strength(search.emotion, cell.strength)
        self.accept()

    def _show_active(self) -> None:
        active, cell = self._batches.active, self.plot.cell
        self.cancel_button.setText("Cancel" if active else "Close")
        self.cancel_button.setToolTip("Cancel the search" if active else "Close and change nothing")
        explain(self.export_button, self.search is not None, "Nothing was found yet", "Save the picture or its numbers")
        ready = cell is not None and not active
        text = f"Set {cell.emotion} to {strength(cell.strength)}" if cell is not None else ""
        self.use_button.setText(f"Use {strength(cell.strength)}" if cell is not None else "Use it")
        explain(self.use_button, ready, "The search is not done", text)
        if not active:
            self.bar.show_share(0.0)


def search_table(search: Search) -> list[list[str]]:
    """The steps of a search in numbers, headed: shares and rates from 0 to 1, empty where nothing was measured."""

    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.4f}"

    head = ["strength", f"judge_{search.emotion}", "wer", "heard_wer", "speaker_similarity", "broken"]
    return [head] + [
        [number(value) for value in (step.strength, cell.take.judged.get(search.emotion), cell.take.wer)]
        + [number(cell.take.heard_wer), number(step.similarity), step.broken]
        for step, cell in zip(search.found.steps, search.cells, strict=True)
    ]


def say_found(search: Search) -> str:
    """The outcome in sentences."""
    best, name = search.found.best, search.emotion.capitalize()
    if best.broken:
        text = f"Even without steering, {best.broken}; nothing was raised."
    elif best is search.found.steps[-1]:
        text = f"{name} keeps words and voice up to {strength(best.strength)}, the end of the scale."
    else:
        after = search.found.steps[list(search.found.steps).index(best) + 1]
        text = (
            f"{name} keeps words and voice up to {strength(best.strength)}. "
            f"At {strength(after.strength)}, {after.broken}."
        )
    limits = search.found.limits
    kept = f"Kept: at most {percent(limits.wer)} wrong words"
    voice = f" Voices were not compared: {search.voice}" if search.voice else ""
    return f"{text} {kept}" + ("." + voice if voice else f", voice at most {limits.voice:.2f} less like the source.")


def say_step(search: Search, step: int) -> str:
    """One step in words."""
    tried, cell = search.found.steps[step], search.cells[step]
    parts = [f"{search.emotion.capitalize()} {strength(tried.strength)}"]
    if cell.take.judged:
        parts.append(f"judge {percent(cell.take.judged.get(search.emotion, 0.0))}")
    wrong = _wrong(cell)
    if wrong is not None:
        parts.append(f"wrong words {percent(wrong)}")
    if tried.similarity is not None:
        parts.append(f"voice {tried.similarity:.2f}")
    return ", ".join(parts) + (f": {tried.broken}." if tried.broken else ".")


def _wrong(cell: Cell) -> float | None:
    return max((rate for rate in (cell.take.wer, cell.take.heard_wer) if rate is not None), default=None)
