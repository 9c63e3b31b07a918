"""Unsaved work: found again, offered unless a window holds it, and not kept for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.session import recovery
from studio.session.project import NumberedTake, Project, ProjectSource
from studio.session.projectfolder import ProjectFolder
from studio.session.render import render
from studio.session.settings import RenderSettings
from tests.toy import ToyLALM, tone


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path


def work(takes: int) -> Project:
    source = tone()
    made = render(ToyLALM(), source, [RenderSettings("sad", seed=number) for number in range(takes)])
    numbered = tuple(NumberedTake(number, take) for number, take in enumerate(made, start=1))
    return Project(takes=numbered, sources=(ProjectSource(source, "tone"),), source=0)


def left_behind(takes: int) -> Path:
    folder = ProjectFolder(recovery.new_session())
    folder.save(work(takes))
    folder.close()
    return folder.path


def test_what_was_left_behind_is_offered_newest_first() -> None:
    assert recovery.recoverable() == []
    first, second = left_behind(1), left_behind(2)
    found = recovery.recoverable()
    assert [each.path for each in found] == [second, first]
    assert found[0].question == f"2 takes of {found[0].saved:%H:%M}"
    assert found[1].question.startswith("1 take of ")
    assert recovery.is_unsaved(first)
    assert not recovery.is_unsaved(Path("/elsewhere") / first.name)


def test_what_a_window_holds_or_nobody_can_read_is_not_offered() -> None:
    held, broken, empty = left_behind(1), left_behind(1), left_behind(0)
    assert empty.is_dir()
    (broken / "project.json").write_text("{")
    folder, _ = ProjectFolder.open(held)
    assert recovery.recoverable() == []
    folder.close()
    assert [each.path for each in recovery.recoverable()] == [held]


def test_only_the_newest_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(recovery, "KEPT", 2)
    paths = [left_behind(1) for _ in range(4)]
    held, _ = ProjectFolder.open(paths[0])
    recovery.prune()
    assert [path.exists() for path in paths] == [True, False, True, True]
    held.close()
    elsewhere = tmp_path / "mine.esnstudio"
    elsewhere.mkdir()
    recovery.discard(elsewhere)
    assert elsewhere.is_dir(), "only unsaved work is ever deleted"
