"""The whole window in a process of its own, with or without a sound device: ``python -m tests.gui.scenes NAME FOLDER``.

Plays the story of the first minute with the model that ships (the stand-in where no weights are) and prints what it
saw as one line of JSON; takes are left in the folder as WAV.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWizard

from studio.audio.files import load_clip, save_wav
from studio.cli import main as run_command
from studio.engine import JobContext
from studio.gui.audition.record import RecordDialog
from studio.gui.loading import Loaded, Loader, load_default
from studio.lalm.base import LANGUAGE
from studio.paths import resources_dir
from studio.session.export_options import ExportOptions
from studio.session.recordings import recordings_dir
from tests.gui.driving import choose_target, drag_slider, key, press
from tests.gui.stage import Stage
from tests.gui.standin import StandIn, loader, make_mask
from tests.gui.wizard.driving import toy_corpus, toy_texts
from tests.pipelines.toy import ToyJudge, ToyModel
from tests.pulse import load_sink, unload_sink

SWAPS = 4
"""A busy machine drops samples on the way through the sound server: one of these should come through whole."""


def shipped_loader(folder: Path) -> Loader:
    """The model that ships with a mask of its size, or the stand-in where there are no weights."""
    if not (resources_dir() / "embedded" / "model.safetensors").exists():
        return loader(StandIn(), folder)

    def load(context: JobContext) -> Loaded:
        loaded = load_default(context)
        info = loaded.model.info
        mask = folder / "made-up.esn.safetensors"
        make_mask(info.gates[LANGUAGE], info.model_id).save(mask)
        return replace(loaded, masks=[*loaded.masks, mask])

    return load


def first_minute(stage: Stage, folder: Path) -> dict[str, Any]:
    """Choose angry, hear it; push the slider, hear that; then A from the start and B from the middle on; export."""
    window, studio = stage.window, stage.studio
    playback, state = studio.playback, studio.state
    window.transport.loop.setChecked(False)
    began: list[str] = []
    playback.playing_changed.connect(lambda on: began.append(playback.heard) if on else None)
    choose_target(window, "angry")
    stage.wait_for_takes(1)
    stage.wait(lambda: not playback.playing, "the end of the baseline")
    drag_slider(window, "angry", 1.0)
    stage.wait_for_takes(2)
    stage.wait(lambda: not playback.playing, "the end of the steered take")
    stage.wait(lambda: {"A", "B"} <= set(state.gains), "the gains")
    swapped_at = []
    for _ in range(SWAPS):
        key(window, Qt.Key.Key_A)
        playback.seek(0.0)
        key(window, Qt.Key.Key_Space)
        stage.wait(lambda: studio.axis.playhead > 0.8, "the middle of A")
        key(window, Qt.Key.Key_X)
        swapped_at.append(playback.player.position)
        heard_after = playback.heard
        stage.wait(lambda: not playback.playing, "the end of B")
    for shown, lane in zip(state.takes, "AB", strict=True):
        studio.exports.start([shown], folder, ExportOptions(template=lane))
    stage.wait(lambda: (folder / "B.json").exists() and not studio.chores.busy, "the exports")
    return {
        "heard_by_itself": began[:2],
        "heard_after_swap": heard_after,
        "swapped_at": swapped_at,
        "gains": [state.gains[lane] for lane in "AB"],
        "errors": stage.errors(),
        "model": studio.state.model.model_id if studio.state.model is not None else None,
    }


def silent(stage: Stage, folder: Path) -> dict[str, Any]:
    """Everything but sound, without a device."""
    window, studio = stage.window, stage.studio
    choose_target(window, "sad")
    stage.wait_for_takes(1)
    drag_slider(window, "sad", 0.6)
    stage.wait_for_takes(2)
    key(window, Qt.Key.Key_X)
    key(window, Qt.Key.Key_Space)
    studio.exports.start([studio.state.takes[1]], folder, ExportOptions(template="sad"))
    stage.wait(lambda: not studio.chores.busy, "the export")
    press(window.retry)
    stage.wait(lambda: not studio.sound_worker.busy, "another look for a device")
    return {
        "play_enabled": window.transport.play.isEnabled(),
        "play_says": window.transport.play.toolTip(),
        "status_says": window.sound.text(),
        "playing": studio.playback.playing,
        "heard": studio.playback.heard,
        "exported": (folder / "sad.wav").stat().st_size,
        "errors": stage.errors(),
    }


def single_clip(stage: Stage, folder: Path) -> dict[str, Any]:
    """The wizard's player: a file is stopped by another, which plays to its end; then the lanes are heard again."""
    clips, playback = stage.window.clips, stage.studio.playback
    first, second = (resources_dir() / "demo" / "0011" / "Neutral" / f"0011_{line:06d}.ogg" for line in (2, 3))
    playback.set_looping(True)
    clips.play(first)
    stage.wait(lambda: playback.player.source == "conversion" and playback.player.playing, "the first file")
    clips.toggle(second)
    stage.wait(lambda: clips.playing is None, "the end of the second file")
    return {"file": str(second), "source": playback.player.source, "heard": playback.heard, "errors": stage.errors()}


