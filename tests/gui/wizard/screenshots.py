"""Draws every page of the wizard, dark and light: ``python -m tests.gui.wizard.screenshots FOLDER [RECORDINGS]``.

The model and corpus that ship; jobs and the mask stay in the folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from PySide6.QtWidgets import QWizard

from studio.gui.wizard.search import Stage
from studio.gui.wizard.wizard import FindNeurons, Step
from studio.paths import resources_dir
from tests.gui.driving import press
from tests.gui.stage import Stage as Scene
from tests.gui.wizard.driving import next_page, type_into

SCHEMES = ("dark", "light")


class Album:
    """Takes pictures of the wizard in both schemes."""

    def __init__(self, scene: Scene, wizard: FindNeurons, folder: Path) -> None:
        self._scene, self._wizard, self._folder = scene, wizard, folder
        self._count = 0

    def take(self, name: str) -> None:
        self._count += 1
        for scheme in SCHEMES:
            self._scene.window.theme.choose(scheme)
            self._scene.rest(0.3)
            assert self._wizard.grab().save(str(self._folder / f"{self._count:02d}-{name}-{scheme}.png"))


def main() -> None:
    folder = Path(sys.argv[1])
    recordings = int(sys.argv[2]) if len(sys.argv) > 2 else 6
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["XDG_DATA_HOME"] = str(folder / "data")
    scene = Scene(folder)
    window, search = scene.window, scene.studio.search
    press(window.top.find_neurons)
    wizard = window.wizard
    assert wizard is not None
    size = os.environ.get("WIZARD_SIZE")
    if size:
        wizard.resize(*(int(part) for part in size.split("x")))
    album = Album(scene, wizard, folder)
    album.take("dataset-empty")
    type_into(wizard.dataset.path, str(resources_dir() / "demo"))
    album.take("dataset")
    next_page(wizard)
    album.take("checking")
    scene.wait(lambda: search.corpus.checked is not None, "the check")
    wizard.check.limit.setValue(recordings)
    album.take("check")
    next_page(wizard)
    album.take("model")
    next_page(wizard)
    album.take("settings")
    press(wizard.settings.more)
    wizard.settings.batch.setValue(3)
    album.take("settings-more")
    next_page(wizard)
    scene.wait(lambda: search.snapshot is not None, "the plan")
    album.take("run-begun")
    scene.wait(lambda: search.found >= recordings, "successes")
    album.take("run")
    wizard.close()
    scene.rest(0.3)
    assert wizard.question is not None
    for scheme in SCHEMES:
        window.theme.choose(scheme)
        scene.rest(0.3)
        wizard.question.grab().save(str(folder / f"question-{scheme}.png"))
    press(wizard.question.buttons()[1])
    scene.wait(lambda: search.stage is Stage.FINISHED, "the end")
    album.take("run-done")
    next_page(wizard)
    scene.wait(lambda: wizard.review.list.conversions.rowCount() > 0, "the list")
    press(wizard.review.accept)
    press(wizard.review.reject)
    press(wizard.review.accept)
    scene.rest(0.3)
    press(wizard.review.basis.button("ear"))
    scene.wait(lambda: search.results.selection is not None and search.results.selection.by_ear, "the selection")
    album.take("review")
    press(wizard.review.kinds.button("all"))
    album.take("review-all")
    press(wizard.review.basis.button("judge"))
    scene.wait(wizard.review.isComplete, "the selection")
    next_page(wizard)
    assert wizard.currentId() == Step.SAVE
    album.take("save")
    (folder / "demo-cas.esn.safetensors").unlink(missing_ok=True)
    type_into(wizard.save.path, str(folder / "demo-cas.esn.safetensors"))
    press(wizard.save.save)
    scene.wait(lambda: search.results.saved_to is not None, "the mask")
    album.take("saved")
    press(wizard.button(QWizard.WizardButton.FinishButton))
    scene.rest(1.0)
    for scheme in SCHEMES:
        window.theme.choose(scheme)
        scene.rest(0.5)
        window.grab().save(str(folder / f"studio-{scheme}.png"))
    scene.close()


if __name__ == "__main__":
    main()
