"""Exports under way: takes and reels written by the worker for chores, with progress, cancel and a word at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from studio.engine import JobContext
from studio.errors import Cancelled
from studio.gui.engine_thread import EngineThread
from studio.gui.shown import ShownTake
from studio.gui.widgets.notices import Notice

if TYPE_CHECKING:
    # What exports takes reaches torch; the window opens without waiting for it.
    from studio.gui.export_choices import Choices
    from studio.session.credentials import Identity
    from studio.session.export import Exported
    from studio.session.export_options import ExportOptions
    from studio.session.reel import Part


class Exports(QObject):
    """Starts exports one after another.

    ``progress`` carries an export's name and the share done, ``ended`` its name and whether everything was written.
    """

    notice = Signal(object)
    began = Signal()
    progress = Signal(str, float)
    ended = Signal(str, bool)

    def __init__(self, worker: EngineThread) -> None:
        super().__init__()
        self._worker = worker
        self._begun = 0

    def start(
        self, takes: Sequence[ShownTake], folder: Path, options: ExportOptions, remember: Identity | None = None
    ) -> str:
        """Write takes and return the export's name; ``remember`` is who signs from now on."""

        def write(context: JobContext) -> Notice:
            from studio.session.credentials import save_identity
            from studio.session.export import export_takes

            if remember is not None:
                save_identity(remember)
            numbered = [(shown.number, shown.take) for shown in takes]
            written = export_takes(numbered, folder, options, progress=context.progress, cancelled=context.cancelled)
            return _told(takes, written, folder)

        return self._submit(write, folder)

    def write_reel(self, path: Path, a: ShownTake, b: ShownTake, choices: Choices) -> str:
        """Write an A/B reel of two takes, in the format chosen for exports; returns the export's name."""

        def write(_context: JobContext) -> Notice:
            from studio.session.credentials import load_identity
            from studio.session.reel import write_reel

            options = choices.options(load_identity() if choices.signed else None)
            written, _document = write_reel(path, _part(a), _part(b), options)
            words = f"Wrote the A/B reel {written.name}, with a cue sheet, to {written.parent}."
            return Notice(words, kind="info")

        return self._submit(write, path.parent)

    def cancel(self, name: str) -> None:
        """Stop an export; what it has written stays."""
        self._worker.cancel(name)

    def _submit(self, write: Callable[[JobContext], Notice], folder: Path) -> str:
        # Every export has a slot of its own: none ever replaces another.
        self._begun += 1
        name = f"export {self._begun}"

        def tell(words: Notice) -> None:
            self.notice.emit(words)
            self.ended.emit(name, True)

        def fail(error: BaseException) -> None:
            if isinstance(error, Cancelled):
                words = f"The export was stopped; what was finished by then is in {folder}."
                self.notice.emit(Notice(words, kind="info"))
            self._worker.tell(error)
            self.ended.emit(name, False)

        self.began.emit()
        self._worker.submit(name, write, tell, failed=fail, progress=lambda share: self.progress.emit(name, share))
        return name


def _part(shown: ShownTake) -> Part:
    from studio.session.export import steering_of
    from studio.session.reel import Part

    return Part(shown.take.audio, f"take {shown.number}: {steering_of(shown.take)}", shown.take.describe(), True)


def _told(takes: Sequence[ShownTake], written: Sequence[Exported], folder: Path) -> Notice:
    if len(written) == 1:
        beside = " with its settings" if written[0].sidecar is not None else ""
        words = f"Exported take {takes[0].number} as {written[0].audio.name}{beside} to {folder}."
    else:
        words = f"Exported {len(written)} takes to {folder}."
    notes = [note for each in written for note in each.prepared.notes]
    if notes:
        words += f" {notes[0]}" + (f" ({len(notes) - 1} more such remarks.)" if len(notes) > 1 else "")
    return Notice(words, details="\n".join(notes) if len(notes) > 1 else "", kind="info")
