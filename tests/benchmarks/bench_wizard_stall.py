"""How long the window's thread is away from its event loop while the wizard checks, searches and selects; run by hand:

    python -m tests.benchmarks.bench_wizard_stall [RECORDINGS]

Prints, for each phase, the longest and the 99th percentile of the gaps between the firings of a one-millisecond timer,
and how much of the longest the window's own work took (the rest is waiting for the interpreter or the machine). Goal:
under 50 ms while the search runs. The model and the corpus that ship; 24 recordings to four emotions unless told.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from studio.gui.wizard.search import Stage
from studio.paths import resources_dir
from tests.benchmarks.bench_gui_stall import WatchedStage
from tests.gui.driving import press
from tests.gui.wizard.driving import next_page, type_into


def main() -> None:
    """Print the lines."""
    recordings = int(sys.argv[1]) if len(sys.argv) > 1 else 24
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_DATA_HOME"] = folder
        stage = WatchedStage(Path(folder))
        watch, search = stage.watch, stage.studio.search
        watch.report("loading")
        press(stage.window.top.find_neurons)
        wizard = stage.window.wizard
        assert wizard is not None
        stage.rest(0.5)
        watch.report("opening")
        type_into(wizard.dataset.path, str(resources_dir() / "demo"))
        next_page(wizard)
        stage.wait(lambda: search.corpus.checked is not None, "the check")
        watch.report("checking")
        wizard.check.limit.setValue(recordings)
        next_page(wizard)
        next_page(wizard)
        wizard.settings.batch.setValue(8)
        stage.rest(0.5)
        watch.report("pages")
        next_page(wizard)
        stage.wait(lambda: search.stage is Stage.FINISHED, "the end of the search")
        watch.report("searching")
        print(f"{'':<10} {len(search.results.attempts)} conversions, {search.found} successes")
        next_page(wizard)
        stage.wait(lambda: wizard.review.list.conversions.rowCount() > 0 and wizard.review.isComplete(), "the list")
        stage.rest(0.5)
        watch.report("review")
        for _ in range(8):
            press(wizard.review.accept)
            stage.rest(0.1)
        press(wizard.review.basis.button("ear"))
        stage.wait(lambda: search.results.selection is not None and search.results.selection.by_ear, "the selection")
        watch.report("selecting")
        press(wizard.review.basis.button("judge"))
        stage.wait(wizard.review.isComplete, "the selection")
        next_page(wizard)
        type_into(wizard.save.path, str(Path(folder) / "bench.esn.safetensors"))
        stage.rest(0.1)
        press(wizard.save.save)
        stage.wait(lambda: search.results.saved_to is not None, "the mask")
        watch.report("saving")
        stage.close()


if __name__ == "__main__":
    main()
