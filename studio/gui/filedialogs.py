"""Asking which recordings, masks and exports: the window's file dialogs."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, QSettings, Qt
from PySide6.QtWidgets import QFileDialog, QWidget

from studio.audio.files import SUFFIXES
from studio.gui.audition.record import RecordDialog
from studio.gui.audition.takes import TakesList
from studio.gui.studio import Studio
from studio.gui.widgets.notices import Notice


class FileDialogs(QObject):
    """Opens, records and exports what a person names; the folders are remembered, one for each purpose."""

    def __init__(self, window: QWidget, studio: Studio, takes: TakesList, settings: QSettings) -> None:
        super().__init__(window)
        self._window, self._studio, self._takes, self._settings = window, studio, takes, settings

    def ask_open(self) -> None:
        """Ask for recordings and open them."""
        patterns = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        chosen, _ = QFileDialog.getOpenFileNames(
            self._window, "Open recordings", self._folder("open"), f"Recordings ({patterns});;All files (*)"
        )
        if chosen:
            self._settings.setValue("folder/open", str(Path(chosen[0]).parent))
            self._studio.sources.open_files([Path(each) for each in chosen])

    def ask_record(self) -> None:
        """Record a source from a microphone."""
        model = self._studio.state.model
        limit = f"{model.title} converts at most {model.max_seconds:.0f} s; trim what is longer." if model else ""
        kept = str(self._settings.value("sound/microphone", ""))
        dialog = RecordDialog(
            self._studio.playback, self._studio.chores, microphone=kept, model_limit=limit, parent=self._window
        )
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.chosen.connect(lambda name: self._settings.setValue("sound/microphone", name))
        dialog.recorded.connect(self._studio.sources.open_file)
        dialog.open()

    def ask_mask(self) -> None:
        """Ask for a mask file and open it."""
        chosen, _ = QFileDialog.getOpenFileName(
            self._window, "Open an ESN mask", self._folder("mask"), "ESN masks (*.esn.safetensors);;All files (*)"
        )
        if chosen:
            self._settings.setValue("folder/mask", str(Path(chosen).parent))
            self._studio.keeper.open_mask(Path(chosen))

    def ask_vectors(self) -> None:
        """Ask for a file of learned vectors and steer by it."""
        chosen, _ = QFileDialog.getOpenFileName(
            self._window,
            "Open learned vectors",
            self._folder("vectors"),
            "Learned vectors (*.emosteer.safetensors);;All files (*)",
        )
        if chosen:
            self._settings.setValue("folder/vectors", str(Path(chosen).parent))
            self._studio.keeper.open_vectors(Path(chosen))

    def ask_export(self) -> None:
        """Ask how and where to, and export takes."""
        takes = self._studio.state.takes
        if not takes:
            self._studio.notice.emit(Notice("There is no take to export yet; render one first.", kind="info"))
            return
        from studio.gui.export_dialog import ExportDialog

        current = self._takes.current_take
        selected = [] if current is None else [current]
        dialog = ExportDialog(self._window, takes, selected, self._studio.exports, self._studio.chores, self._settings)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def ask_reel(self) -> None:
        """Ask where to, and write the takes of A and B in turn into one file."""
        held = [content.shown if content is not None else None for content in map(self._studio.state.lanes.get, "AB")]
        a, b = held
        if a is None or b is None:
            self._studio.notice.emit(
                Notice("An A/B reel needs a take in A and one in B; put them there first.", kind="info")
            )
            return
        from studio.gui.export_choices import load_choices

        choices = load_choices(self._settings)
        suffix = f".{choices.container.lower()}"
        proposal = Path(self._folder("export")) / f"{a.take.source_name} A-B{suffix}"
        # Nothing is overwritten: a name that is taken gets a number.
        chosen, _ = QFileDialog.getSaveFileName(
            self._window,
            "Export an A/B reel",
            str(proposal),
            f"Sound (*{suffix})",
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if chosen:
            self._settings.setValue("folder/export", str(Path(chosen).parent))
            self._studio.exports.write_reel(Path(chosen), a, b, choices)

    def _folder(self, purpose: str) -> str:
        return str(self._settings.value(f"folder/{purpose}", str(Path.home())))
