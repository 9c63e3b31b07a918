"""The steering panel: zones as measured with the mask, the module, and the time a render will still take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QLocale, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from studio.engine import JobContext
from studio.esn.calibration import Point, calibration_file, write_calibration
from studio.gui.loading import Loaded, Loader
from studio.gui.main_window import MainWindow
from studio.gui.widgets.intensity import IntensityRow
from studio.gui.widgets.remaining import Remaining
from studio.lalm.base import LANGUAGE, SYNTHESIS
from tests.gui.driving import PATIENCE, choose_target, drag_slider, press, wait_for_takes
from tests.gui.standin import INFO, WIDTHS, StandIn, StandInJudge, loader, make_mask


def calibrated(standin: StandIn, folder: Path) -> Loader:
    """As ``loader``, with a sweep of the first mask: angry breaks early, the others were not swept."""
    load = loader(standin, folder)

    def load_all(context: JobContext) -> Loaded:
        loaded = load(context)
        sweep = {"gain": {"angry": [Point(0.2, 2.5), Point(0.4, 15.0), Point(0.8, 90.0)]}}
        write_calibration(loaded.masks[0], make_mask().fingerprint(), sweep)
        return loaded

    return load_all


def ready(qtbot: QtBot, window: MainWindow) -> MainWindow:
    state = window.studio.state
    qtbot.waitUntil(lambda: state.source is not None and state.mask is not None, timeout=PATIENCE)
    return window


def test_zones_are_those_measured_with_the_mask(
    qtbot: QtBot, open_window: Callable[[Loader], MainWindow], standin: StandIn, tmp_path: Path
) -> None:
    window = ready(qtbot, open_window(calibrated(standin, tmp_path / "masks")))
    state, rows = window.studio.state, window.steering.rows
    state.set_options(auto_render=False)
    choose_target(window, "angry")
    for strength, zone in ((0.15, "safe"), (0.35, "strong"), (0.6, "destructive")):
        drag_slider(window, "angry", strength)
        assert state.steer.strengths["angry"] == pytest.approx(strength, abs=0.04)
        assert zone in rows["angry"].slider.accessibleDescription()
        drag_slider(window, "sad", strength)
        expected = "safe" if strength <= 0.5 else "strong"
        assert expected in rows["sad"].slider.accessibleDescription(), "not swept: the zones of the paper"
    assert window.steering.scale.toolTip().startswith("Measured with this mask")
    drag_slider(window, "angry", 0.4)
    press(window.steering.modes.button("add"))
    assert state.steer.strengths["angry"] == pytest.approx(0.30, abs=0.02), "as near to breaking as before"
    assert window.steering.scale.toolTip().startswith("As the paper found them")
    other = next(path for path in window.studio.keeper.masks if path.name.startswith("Random"))
    window.studio.keeper.open_mask(other)
    qtbot.waitUntil(lambda: state.mask is not None and state.mask.path == other, timeout=PATIENCE)
    press(window.steering.modes.button("gain"))
    assert window.steering.scale.toolTip().startswith("As the paper found them")


def test_a_damaged_calibration_is_one_sentence(
    qtbot: QtBot, open_window: Callable[[Loader], MainWindow], standin: StandIn, tmp_path: Path
) -> None:
    window = ready(qtbot, open_window(loader(standin, tmp_path / "masks")))
    other = window.studio.keeper.masks[1]
    calibration_file(other).write_text("{")
    window.studio.keeper.open_mask(other)
    qtbot.waitUntil(lambda: bool(window.notices.waiting), timeout=PATIENCE)
    assert "is damaged; make it anew (evaluate --calibrate)" in window.notices.waiting[0].text
    mask = window.studio.state.mask
    assert mask is not None
    assert mask.path != other


def two_modules(standin: StandIn, folder: Path, modules: tuple[str, ...]) -> Loader:
    def load(context: JobContext) -> Loaded:
        masks = [folder / f"{module}.esn.safetensors" for module in modules]
        for path, module in zip(masks, modules, strict=True):
            make_mask(module=module).save(path)
        return Loaded(standin, StandInJudge(), masks=masks)

    return load


TWO = replace(INFO, gates={LANGUAGE: WIDTHS, SYNTHESIS: WIDTHS})


def test_another_module_is_steered_with_a_mask_of_it(
    qtbot: QtBot, open_window: Callable[[Loader], MainWindow], tmp_path: Path
) -> None:
    window = ready(qtbot, open_window(two_modules(StandIn(info=TWO), tmp_path, (LANGUAGE, SYNTHESIS))))
    state, module = window.studio.state, window.steering.module
    assert module.value == LANGUAGE
    press(module.button(SYNTHESIS))
    qtbot.waitUntil(lambda: state.steer.module == SYNTHESIS, timeout=PATIENCE)
    assert state.mask is not None
    assert (state.mask.name, module.value) == (SYNTHESIS, SYNTHESIS)
    choose_target(window, "sad")
    drag_slider(window, "sad", 0.4)
    wait_for_takes(qtbot, window, 2)
    assert {shown.take.settings.module for shown in state.takes if not shown.steer.is_baseline} == {SYNTHESIS}


def test_without_a_mask_of_a_module_one_sentence_says_so(
    qtbot: QtBot, open_window: Callable[[Loader], MainWindow], tmp_path: Path
) -> None:
    window = ready(qtbot, open_window(two_modules(StandIn(info=TWO), tmp_path, (LANGUAGE,))))
    press(window.steering.module.button(SYNTHESIS))
    qtbot.waitUntil(lambda: bool(window.notices.waiting), timeout=PATIENCE)
    assert "There is no mask for the synthesis module of Stand-in" in window.notices.waiting[0].text
    assert window.steering.module.value == LANGUAGE


def test_a_module_the_model_lacks_says_so(window: MainWindow) -> None:
    button = window.steering.module.button(SYNTHESIS)
    assert (button.isEnabled(), button.toolTip()) == (False, "Stand-in has only the language module")


def test_the_time_left_is_told_after_half_a_second_and_begins_anew() -> None:
    moments = iter((0.0, 0.4, 2.0, 2.0, 2.0, 32.0, 33.0))
    remaining = Remaining(lambda: next(moments))
    assert remaining.text(0.2) == ""
    assert remaining.text(0.4) == "3\u00a0s left"
    assert remaining.text(0.01) == "", "something new"
    assert remaining.text(0.25) == "2\u00a0min left"
    assert remaining.text(1.0) == ""


def test_the_toolbar_tells_what_is_rendered_and_how_long_it_takes(
    qtbot: QtBot, window: MainWindow, standin: StandIn
) -> None:
    job = window.top.job
    assert (job.job.text(), job.left.text(), job.progress.isVisible()) == ("", "", False)
    choose_target(window, "sad")
    wait_for_takes(qtbot, window, 1)
    standin._pause = 0.2
    drag_slider(window, "sad", 0.5)
    qtbot.waitUntil(lambda: job.job.text() == "Rendering" and job.left.text().endswith("s left"), timeout=PATIENCE)
    wait_for_takes(qtbot, window, 2)
    assert (job.job.text(), job.left.text(), job.progress.isVisible()) == ("", "", False)


@pytest.mark.parametrize("language", [QLocale.Language.English, QLocale.Language.German])
def test_numbers_are_typed_with_point_or_comma_and_show_a_point(qtbot: QtBot, language: QLocale.Language) -> None:
    before = QLocale()
    QLocale.setDefault(QLocale(language))
    try:
        row = IntensityRow("happy")
    finally:
        QLocale.setDefault(before)
    qtbot.addWidget(row)
    typed: list[float] = []
    row.edited.connect(lambda _emotion, value: typed.append(value))
    for text in ("0.3", "0,45", ",5", "1"):
        row.value.selectAll()
        QTest.keyClicks(row.value, text)
        QTest.keyClick(row.value, Qt.Key.Key_Return)
    assert typed == [0.3, 0.45, 0.5, 1.0]
    assert row.value.text() == "1.00"