def unplugged(stage: Stage, folder: Path) -> dict[str, Any]:
    """The stream is killed while the sound server lives on; then the only output is pulled out."""
    window, playback = stage.window, stage.studio.playback
    player = playback.player
    playback.set_looping(True)
    key(window, Qt.Key.Key_Space)
    stage.wait(lambda: player.playing and player.level > 0.01, "the source")
    streams = subprocess.run(["pactl", "list", "short", "sink-inputs"], check=True, capture_output=True, text=True)
    reopened: list[str] = []
    playback._ended.connect(lambda: reopened.append(player.reason))
    for line in streams.stdout.splitlines():
        subprocess.run(["pacmd", "kill-sink-input", line.split("\t")[0]], check=True, capture_output=True)
    stage.wait(lambda: bool(reopened) and player.playing and player.level > 0.01, "the source again")
    seen = {"playing": playback.playing, "first_said": playback.reason, "began": window.transport.play.toolTip()}
    unload_sink()
    stage.wait(lambda: playback.reason is not None, "the loss of the output")
    key(window, Qt.Key.Key_B)
    seen |= {"then_playing": playback.playing, "then_says": window.sound.text(), "heard": playback.heard}
    load_sink()
    press(window.retry)
    stage.wait(lambda: playback.reason is None, "the output that is back")
    key(window, Qt.Key.Key_S)
    key(window, Qt.Key.Key_Space)
    stage.wait(lambda: player.level > 0.01, "the source once more")
    return seen | {"errors": stage.errors()}


