"""Under the takes: more about the selected one, its note, or what differs between two."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QKeyEvent, Qt
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from studio.gui.measuring import Measuring
from studio.gui.shown import ShownTake
from studio.gui.state import StudioState
from studio.gui.widgets.layout import explain, link, set_role, small, tight
from studio.gui.words import flags_help, take_wer

_MOST_LINES = 6
_NOTHING = "\N{EN DASH}"


class NoteEdit(QLineEdit):
    """A take's note; ``committed`` when Enter is pressed or the focus leaves, Escape brings the old one back."""

    committed = Signal()
    left = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setPlaceholderText("Note")
        self.setAccessibleName("Note on the take")
        self.setMaxLength(400)
        self._known = ""
        self.editingFinished.connect(self.committed)

    def show_note(self, note: str) -> None:
        """Show a note that is known already; what is being typed is not overwritten by what was there before."""
        if note != self._known or not self.isModified():
            self.setText(note)
        self._known = note

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter keeps the note, Escape does not; both leave."""
        if event.key() == Qt.Key.Key_Escape:
            self.setText(self._known)
            self.left.emit()
            return
        super().keyPressEvent(event)
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.left.emit()


class TakeDetails(QWidget):
    """Shows the selection; what is pressed is told by ``use_asked`` and ``delete_asked``."""

    use_asked = Signal()
    delete_asked = Signal()
    left = Signal()

    def __init__(self, state: StudioState, measuring: Measuring) -> None:
        super().__init__()
        self._state = state
        self._measuring = measuring
        self._shown: ShownTake | None = None
        self.facts, self.measures, self.flags = small(), small(), small(role="warning")
        self.differences = small()
        for label in (self.flags, self.differences):
            label.setWordWrap(True)
        self.note = NoteEdit()
        self.use = link("use settings", "Use the take's settings")
        self.delete = link("delete", "Delete the selected takes")
        layout = QVBoxLayout(self)
        tight(layout, spacing=2)
        for widget in (self.facts, self.measures, self.flags, self.differences, self.note):
            layout.addWidget(widget)
        row = QHBoxLayout()
        tight(row)
        row.addWidget(self.use)
        row.addStretch(1)
        row.addWidget(self.delete)
        layout.addLayout(row)
        self.use.clicked.connect(self.use_asked)
        self.delete.clicked.connect(self.delete_asked)
        self.note.committed.connect(self._commit)
        self.note.left.connect(self.left)
        measuring.reason_changed.connect(self._show_measures)
        self.show_takes([])

    def show_takes(self, takes: Sequence[ShownTake]) -> None:
        """Show one take, the differences of two, or how many there are."""
        one = takes[0] if len(takes) == 1 else None
        if one is not self._shown:
            self._commit()
        self._shown = one
        self.setVisible(bool(takes))
        for widget in (self.facts, self.measures, self.note):
            widget.setVisible(one is not None)
        self.flags.setVisible(one is not None and bool(one.take.flags))
        self.differences.setVisible(len(takes) > 1)
        if one is not None:
            self.facts.setText(
                "   ".join(filter(None, (f"{one.take.audio.seconds:.2f}\u00a0s", take_wer(one.take)[0])))
            )
            self.flags.setText(flags_help(one.take).replace("\n", " "))
            self.note.show_note(one.take.note)
            self._show_measures()
        elif len(takes) == 2:
            text, whole = differences_text(takes[0], takes[1])
            self.differences.setText(text)
            self.differences.setToolTip(whole)
        else:
            self.differences.setText(f"{len(takes)} takes are selected.")
            self.differences.setToolTip("")
        explain(self.use, one is not None, "Select one take", "Put this take's settings back on the panel (U)")
        explain(self.delete, bool(takes), "No take is selected", "Delete (Del); Ctrl+Z brings it back")

    def _show_measures(self) -> None:
        from studio.session.measures import LEAST_SIMILARITY

        if self._shown is None:
            return
        take = self._shown.take
        natural = f"{take.naturalness:.1f}" if take.naturalness is not None else _NOTHING
        voice = f"{take.similarity:.2f}" if take.similarity is not None else _NOTHING
        self.measures.setText(f"naturalness {natural}   voice {voice} (limit {LEAST_SIMILARITY:.2f})")
        other = take.similarity is not None and take.similarity < LEAST_SIMILARITY
        set_role(self.measures, "warning" if other else "small")
        complete = take.naturalness is not None and take.similarity is not None
        meaning = (
            "Naturalness: predicted opinion of listeners, 1 to 5.\n"
            f"Voice: likeness to the source's, 0 to 1; below {LEAST_SIMILARITY:.2f} it counts as another voice."
        )
        self.measures.setToolTip(meaning if complete else f"{meaning}\n{self._measuring.reason}")

    def _commit(self) -> None:
        if self._shown is not None and self.note.isModified():
            self.note.setModified(False)
            self._state.mark_take(self._shown, note=" ".join(self.note.text().split()))


def differences_text(first: ShownTake, second: ShownTake) -> tuple[str, str]:
    """What differs between two takes, a line each: as many as there is room for, and all of them."""
    from studio.session.differences import differences

    found = differences(first.take, second.take)
    title = f"Take {first.number} \N{RIGHTWARDS ARROW} take {second.number}"
    if not found:
        text = f"{title}: the same settings"
        return text, text
    lines = [f"{each.name}: {each.first} \N{RIGHTWARDS ARROW} {each.second}" for each in found]
    whole = "\n".join([title, *lines])
    if len(lines) <= _MOST_LINES:
        return whole, whole
    rest = len(lines) - _MOST_LINES + 1
    return "\n".join([title, *lines[: _MOST_LINES - 1], f"and {rest} more"]), whole
