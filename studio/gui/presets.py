"""Presets of the steering panel: kept under names, put back on the panel, and forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, Signal

from studio.engine import JobContext
from studio.gui.engine_thread import EngineThread
from studio.gui.shown import Steer
from studio.gui.state import StudioState
from studio.gui.steers import panel_document, read_panel
from studio.gui.widgets.notices import Notice, Offer

LONGEST_NAME = 60


class PanelPresets(QObject):
    """Presets by name; read and written by the worker. What is replaced or deleted can be had back from the notice.

    A preset holds the panel's values but for the curve, which belongs to one recording, and the module, which is the
    mask's.
    """

    changed = Signal()
    notice = Signal(object)

    def __init__(self, state: StudioState, worker: EngineThread) -> None:
        super().__init__()
        self._state = state
        self._worker = worker
        self._presets: dict[str, dict[str, Any]] = {}
        self._jobs = 0
        self.problem: str | None = "The presets are still being read"

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in order."""
        return tuple(sorted(self._presets, key=str.casefold))

    def start(self) -> None:
        """Read the presets."""
        self._worker.submit("presets", _read, self._take_in, failed=self._give_up)

    def blocked(self) -> str | None:
        """Why presets cannot be used now; None when they can."""
        return "The model is still loading" if self._state.model is None else self.problem

    def save(self, name: str) -> None:
        """Keep the panel's values under a name, in place of what it held."""
        name = " ".join(name.split())[:LONGEST_NAME]
        if not name or self.problem is not None:
            return
        before = self._presets.get(name)
        self._keep(name, panel_document(replace(self._state.steer, automation=None)))
        if before is not None:
            self._offer_back(f"The preset “{name}” was replaced.", name, before)

    def delete(self, name: str) -> None:
        """Forget a preset."""
        before = self._presets.pop(name, None)
        if before is not None:
            self._write()
            self._offer_back(f"The preset “{name}” was deleted.", name, before)

    def use(self, name: str) -> None:
        """Put a preset's values on the panel, as far as model and mask have what they name."""
        self._state.set_steer(self.values(name))

    def in_use(self, name: str) -> bool:
        """Whether the panel shows just these values."""
        return self.values(name) == self._state.steer

    def values(self, name: str) -> Steer:
        """What the panel would show."""
        state, kept = self._state, read_panel(self._presets[name])
        now, mask, model = state.steer, state.mask, state.model
        held = {
            key: value for key, value in kept.strengths.items() if kept.learned or mask is None or key in mask.emotions
        }
        fits = kept.layers is not None and mask is not None and kept.layers[1] < mask.layers
        contents = [str(mode) for mode in model.content_modes] if model is not None else []
        return replace(
            kept,
            strengths=held,
            layers=kept.layers if fits else None,
            module=now.module,
            automation=now.automation,
            content=kept.content if kept.content in contents else now.content,
        )

    def _keep(self, name: str, values: Mapping[str, Any]) -> None:
        self._presets[name] = dict(values)
        self._write()

    def _offer_back(self, text: str, name: str, before: Mapping[str, Any]) -> None:
        back = Offer("Bring it back", partial(self._keep, name, before))
        self.notice.emit(Notice(text, kind="offer", offers=(back,)))

    def _write(self) -> None:
        presets = dict(self._presets)
        self.changed.emit()

        def write(_context: JobContext) -> None:
            from studio.session.presets import presets_file, write_presets

            write_presets(presets_file(), presets)

        # Every job has a slot of its own: what is being written is never cancelled half-way.
        self._jobs += 1
        self._worker.submit(f"presets {self._jobs}", write, lambda _none: None)

    def _take_in(self, presets: dict[str, dict[str, Any]]) -> None:
        self._presets = presets
        self.problem = None
        self.changed.emit()

    def _give_up(self, error: BaseException) -> None:
        self.problem = str(error)
        self._worker.tell(error)
        self.changed.emit()


def _read(_context: JobContext) -> dict[str, dict[str, Any]]:
    from studio.errors import StudioError
    from studio.session.presets import presets_file, read_presets

    presets = {}
    for name, document in read_presets(presets_file()).items():
        try:
            read_panel(document)
        except StudioError:
            # Kept in the file until another is saved; one that cannot be understood is of no use to anybody.
            continue
        presets[name] = document
    return presets
