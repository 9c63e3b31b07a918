"""The steering panel: target emotion, mode, intensity per emotion, layer window, seed and content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from studio.emotions import COLOURS, TARGETS
from studio.gui.audition.presetmenu import PresetButton
from studio.gui.audition.seedbox import SeedBox, show_number
from studio.gui.intensity import MODE_HELP, MODES, RANGES
from studio.gui.presets import PanelPresets
from studio.gui.shown import ShownMask
from studio.gui.state import StudioState
from studio.gui.widgets.intensity import IntensityRow, ZoneScale
from studio.gui.widgets.layerstrip import LayerStrip
from studio.gui.widgets.layout import explain, heading, link, small
from studio.gui.widgets.toggles import EmotionButtons, Segments

WIDTH = 320


class SteeringPanel(QWidget):
    """Shows and edits ``state.steer``; ``render_asked`` when Render is pressed."""

    render_asked = Signal()
    module_asked = Signal(str)
    bypass_asked = Signal(bool)
    sheet_asked = Signal()
    auto_asked = Signal()
    vectors_asked = Signal()

    def __init__(self, state: StudioState, presets: PanelPresets) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._state = state
        self.targets = EmotionButtons("Target emotion")
        self.presets = PresetButton(state, presets)
        self.modes = Segments({mode: mode for mode in MODES}, name="Mode", hints=MODE_HELP)
        self.vectors_button = QPushButton()
        self.vectors_button.setAccessibleName("File of learned vectors")
        self.rows = {emotion: IntensityRow(emotion) for emotion in TARGETS}
        self.scale = ZoneScale()
        self.reset_button = link("reset", "Set all intensities to zero")
        self.auto_button = link("auto", "Find the strongest intensity that keeps words and voice")
        self.strip = LayerStrip()
        self.first, self.last = _layer_box("First layer"), _layer_box("Last layer")
        self.all_layers = link("all layers", "Steer all layers")
        self.content = Segments(
            {"free": "free", "lock": "lock"},
            name="Content",
            hints={
                "free": "The model speaks the words itself: more freedom, only words it knows",
                "lock": "Words and timbre come from the recording, emotion from the model: any voice, any words",
            },
        )
        self.scope = Segments(
            {"all": "all", "generated": "generated"},
            name="Token scope",
            hints={"all": "Steer prompt and generated tokens", "generated": "Steer generated tokens only"},
        )
        self.module = Segments(
            {"language": "language", "synthesis": "synthesis"},
            name="Module",
            hints={
                "language": "Steer the language model's decoder, with a mask of it",
                "synthesis": "Steer what turns tokens into speech, with a mask of it; mostly inert in the paper",
            },
        )
        self.seed = SeedBox()
        self.auto_render = QCheckBox("Auto-render")
        self.auto_render.setToolTip("Render shortly after the last change")
        self.auto_play = QCheckBox("Auto-play")
        self.auto_play.setToolTip("Play a take while it renders")
        self.bypass = QCheckBox("Bypass")
        self.bypass.setToolTip("Hear the baseline instead, at the same position (Y)")
        self.render_button = QPushButton("Render")
        self.render_button.setObjectName("primary")
        self.render_button.setMinimumHeight(34)
        self.sheet_button = QPushButton("Ladder…")
        self.sheet_button.setMinimumHeight(34)
        self._lay_out()
        self._connect()
        for show in (self._show_steer, self._show_mask, self._show_model, self._show_options):
            show()

    def allow_render(self, reason: str | None) -> None:
        """Enable Render, or disable it with the reason to show on hover."""
        explain(self.render_button, reason is None, reason or "", "Render the take (R)")

    def allow_batches(self, sheet: str | None, auto: str | None) -> None:
        """Enable ladder and auto-intensity, or disable them with the reason to show on hover."""
        explain(self.sheet_button, sheet is None, sheet or "", "Several strengths or all emotions at once (K)")
        explain(self.auto_button, auto is None, auto or "", "Find the strongest that keeps words and voice (I)")

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 4, 12, 12)
        layout.setSpacing(4)

        def section(*widgets: QWidget) -> None:
            for widget in widgets:
                layout.addWidget(widget)
            layout.addSpacing(8)

        section(self.targets)
        section(heading("Mode", self.presets), self.modes, self.vectors_button)
        intensities = QVBoxLayout()
        intensities.setSpacing(0)
        layout.addWidget(heading("Intensity", self.auto_button, self.reset_button))
        for row in self.rows.values():
            intensities.addWidget(row)
        intensities.addWidget(self.scale)
        layout.addLayout(intensities)
        layout.addSpacing(8)
        layout.addWidget(heading("Layers", small("from"), self.first, small("to"), self.last, self.all_layers))
        layout.addWidget(self.strip, 4)
        layout.addStretch(1)
        layout.addSpacing(8)
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(8)
        grid.setColumnMinimumWidth(0, 56)
        grid.setColumnStretch(1, 1)
        for index, (text, widget) in enumerate(
            (("Content", self.content), ("Module", self.module), ("Tokens", self.scope), ("Seed", self.seed))
        ):
            label = QLabel(text)
            label.setProperty("role", "heading")
            grid.addWidget(label, index, 0)
            grid.addWidget(widget, index, 1)
            grid.setRowMinimumHeight(index, 30)
        layout.addLayout(grid)
        layout.addSpacing(8)
        checks = QHBoxLayout()
        checks.addWidget(self.auto_render)
        checks.addStretch(1)
        checks.addWidget(self.auto_play)
        checks.addStretch(1)
        checks.addWidget(self.bypass)
        layout.addLayout(checks)
        layout.addSpacing(4)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.render_button, 2)
        buttons.addWidget(self.sheet_button, 1)
        layout.addLayout(buttons)

    def _connect(self) -> None:
        state = self._state
        self.targets.chosen.connect(lambda key: state.set_steer(replace(state.steer, target=key)))
        self.modes.chosen.connect(self._choose_mode)
        for row in self.rows.values():
            row.edited.connect(self._choose_strength)
            row.label.mute_asked.connect(partial(self._mute, row.emotion))
            row.label.solo_asked.connect(partial(self._solo, row.emotion))
        self.vectors_button.clicked.connect(self.vectors_asked)
        self.reset_button.clicked.connect(self._reset)
        self.strip.window_chosen.connect(lambda window: state.set_steer(replace(state.steer, layers=window)))
        self.first.valueChanged.connect(lambda value: self._choose_layers(value, max(value, self.last.value())))
        self.last.valueChanged.connect(lambda value: self._choose_layers(min(value, self.first.value()), value))
        self.all_layers.clicked.connect(lambda: state.set_steer(replace(state.steer, layers=None)))
        self.content.chosen.connect(lambda key: state.set_steer(replace(state.steer, content=key)))
        self.scope.chosen.connect(lambda key: state.set_steer(replace(state.steer, scope=key)))
        self.seed.chosen.connect(lambda seed: state.set_steer(replace(state.steer, seed=seed)))
        self.auto_render.toggled.connect(lambda on: state.set_options(auto_render=on))
        self.auto_play.toggled.connect(lambda on: state.set_options(auto_play=on))
        self.bypass.toggled.connect(self.bypass_asked)
        self.module.chosen.connect(self._choose_module)
        self.render_button.clicked.connect(self.render_asked)
        self.sheet_button.clicked.connect(self.sheet_asked)
        self.auto_button.clicked.connect(self.auto_asked)
        state.steer_changed.connect(self._show_steer)
        state.mask_changed.connect(self._show_mask)
        state.model_changed.connect(self._show_model)
        state.options_changed.connect(self._show_options)

    def _choose_strength(self, emotion: str, value: float) -> None:
        steer = self._state.steer
        self._state.set_steer(replace(steer, strengths={**steer.strengths, emotion: value}))

    def _reset(self) -> None:
        self._state.set_steer(replace(self._state.steer, strengths={}, muted=frozenset()))

    def _mute(self, emotion: str) -> None:
        self._state.set_steer(self._state.steer.mute(emotion))

    def _solo(self, emotion: str) -> None:
        self._state.set_steer(self._state.steer.solo(emotion))

    def _choose_mode(self, mode: str) -> None:
        state, steer = self._state, self._state.steer
        strengths = translate(steer.strengths, steer.mode, mode, state.mask)
        state.set_steer(replace(steer, mode=mode, strengths=strengths))

    def _choose_module(self, module: str) -> None:
        # Which module is steered is the mask's to say: it shows when one is there.
        self.module.show_value(self._state.steer.module)
        self.module_asked.emit(module)

    def _choose_layers(self, first: int, last: int) -> None:
        mask = self._state.mask
        everything = mask is None or (first == 0 and last == mask.layers - 1)
        self._state.set_steer(replace(self._state.steer, layers=None if everything else (first, last)))

    def _show_steer(self) -> None:
        steer = self._state.steer
        self.targets.show_value(steer.target)
        self.modes.show_value(steer.mode)
        mask = self._state.mask
        for emotion, row in self.rows.items():
            intensity = mask.range_of(steer.mode, emotion) if mask is not None else None
            row.show_value(steer.mode, steer.strengths.get(emotion, 0.0), intensity)
            row.label.show_muted(muted=emotion in steer.muted)
        self.scale.show_mode(steer.mode, measured=mask is not None and steer.mode in mask.ranges)
        self.content.show_value(steer.content)
        self.scope.show_value(steer.scope)
        self.module.show_value(steer.module)
        self.seed.show_seed(steer.seed)
        explain(
            self.reset_button, any(steer.strengths.values()), "All intensities are zero", "Set all intensities to zero"
        )
        self._show_vectors()
        self._show_layers()

    def _show_vectors(self) -> None:
        """The file of learned vectors where they steer, and which emotions can be steered."""
        steer, mask = self._state.steer, self._state.mask
        self.vectors_button.setVisible(steer.learned)
        self.scope.allow([] if steer.learned else ["all", "generated"], "Learned vectors act on every token")
        self._show_modules()
        name = steer.vectors.name if steer.vectors is not None else ""
        self.vectors_button.setText(f"Vectors: {name}" if name else "Choose learned vectors…")
        self.vectors_button.setToolTip(
            f"{steer.vectors.path}; choose another file of learned vectors"
            if steer.vectors is not None
            else "Open a file that esn-studio emosteer train wrote"
        )
        for emotion, row in self.rows.items():
            if steer.learned:
                held = steer.vectors is not None and emotion in steer.vectors.emotions
                missing = (
                    f"No vector was learned for {emotion}"
                    if steer.vectors is not None
                    else ("No learned vectors are open: choose a file under Mode")
                )
            else:
                held = mask is not None and emotion in mask.emotions
                missing = f"This mask holds no neurons for {emotion}" if mask is not None else "No mask is open"
            row.allow(None if held else missing)

    def _show_mask(self) -> None:
        mask = self._state.mask
        self._show_steer()
        for box in (self.first, self.last):
            box.blockSignals(True)
            box.setMaximum(mask.layers - 1 if mask is not None else 0)
            box.blockSignals(False)
        self._show_layers()

    def _show_layers(self) -> None:
        mask, steer = self._state.mask, self._state.steer
        top = mask.layers - 1 if mask is not None else 0
        first, last = steer.layers or (0, top)
        show_number(self.first, first)
        show_number(self.last, last)
        everywhere = "Learned vectors have no layers" if steer.learned else "All layers are steered"
        explain(self.all_layers, steer.layers is not None and not steer.learned, everywhere, "Steer all layers again")
        reason = "Learned vectors have no layers" if steer.learned else "No mask is open"
        for box in (self.first, self.last):
            explain(box, mask is not None and not steer.learned, reason, box.accessibleName())
        shown = _leading(steer.strengths, steer.target)
        if steer.learned:
            self.strip.setToolTip("Learned vectors have no layers")
            self.strip.show_counts([], "", "")
        elif mask is None or not mask.emotions:
            self.strip.setToolTip("The mask's neurons per layer appear here")
            self.strip.show_counts([], "", "")
        else:
            shown = shown if shown in mask.emotions else mask.emotions[0]
            self.strip.setToolTip("")
            self.strip.show_counts(mask.counts[shown], COLOURS[shown], shown)
        self.strip.show_window(steer.layers)

    def _show_model(self) -> None:
        model = self._state.model
        modes = [str(mode) for mode in model.content_modes] if model is not None else ["free", "lock"]
        title = model.title if model is not None else "The model"
        self.content.allow(modes, f"{title} offers no such choice")
        self._show_modules()

    def _show_modules(self) -> None:
        """Which modules can be steered: those of the model, and none where learned vectors steer."""
        model = self._state.model
        modules = list(model.gates) if model is not None else ["language"]
        title = model.title if model is not None else "The model"
        if self._state.steer.learned:
            self.module.allow([], "Learned vectors act where they were learned, in no module of a mask")
        else:
            self.module.allow(modules, f"{title} has only the {' and '.join(modules)} module")

    def _show_options(self) -> None:
        state = self._state
        for row in self.rows.values():
            row.show_bypassed(state.bypass)
        for box, on in (
            (self.auto_render, state.auto_render),
            (self.auto_play, state.auto_play),
            (self.bypass, state.bypass),
        ):
            box.blockSignals(True)
            box.setChecked(on)
            box.blockSignals(False)


def translate(strengths: Mapping[str, float], old: str, new: str, mask: ShownMask | None = None) -> dict[str, float]:
    """Strengths of one mode as comparable strengths of another: the same share of what is still no destruction."""
    if new not in RANGES:
        return {name: 1.0 if value > 0.0 else 0.0 for name, value in strengths.items()}
    result = {}
    for name, value in strengths.items():
        before, after = (mask.range_of(mode, name) if mask is not None else RANGES.get(mode) for mode in (old, new))
        assert after is not None, "modes without strengths were dealt with"
        strong = before.strong if before is not None else 1.0
        result[name] = round(min(value / strong * after.strong, after.maximum), 2)
    return result


def _leading(strengths: Mapping[str, float], target: str | None) -> str:
    strongest = max(strengths, key=lambda name: strengths[name], default="")
    return strongest if strongest and strengths[strongest] > 0.0 else (target or "")


def _layer_box(name: str) -> QSpinBox:
    box = QSpinBox()
    box.setAccessibleName(name)
    box.setKeyboardTracking(False)
    box.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
    box.setFixedWidth(36)
    box.setMaximum(0)
    return box
