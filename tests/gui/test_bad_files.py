"""Files that cannot be used: one clear sentence each, and nothing that was there is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pytestqt.qtbot import QtBot

from studio.esn.mask import EsnMask
from studio.gui.loading import Loader
from studio.gui.main_window import MainWindow
from studio.lalm.base import LANGUAGE, SYNTHESIS
from tests.gui.driving import PATIENCE, choose_target, drag_slider, drop, press, wait_for_takes
from tests.gui.standin import INFO, WIDTHS, StandIn, loader, make_mask


def tone(seconds: float, rate: int, channels: int = 1) -> np.ndarray:
    wave = 0.3 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * rate)) / rate)
    return np.repeat(wave[:, np.newaxis], channels, axis=1).astype(np.float32)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("This is not sound.\n" * 50)


def truncated(path: Path) -> None:
    soundfile.write(path, tone(1.0, 16_000), 16_000)
    path.write_bytes(path.read_bytes()[:9000])


@pytest.mark.parametrize("make", [empty, text, truncated])
def test_unreadable_recordings(qtbot: QtBot, window: MainWindow, tmp_path: Path, make: Callable[[Path], None]) -> None:
    choose_target(window, "angry")
    wait_for_takes(qtbot, window, 1)
    before = (window.studio.state.source, window.studio.state.lanes["A"], list(window.studio.state.takes))
    path = tmp_path / "recording.wav"
    make(path)
    drop(window, path)
    qtbot.waitUntil(window.notices.isVisible, timeout=PATIENCE)
    assert len(window.notices.waiting) == 1
    said = window.notices.text.text()
    assert "recording.wav" in said
    assert "Traceback" not in said
    assert (window.studio.state.source, window.studio.state.lanes["A"], window.studio.state.takes) == before
    press(window.notices.close_button)
    assert not window.notices.isVisible()


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (48_000, 8)])
def test_any_rate_and_number_of_channels_opens_and_renders(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, rate: int, channels: int
) -> None:
    path = tmp_path / "voice.wav"
    soundfile.write(path, tone(1.0, rate, channels), rate)
    drop(window, path)
    state = window.studio.state
    qtbot.waitUntil(lambda: state.source is not None and state.source.name == "voice.wav", timeout=PATIENCE)
    assert state.source is not None
    assert state.source.drawing.clip.rate == rate
    assert window.steering.content.value == "lock", "words the model does not know come from the recording"
    choose_target(window, "happy")
    wait_for_takes(qtbot, window, 1)
    assert state.takes[0].take.wer is None
    assert state.source.read
    assert f">{state.source.reference}<" in window.lanes.lanes["A"].words.text(), "it says what the model read"
    assert not window.notices.isVisible()


def test_a_ten_minute_recording_opens_and_says_what_the_model_takes(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    path = tmp_path / "long.flac"
    soundfile.write(path, tone(600.0, 8_000), 8_000)
    drop(window, path)
    qtbot.waitUntil(window.notices.isVisible, timeout=PATIENCE)
    assert window.notices.text.text() == (
        "Stand-in converts at most 20 s and this recording has 10:00.00; "
        "trim it to a region under the source's waveform."
    )
    assert window.studio.axis.length == pytest.approx(600.0)
    choose_target(window, "angry")
    assert not window.steering.render_button.isEnabled()
    assert "at most 20 s" in window.steering.render_button.toolTip()
    assert len(window.notices.waiting) == 1


def test_three_hours_are_refused_in_one_sentence_without_decoding(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    path = tmp_path / "meeting.flac"
    soundfile.write(path, tone(1.0, 16_000), 16_000)
    content = bytearray(path.read_bytes())
    # The header's count of samples: its lowest 32 bits.
    content[22:26] = (3 * 3600 * 16_000).to_bytes(4, "big")
    path.write_bytes(bytes(content))
    before = window.studio.state.source
    drop(window, path)
    qtbot.waitUntil(window.notices.isVisible, timeout=PATIENCE)
    assert [notice.text for notice in window.notices.waiting] == [
        "'meeting.flac' is 180:00 long; the studio takes up to 60:00. Trim it and open it again."
    ]
    assert window.studio.state.source is before


def foreign_model(path: Path) -> None:
    make_mask(model_id="another model").save(path)


def foreign_layers(path: Path) -> None:
    make_mask(WIDTHS[:5]).save(path)


def cut_short(path: Path) -> None:
    make_mask().save(path)
    path.write_bytes(path.read_bytes()[:-200])


def out_of_range(path: Path) -> None:
    mask = make_mask()
    wide = EsnMask((4096,) * len(WIDTHS), mask.indices, mask.scores, mask.metadata)
    pairs = np.array([[0, 1], [1, 4000]], np.int32)
    indices, scores = dict(wide.indices), dict(wide.scores)
    indices["angry"], scores["angry"] = pairs, np.ones(2, np.float32)
    content = EsnMask(wide.widths, indices, scores, mask.metadata).to_bytes()
    path.write_bytes(content.replace(b"4096", b"0768"[-4:]).replace(b"0768", b" 768"))


@pytest.mark.parametrize("make", [foreign_model, foreign_layers, cut_short, out_of_range, text])
def test_masks_that_do_not_fit(qtbot: QtBot, window: MainWindow, tmp_path: Path, make: Callable[[Path], None]) -> None:
    before = window.studio.state.mask
    chosen = window.top.mask_box.currentText()
    path = tmp_path / "other.esn.safetensors"
    make(path)
    drop(window, path)
    qtbot.waitUntil(window.notices.isVisible, timeout=PATIENCE)
    assert len(window.notices.waiting) == 1
    assert "Something went wrong" not in window.notices.text.text()
    assert window.studio.state.mask is before
    assert window.top.mask_box.currentText() == chosen


def test_a_mask_of_a_module_the_model_has_not_got(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    path = tmp_path / "synthesis.esn.safetensors"
    make_mask(module=SYNTHESIS).save(path)
    drop(window, path)
    qtbot.waitUntil(window.notices.isVisible, timeout=PATIENCE)
    [notice] = window.notices.waiting
    assert notice.text == (
        "'synthesis.esn.safetensors' holds neurons of a synthesis module, and Stand-in has only language; choose a "
        "mask made for this model."
    )


def test_masks_steer_the_module_they_were_made_for(
    qtbot: QtBot, open_window: Callable[[Loader], MainWindow], tmp_path: Path
) -> None:
    model = StandIn(info=replace(INFO, gates={LANGUAGE: WIDTHS, SYNTHESIS: WIDTHS[:4]}))
    window = open_window(loader(model, tmp_path / "masks"))
    state = window.studio.state
    qtbot.waitUntil(lambda: state.source is not None and state.mask is not None, timeout=PATIENCE)
    window.studio.choose_layers((1, 2))
    path = tmp_path / "synthesis.esn.safetensors"
    make_mask(WIDTHS[:4], module=SYNTHESIS).save(path)
    drop(window, path)
    qtbot.waitUntil(lambda: state.mask is not None and state.mask.path == path, timeout=PATIENCE)
    assert state.mask is not None
    assert ("Module", "synthesis") in state.mask.facts
    assert state.steer.layers is None, "layers of the other module mean nothing here"
    choose_target(window, "angry")
    drag_slider(window, "angry", 0.8)
    wait_for_takes(qtbot, window, 2)
    baseline, steered = sorted(state.takes, key=lambda shown: not shown.take.settings.is_baseline)
    assert (baseline.take.settings.module, steered.take.settings.module) == (LANGUAGE, SYNTHESIS)
    window.studio.keeper.open_mask(tmp_path / "masks" / "CAS-5.esn.safetensors")
    qtbot.waitUntil(lambda: state.steer.module == LANGUAGE, timeout=PATIENCE)
    wait_for_takes(qtbot, window, 3)
    assert state.takes[-1].take.settings.module == LANGUAGE


def test_a_fitting_mask_from_elsewhere_is_used(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    path = tmp_path / "only-angry.esn.safetensors"
    make_mask(emotions=("angry",)).save(path)
    drop(window, path)
    state = window.studio.state
    qtbot.waitUntil(lambda: state.mask is not None and state.mask.path == path, timeout=PATIENCE)
    assert window.top.mask_box.currentText() == "only-angry"
    assert window.steering.rows["angry"].isEnabled()
    assert not window.steering.rows["sad"].isEnabled()
    assert window.steering.rows["sad"].toolTip() == "This mask holds no neurons for sad"
