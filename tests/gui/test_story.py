"""The whole story on the model that ships, on a screen and a sound card of its own, by mouse and key."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from studio.cli import main as run_command
from tests.pulse import NullSink

LATENCY = 0.1
"""Seconds a busy machine may take between looking at the position, the key, and looking again."""


def play(part: str, folder: Path, env: dict[str, str]) -> tuple[int, str]:
    """One part, under an X server of its own: its exit code, and what it said."""
    command = ["xvfb-run", "-a", "-s", "-screen 0 1920x1080x24", sys.executable, "-m", "tests.gui.story", part, folder]
    on_screen = env | {"QT_QPA_PLATFORM": "xcb"}
    # Not through pipes, which helpers that outlive a killed window would hold open.
    said = folder / f"{part}.log"
    with said.open("w") as log:
        done = subprocess.run([*map(str, command)], env=on_screen, stdout=log, stderr=log, check=False)
    return done.returncode, said.read_text()


def test_an_afternoon_ends_in_a_crash_and_goes_on_in_the_evening(null_sink: NullSink, tmp_path: Path) -> None:
    code, said = play("afternoon", tmp_path, null_sink.env)
    assert code in (-signal.SIGKILL, 128 + signal.SIGKILL), said
    told: dict[str, Any] = json.loads((tmp_path / "told.json").read_text())
    assert told["errors"] == []
    assert len(told["takes"]) == 8, "four emotions, one steered, two of the ladder, one after saving"
    assert [heard for heard, _, _ in told["swaps"]] == ["A", "B", "A", "B"]
    assert all(0 <= after - before < LATENCY or after < before for _, before, after in told["swaps"])

    code, said = play("evening", tmp_path, null_sink.env)
    assert code == 0, said
    seen: dict[str, Any] = json.loads((tmp_path / "seen.json").read_text())
    assert seen["offered"].startswith("The studio ended while “afternoon” was open")
    assert {name: seen[name] for name in ("takes", "stars", "errors")} == {
        name: told[name] for name in ("takes", "stars", "errors")
    }
    assert sorted(seen["stars"].values()) == [0] * 7 + [4]
    assert seen["lanes"] == told["lanes"]
    assert len(seen["again"]) == 3
    assert all("is the same in all" in text for text in seen["again"]), seen["again"]
    files = sorted(map(str, (tmp_path / "out").glob("*.wav")))
    assert len(files) == 8
    assert run_command(["verify", *files]) == 0
