"""A hosted model that is really lost, in the real window: it goes on, says what happened and offers what helps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from studio.engine import JobContext
from studio.gui import loading
from studio.gui.loading import Loaded, Loader
from studio.gui.main_window import MainWindow
from studio.lalm import catalog
from studio.lalm.base import Conversion, ConversionRequest
from studio.lalm.entries import ENTRIES, ModelFacts
from studio.lalm.failures import HostOutOfMemory
from studio.lalm.hosted import HostedLALM
from studio.lalm.options import options_of
from tests.gui.driving import PATIENCE, choose_target, press, wait_for_takes
from tests.gui.models import misbehaving
from tests.gui.standin import INFO, StandIn, loader, make_mask

HOSTED = ModelFacts(
    "hosted", "Hosted", "the stand-in, badly kept", "tests.gui.models.misbehaving:load", "", ("language",),
    batches=True, memory={"bf16": 2, "8bit": 1}, precisions=("bf16", "8bit"),
)  # fmt: skip

AGAIN, FEWER, SMALLER, EMBEDDED = "Start it again", "Smaller batch", "Load it in 8bit", "Use the embedded model"


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The model is in the catalog; the file by which it is told to misbehave."""
    monkeypatch.setattr(catalog, "ENTRIES", (*ENTRIES, HOSTED))
    monkeypatch.setenv(misbehaving.FILE, str(tmp_path / "how"))
    return tmp_path / "how"


@pytest.fixture
def lost_window(open_window: Callable[[Loader], MainWindow], qtbot: QtBot, known: Path) -> MainWindow:
    """A window with the hosted model and a take."""

    def load(_context: JobContext) -> Loaded:
        model = misbehaving.start(known)
        mask = known.parent / "mask.esn.safetensors"
        make_mask().save(mask)
        return Loaded(model, masks=[mask], name=HOSTED.name)

    window = open_window(load)
    state = window.studio.state
    qtbot.waitUntil(
        lambda: (state.source is not None and state.mask is not None) or bool(window.notices.waiting),
        timeout=PATIENCE,
    )
    assert window.notices.waiting == []
    state.set_options(auto_play=False)
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    return window


def told(window: MainWindow, qtbot: QtBot) -> str:
    """The one notice there is."""
    qtbot.waitUntil(lambda: bool(window.notices.waiting), timeout=PATIENCE)
    (notice,) = window.notices.waiting
    assert notice.kind == "error"
    assert "\n" not in notice.text
    assert "Traceback" not in notice.text
    return notice.text


def offered(window: MainWindow) -> dict[str, QPushButton]:
    return {button.text(): button for button in window.notices.offer_buttons}


def hosted(window: MainWindow) -> HostedLALM:
    assert window.studio.keeper.loaded is not None
    model = window.studio.keeper.loaded.model
    assert isinstance(model, HostedLALM)
    return model


def pid_of(model: HostedLALM) -> int | None:
    return model.pid


