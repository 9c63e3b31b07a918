"""The export dialog: which takes, how, under what names, and where to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QSettings
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from studio.errors import StudioError
from studio.gui.engine_thread import EngineThread
from studio.gui.export_choices import ALL, SELECTED, STARRED, Choices, load_choices, save_choices
from studio.gui.export_signing import SigningFields, chooser
from studio.gui.exports import Exports
from studio.gui.shown import ShownTake
from studio.gui.widgets.decimals import DecimalBox
from studio.gui.widgets.layout import explain, small
from studio.gui.widgets.progress import ThinBar
from studio.gui.widgets.toggles import Segments
from studio.session.export_options import LOUDEST_LUFS, QUIETEST_LUFS, ExportOptions
from studio.session.naming import FIELDS, plan, take_name, taken_names

WIDTH = 592
_FORMATS = {
    "WAV PCM_16": "WAV, 16 bit",
    "WAV PCM_24": "WAV, 24 bit",
    "WAV FLOAT": "WAV, 32 bit float",
    "FLAC PCM_16": "FLAC, 16 bit",
    "FLAC PCM_24": "FLAC, 24 bit",
}
_RATES = (0, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)
_PREVIEW_LINES = 4
_FILES_SLOT = "names in the export folder"


class ExportDialog(QDialog):
    """Chooses and starts an export; stays open with its progress until it ends, Escape stops it.

    ``selected`` are the takes selected in the list, ``takes`` all there are.
    """

    def __init__(
        self,
        parent: QWidget | None,
        takes: Sequence[ShownTake],
        selected: Sequence[ShownTake],
        exports: Exports,
        chores: EngineThread,
        settings: QSettings,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export takes")
        self._exports, self._chores, self._settings = exports, chores, settings
        starred = [shown for shown in takes if shown.take.stars > 0]
        self._takes = {SELECTED: list(selected), STARRED: starred, ALL: list(takes)}
        self._taken: set[str] = set()
        self._open = True
        self._running = ""
        self._make()
        self._lay_out()
        self._show_choices(load_choices(settings))
        self._connect()
        self._look_into_folder()
        self._refresh()

    @property
    def choices(self) -> Choices:
        """What is chosen now."""
        container, subtype = self.format.currentData().split()
        return Choices(
            which=self.which.value or ALL,
            container=container,
            subtype=subtype,
            rate=self.rate.currentData(),
            levelled=self.levelled.isChecked(),
            loudness=self.loudness.value(),
            template=self.template.text(),
            sidecar=self.sidecar.isChecked(),
            signed=self.signing.signed,
        )

    @property
    def chosen(self) -> list[ShownTake]:
        """The takes that would be exported."""
        return self._takes[self.which.value or ALL]

    def start(self) -> None:
        """Export what is chosen."""
        self.loudness.interpretText()
        options = self._options()
        if options is None or self._running:
            return
        folder = Path(self.folder.text().strip()).expanduser()
        save_choices(self._settings, self.choices, folder)
        name = self._exports.start(self.chosen, folder, options, remember=self.signing.unknown)
        self._show_running(name)

    def reject(self) -> None:
        """Stop the export that runs, or close."""
        if self._running:
            self._exports.cancel(self._running)
        else:
            super().reject()

    def done(self, result: int) -> None:
        """Close; nothing that arrives later is shown."""
        self._open = False
        self._chores.cancel(_FILES_SLOT)
        super().done(result)

    def _make(self) -> None:
        self.which = Segments(
            {key: f"{key.capitalize()} ({len(takes)})" for key, takes in self._takes.items()}, name="Takes to export"
        )
        for key, why in ((SELECTED, "No take is selected"), (STARRED, "No take has a star"), (ALL, "There is no take")):
            explain(self.which.button(key), bool(self._takes[key]), why)
        self.format, self.rate = QComboBox(), QComboBox()
        for kind, words in _FORMATS.items():
            self.format.addItem(words, kind)
        for rate in _RATES:
            self.rate.addItem(f"{rate / 1000:g} kHz" if rate else "As rendered", rate)
        self.levelled = QCheckBox("Bring to")
        self.levelled.setToolTip("One gain per take, by ITU-R BS.1770; no peak goes above \u22121 dBTP")
        self.loudness = DecimalBox()
        self.loudness.setRange(QUIETEST_LUFS, LOUDEST_LUFS)
        self.loudness.setDecimals(1)
        self.loudness.setSuffix(" LUFS")
        self.loudness.setFixedWidth(112)
        self.loudness.setAccessibleName("Loudness to bring takes to")
        self.template = QLineEdit()
        self.template.setToolTip("\n".join(f"{{{name}}}  {words}" for name, words in FIELDS.items()))
        self.fields = small("Fields: " + " ".join(f"{{{name}}}" for name in FIELDS))
        self.fields.setWordWrap(True)
        self.names = QPlainTextEdit()
        self.names.setReadOnly(True)
        self.names.setTabChangesFocus(True)
        self.names.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.names.setFixedHeight(_PREVIEW_LINES * self.names.fontMetrics().lineSpacing() + 16)
        self.folder = QLineEdit(str(self._settings.value("folder/export", str(Path.home()))))
        self.choose_folder = chooser("Choose the folder to export to")
        self.sidecar = QCheckBox("A JSON file beside each, that says how it was made")
        self.signing = SigningFields()
        self.problem = small(role="warning")
        self.problem.setWordWrap(True)
        self.problem.setAccessibleName("What stands in the way")
        self.progress = ThinBar("Progress of the export", wide=True)
        self.progress.hide()
        self.export = QPushButton("Export")
        self.export.setObjectName("primary")
        self.export.setDefault(True)
        self.cancel = QPushButton("Cancel")
        self.cancel.setAutoDefault(False)

    def _lay_out(self) -> None:
        self.form = QWidget()
        grid = QGridLayout(self.form)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(8)
        grid.setColumnMinimumWidth(0, 80)
        grid.setColumnStretch(1, 1)
        for name, what, control, box in (
            ("Takes", "Takes to export", self.which, self.which),
            ("Format", "File format", self.format, self.format),
            ("Rate", "Sample rate", self.rate, self.rate),
            ("Loudness", "Bring takes to a loudness", self.levelled, _row(self.levelled, self.loudness, None)),
            ("Name", "Template of the file names", self.template, self.template),
            ("", "", self.fields, self.fields),
            ("Files", "Names of the files that will be written", self.names, self.names),
            ("Folder", "Folder to export to", self.folder, _row(self.folder, self.choose_folder)),
            ("", "Write a JSON file beside each", self.sidecar, self.sidecar),
            ("", "Sign content credentials", self.signing, self.signing),
        ):
            row = grid.rowCount()
            grid.addWidget(box, row, 1)
            if what:
                control.setAccessibleName(what)
            if name:
                label = QLabel(name)
                label.setBuddy(control)
                grid.addWidget(label, row, 0)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.progress, 1)
        buttons.addStretch(1)
        buttons.addWidget(self.cancel)
        buttons.addWidget(self.export)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 16, 24, 16)
        layout.setSpacing(16)
        # As large as what it holds, which grows and shrinks.
        layout.setSizeConstraint(QLayout.SizeConstraint.SetFixedSize)
        self.form.setFixedWidth(WIDTH)
        layout.addWidget(self.form)
        layout.addWidget(self.problem)
        layout.addLayout(buttons)

    def _show_choices(self, choices: Choices) -> None:
        offered = [key for key, takes in self._takes.items() if takes]
        self.which.show_value(choices.which if choices.which in offered else next(iter(offered), None))
        self.format.setCurrentIndex(max(0, self.format.findData(f"{choices.container} {choices.subtype}")))
        self.rate.setCurrentIndex(max(0, self.rate.findData(choices.rate)))
        self.levelled.setChecked(choices.levelled)
        self.loudness.setValue(choices.loudness)
        self.template.setText(choices.template)
        self.sidecar.setChecked(choices.sidecar)
        self.signing.show_signed(choices.signed)

    def _connect(self) -> None:
        self.which.chosen.connect(self._refresh)
        for box in (self.format, self.rate):
            box.currentIndexChanged.connect(self._refresh)
        self.levelled.toggled.connect(self._refresh)
        self.template.textChanged.connect(self._refresh)
        self.signing.changed.connect(self._refresh)
        self.folder.textChanged.connect(self._look_into_folder)
        self.choose_folder.clicked.connect(self._ask_folder)
        self.export.clicked.connect(self.start)
        self.cancel.clicked.connect(self.reject)
        self._exports.progress.connect(self._show_share)
        self._exports.ended.connect(self._end)

    def _refresh(self) -> None:
        """Show the names as they will be, and what stands in the way."""
        explain(self.loudness, self.levelled.isChecked(), "Takes keep the loudness they were rendered at")
        options = self._options()
        explain(self.export, options is not None and not self._running, self.problem.text() or "The export is running")
        self.names.setPlainText("\n".join(self._names()))

    def _names(self) -> list[str]:
        try:
            names = [take_name(shown.take, shown.number, self.template.text()) for shown in self.chosen]
        except StudioError:
            return []
        return [f"{name}.{self.choices.container.lower()}" for name in plan(names, self._taken)]

    def _options(self) -> ExportOptions | None:
        """The options chosen; None with the reason shown when they cannot be used."""
        try:
            options = self.choices.options(self.signing.identity)
            problem = self._lacking()
        except StudioError as error:
            options, problem = None, str(error)
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        return None if problem else options

    def _lacking(self) -> str:
        if not self.chosen:
            return "There is no take to export; render one first."
        if not self.folder.text().strip():
            return "Choose a folder to export to."
        if self.signing.signed and self.signing.identity is None:
            return "Choose the certificate and the key to sign with."
        return ""

    def _look_into_folder(self) -> None:
        folder = Path(self.folder.text().strip() or ".").expanduser()
        # A folder on a server may take its time.
        self._chores.submit(_FILES_SLOT, lambda _context: taken_names(folder), self._show_taken)
        self._refresh()

    def _show_taken(self, taken: set[str]) -> None:
        if self._open:
            self._taken = taken
            self._refresh()

    def _ask_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Export to", self.folder.text())
        if chosen:
            self.folder.setText(chosen)

    def _show_running(self, name: str) -> None:
        """Show that the export of that name runs; none with an empty one."""
        self._running = name
        running = bool(name)
        explain(self.form, not running, "The export is running")
        self.progress.show_share(0.0)
        self.progress.setVisible(running)
        self.cancel.setText("Stop" if running else "Cancel")
        self._refresh()

    def _show_share(self, name: str, share: float) -> None:
        if name == self._running:
            self.progress.show_share(share)
            self.progress.setToolTip(self.progress.left)

    def _end(self, name: str, complete: bool) -> None:
        if not self._open or name != self._running:
            return
        self._show_running("")
        if complete:
            self.accept()


def _row(*widgets: QWidget | None) -> QWidget:
    """Widgets side by side, None for the slack."""
    result = QWidget()
    layout = QHBoxLayout(result)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(8)
    for widget in widgets:
        if widget is None:
            layout.addStretch(1)
        else:
            layout.addWidget(widget)
    return result
