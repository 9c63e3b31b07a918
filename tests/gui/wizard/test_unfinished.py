"""What later starts offer to go on with."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QSettings

from studio.gui.wizard.unfinished import Unfinished


@pytest.fixture
def jobs(tmp_path: Path) -> list[Path]:
    folders = [tmp_path / "jobs" / name for name in ("first", "second", "third")]
    for folder in folders:
        folder.mkdir(parents=True)
    return folders


def started(tmp_path: Path) -> Unfinished:
    """As at the next start: from what is on the disk."""
    unfinished = Unfinished()
    unfinished.remember_in(QSettings(str(tmp_path / "kept.ini"), QSettings.Format.IniFormat))
    return unfinished


def test_the_newest_comes_first_and_each_once(tmp_path: Path, jobs: list[Path]) -> None:
    first, second, third = jobs
    unfinished = started(tmp_path)
    assert unfinished.folders() == []
    unfinished.remember(first)
    assert started(tmp_path).folders() == [first]
    for folder in (second, third, first):
        unfinished.remember(folder)
    assert unfinished.folders() == started(tmp_path).folders() == [first, third, second]


def test_what_is_done_or_gone_is_not_offered(tmp_path: Path, jobs: list[Path]) -> None:
    first, second, third = jobs
    unfinished = started(tmp_path)
    for folder in jobs:
        unfinished.remember(folder)
    unfinished.forget(second)
    third.rmdir()
    assert unfinished.folders() == started(tmp_path).folders() == [first]
    unfinished.forget(first)
    unfinished.forget(third)
    assert started(tmp_path).folders() == []


def test_only_the_newest_few_are_offered(tmp_path: Path) -> None:
    unfinished = started(tmp_path)
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        unfinished.remember(folder)
    folders = unfinished.folders()
    assert folders[0].name == "19"
    assert 1 < len(folders) < 20


def test_without_settings_nothing_is_remembered(tmp_path: Path) -> None:
    unfinished = Unfinished()
    unfinished.remember(tmp_path)
    assert unfinished.folders() == []
