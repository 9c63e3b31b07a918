"""What the tour shows a newcomer: how a line becomes a take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from studio.gui.tour import Stop

if TYPE_CHECKING:
    from studio.gui.main_window import MainWindow


def first_steps(window: MainWindow) -> tuple[Stop, ...]:
    """The stops of the tour, in the Audition workspace, which is brought to the front."""
    window.show_workspace("audition")
    library, steering = window.library, window.steering
    buttons = (library.lines, library.open, library.record)
    return (
        Stop(
            "A line to work on",
            "Open or drop recordings, record one, or take a demo line. What is said goes below: word errors are "
            "counted against it.",
            (*buttons, library.sources, library.about, library.reference),
        ),
        Stop(
            "Target and intensity",
            "Choose a target emotion, then push its slider, or blend several. Every change renders by itself.",
            (steering.targets, steering.modes, *steering.rows.values(), steering.scale),
        ),
        Stop(
            "Hear the difference",
            "The conversion without steering lands in A, the steered take in B. Play, and swap them at the same "
            "position.",
            (window.transport,),
        ),
        Stop(
            "Many at once",
            "Ladder renders several strengths, or every emotion, as a sheet to listen through; "
            "auto finds the strongest intensity that keeps words and voice.",
            (steering.render_button, steering.sheet_button),
        ),
        Stop(
            "Keep the best",
            "Every render is a take: rate it, name it, compare two, export. Work is saved as it is made; F1 lists "
            "the keys.",
            (library.takes_panel,),
        ),
    )
