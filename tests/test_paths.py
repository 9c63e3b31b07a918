"""Where things are found: in a checkout, through the override, and the user's own folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio import paths


def test_a_checkout_reads_its_own_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(paths.HOME_VARIABLE, raising=False)
    root = Path(__file__).resolve().parent.parent
    assert paths.resources_dir() == root / "resources"
    assert paths.masks_dir() == root / "masks"
    assert (paths.resources_dir() / "demo" / "0011").is_dir()


def test_the_override_moves_both(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    assert paths.resources_dir() == tmp_path / "resources"
    assert paths.masks_dir() == tmp_path / "masks"


def test_user_data_follows_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert paths.user_data_dir() == tmp_path / "esn-studio"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert paths.user_data_dir() == Path.home() / ".local" / "share" / "esn-studio"
    monkeypatch.setattr("sys.platform", "darwin")
    assert paths.user_data_dir().parts[-3:] == ("Library", "Application Support", "ESN Studio")
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert paths.user_data_dir() == tmp_path / "ESN Studio"