def microphone(stage: Stage, folder: Path) -> dict[str, Any]:
    """Record a line that is played into the sink whose monitor is the microphone; once cancelled, once kept."""
    window, state = stage.window, stage.studio.state
    line = load_clip(resources_dir() / "demo" / "0012" / "Neutral" / "0012_000002.ogg")
    save_wav(folder / "line.wav", line)

    def open_dialog() -> RecordDialog:
        press(window.library.record)
        dialog = window.findChildren(RecordDialog)[-1]
        stage.wait(dialog.record.isEnabled, "the microphone")
        return dialog

    dialog = open_dialog()
    press(dialog.record)
    stage.wait(lambda: "0:00.0" not in dialog.time.text(), "some recording")
    press(dialog.cancel)
    stage.wait(lambda: not stage.studio.sound_worker.busy, "the microphone to close")
    kept = list(recordings_dir().glob("*")) if recordings_dir().exists() else []
    dialog = open_dialog()
    microphones = [dialog.devices.itemText(index) for index in range(dialog.devices.count())]
    press(dialog.record)
    quiet = dialog.meter.share
    # A sound server may swallow the first moments of a recording.
    stage.wait(lambda: "0:00." not in dialog.time.text(), "a second of recording")
    playing = subprocess.Popen(["paplay", str(folder / "line.wav")])
    loudest: list[float] = []

    def played() -> bool:
        loudest.append(dialog.meter.share)
        return playing.poll() is not None

    stage.wait(played, "the line")
    # What was played last is still on its way to the microphone.
    heard_out = time.monotonic() + 0.5
    stage.wait(lambda: time.monotonic() > heard_out, "the end of the line")
    stop_says = dialog.record.text()
    press(dialog.record)
    stage.wait(lambda: state.source is not None and state.source.name.startswith("Recording"), "the recording")
    window.activateWindow()
    stage.wait(window.isActiveWindow, "the window to be active")
    listed = [[source.name for source in state.sources]]
    window.library.sources.setFocus()
    QTest.keyClick(window.library.sources, Qt.Key.Key_Delete)
    listed.append([source.name for source in state.sources])
    key(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    stage.wait(lambda: len(state.sources) == len(listed[0]), "the recording to come back")
    listed.append([source.name for source in state.sources])
    return {
        "listed": listed,
        "after_cancel": [path.name for path in kept],
        "microphones": microphones,
        "quiet": quiet,
        "loudest": max(loudest),
        "stop_says": stop_says,
        "file": str(next(recordings_dir().glob("Recording*.wav"))),
        "sources": len(state.sources),
        "errors": stage.errors(),
    }


def first_sound(stage: Stage, folder: Path) -> dict[str, Any]:
    """Render is pressed; how long until something is heard, and whether the render was still at work then."""
    window, studio = stage.window, stage.studio
    player = studio.playback.player
    studio.state.set_options(auto_render=False)
    heard: list[tuple[float, float, bool]] = []
    for emotion in ("angry", "sad", "happy"):
        choose_target(window, emotion)
        studio.playback.stop()
        stage.wait(lambda: player.level == 0.0, "silence")
        takes = len(studio.state.takes)
        began, processor = time.perf_counter(), time.process_time()
        key(window, Qt.Key.Key_R)
        stage.wait(lambda: player.level > 0.0, "the first sound")
        at = time.perf_counter() - began, time.process_time() - processor
        heard.append((*at, len(studio.state.takes) == takes and studio.renders.active))
        stage.wait_for_takes(takes + 1)
    return {
        "milliseconds": [round(1000 * each[0]) for each in heard],
        "of_processor": [round(1000 * each[1]) for each in heard],
        "before_the_end": [each[2] for each in heard],
        "errors": stage.errors(),
    }


def review(stage: Stage, folder: Path) -> dict[str, Any]:
    """The wizard over a job of another model: a row of its log is played, then its successes one after another."""
    search, clips = stage.studio.search, stage.window.clips
    heard: list[str] = []
    clips.changed.connect(lambda: heard.append(clips.playing.stem) if isinstance(clips.playing, Path) else None)
    wizard = stage.window.find_neurons()
    wizard.go_on_with(toy_job(folder))
    stage.wait(lambda: bool(wizard.run.notices.waiting), "the sentence that this model cannot go on with it")
    wizard.run.log.select(0)
    QTest.keyClick(wizard.run.log, Qt.Key.Key_Space)
    stage.wait(lambda: len(heard) == 1, "a conversion of the log")
    press(wizard.button(QWizard.WizardButton.NextButton))
    rows = wizard.review.list.conversions
    stage.wait(lambda: rows.rowCount() == search.found, "the list")
    shown = [Path(str(attempt.audio)).stem for row in range(rows.rowCount()) if (attempt := rows.attempt(row))]
    QTest.keyClick(wizard.review.list, Qt.Key.Key_Space)
    for count in range(2, len(shown) + 2):
        stage.wait(partial(has, heard, count), "the next conversion")
        QTest.keyClick(wizard.review.list, Qt.Key.Key_A)
    return {
        "newest": Path(str(search.results.attempts[-1].audio)).stem,
        "shown": shown,
        "heard": heard,
        "silent": clips.playing is None,
        "accepted": sum(search.results.verdicts.values()),
    }


def has(heard: list[str], count: int) -> bool:
    return len(heard) >= count


def toy_job(folder: Path) -> Path:
    """The finished job of a model that sings, in a few seconds whatever the machine is busy with."""
    corpus, job = toy_corpus(folder / "toys", speakers=1), folder / "job"
    line = ["identify", corpus, "--split", "all", "--rate", 0.1, "--batch", 4, "--work", job, "--out", folder / "mask"]
    with (
        patch("studio.lalm.catalog.load_model", lambda _name: ToyModel(toy_texts())),
        patch("studio.judges.catalog.load_judge", lambda _name: ToyJudge()),
    ):
        assert run_command([*map(str, line), "--json"]) == 0
    return job


SCENES = {
    scene.__name__: scene for scene in (first_minute, silent, single_clip, unplugged, microphone, first_sound, review)
}


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    stage = Stage(folder, shipped_loader(folder))
    QTest.qWaitForWindowExposed(stage.window)
    seen = SCENES[name](stage, folder)
    stage.close()
    sys.stdout.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    main()
