from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from studio.gui.loading import Loader
from studio.gui.main_window import MainWindow
from tests.gui.wizard.driving import HeldModel, toy_corpus, toy_loader, toy_texts


@pytest.fixture(autouse=True)
def own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Jobs of tests lie with the test."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_corpus(tmp_path_factory.mktemp("toys") / "toys")


@pytest.fixture
def held() -> HeldModel:
    return HeldModel(toy_texts())


@pytest.fixture
def toy_window(open_window: Callable[[Loader], MainWindow], held: HeldModel) -> MainWindow:
    """The window with the toy model."""
    return open_window(toy_loader(held))