def test_however_it_is_lost_the_window_goes_on_and_the_next_render_works(
    lost_window: MainWindow, qtbot: QtBot, known: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = lost_window
    studio, state, model = window.studio, window.studio.state, hosted(window)
    for seed, (how, words) in enumerate(
        {
            "killed": "ended unexpectedly",
            "garbage": "sent something that is no message",
            "version": "speaks version 99 of the protocol",
            "memory": "ran out of memory",
            "hung": "has not answered",
        }.items(),
        start=1,
    ):
        before, project = list(state.takes), studio.projects.path
        held, pid = state.lanes["A"], pid_of(model)
        assert pid is not None
        known.write_text("killed" if how == "version" else how)
        # A stopped process never answers, however long one waits.
        monkeypatch.setattr(model, "_patience", 3.0 if how == "hung" else misbehaving.PATIENCE)
        state.set_steer(replace(state.steer, seed=seed))
        if how == "version":
            # Only a host that is started says which version it speaks.
            assert "ended unexpectedly" in told(window, qtbot)
            known.write_text(how)
            press(offered(window)[AGAIN])
        assert words in told(window, qtbot)
        qtbot.waitUntil(lambda: not studio.renders.active, timeout=PATIENCE)
        assert pid_of(model) is None
        assert state.takes == before
        assert state.lanes["A"] is held
        assert studio.projects.path == project
        assert studio.renders.blocked() is None
        expected = [AGAIN, SMALLER, EMBEDDED] if how == "memory" else [AGAIN, EMBEDDED]
        assert list(offered(window)) == expected
        monkeypatch.setattr(model, "_patience", misbehaving.PATIENCE)
        press(offered(window)[AGAIN])
        wait_for_takes(qtbot, window, seed + 1)
        assert not window.notices.waiting
        assert pid_of(model) not in (None, pid)
        assert state.takes[-1].take.settings.seed == seed


class Narrow(StandIn):
    """Runs out of memory, as a host does, with more rows than it has room for."""

    def __init__(self, rows: int) -> None:
        super().__init__(info=replace(INFO, batches=True))
        self.rows = rows

    def convert(self, requests: Sequence[ConversionRequest], **options: Any) -> list[Conversion]:
        if len(requests) > self.rows:
            raise HostOutOfMemory("It ran out of memory.")
        return super().convert(requests, **options)


def test_out_of_memory_offers_a_smaller_batch_another_precision_and_the_embedded_model(
    open_window: Callable[[Loader], MainWindow], qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow, other = Narrow(2), StandIn()
    load = loader(narrow, tmp_path / "masks")
    window = open_window(lambda context: replace(load(context), name=HOSTED.name))
    studio, state, keeper = window.studio, window.studio.state, window.studio.keeper
    qtbot.waitUntil(lambda: state.source is not None and state.mask is not None, timeout=PATIENCE)
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    sheets: list[Any] = []
    studio.batches.sheet_ready.connect(sheets.append)
    studio.batches.render_sheet(("angry",), (0.0, 0.25, 0.5))
    told(window, qtbot)
    assert list(offered(window)) == [FEWER, AGAIN, SMALLER, EMBEDDED]
    assert not studio.batches.active
    press(offered(window)[FEWER])
    qtbot.waitUntil(lambda: bool(sheets), timeout=PATIENCE)
    assert [cell.strength for cell in sheets[0].cells[0]] == [0.0, 0.25, 0.5]
    assert not window.notices.waiting
    narrow.rows = 0
    studio.batches.render_sheet(("angry",), (0.5,))
    told(window, qtbot)
    assert list(offered(window)) == [AGAIN, SMALLER, EMBEDDED]

    def load_named(context: JobContext, name: str) -> Loaded:
        return Loaded(narrow if name == HOSTED.name else other, name=name, options=options_of(name))

    monkeypatch.setattr(loading, "load_named", load_named)
    press(offered(window)[SMALLER])
    qtbot.waitUntil(lambda: keeper.loaded is not None and keeper.loaded.options.precision == "8bit", timeout=PATIENCE)
    # Now there is no smaller precision left, and the embedded model is the way out.
    state.set_steer(replace(state.steer, seed=9))
    told(window, qtbot)
    assert list(offered(window)) == [AGAIN, EMBEDDED]
    takes = list(state.takes)
    press(offered(window)[EMBEDDED])
    qtbot.waitUntil(lambda: keeper.loaded is not None and keeper.loaded.model is other, timeout=PATIENCE)
    wait_for_takes(qtbot, window, len(takes) + 1)
    assert state.takes[:-1] == takes


def test_memory_that_runs_out_in_the_windows_own_process_is_one_sentence_too(
    window: MainWindow, qtbot: QtBot, standin: StandIn
) -> None:
    standin.fails_with = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    choose_target(window, "angry")
    assert told(window, qtbot).startswith("Stand-in ran out of memory; render fewer takes at once")
    assert list(offered(window)) == [AGAIN]
    standin.fails_with = None
    press(offered(window)[AGAIN])
    wait_for_takes(qtbot, window, 1)


def test_a_host_that_cannot_be_loaded_leaves_the_old_model_and_can_be_tried_again(
    open_window: Callable[[Loader], MainWindow], qtbot: QtBot, known: Path, standin: StandIn, tmp_path: Path
) -> None:
    window = open_window(loader(standin, tmp_path / "masks"))
    keeper, state = window.studio.keeper, window.studio.state
    qtbot.waitUntil(lambda: state.mask is not None, timeout=PATIENCE)
    mask = state.mask
    known.write_text("version")
    keeper.choose(HOSTED.name)
    assert keeper.loading
    assert "speaks version 99" in told(window, qtbot)
    assert keeper.loaded is not None
    assert keeper.loaded.model is standin
    assert state.mask is mask
    # The stand-in goes by the embedded model's name.
    assert list(offered(window)) == [AGAIN]
    press(offered(window)[AGAIN])
    qtbot.waitUntil(lambda: keeper.loaded is not None and keeper.loaded.name == HOSTED.name, timeout=PATIENCE)
    assert not window.notices.waiting
    assert state.model is not None
    assert state.model.model_id == hosted(window).info.model_id
