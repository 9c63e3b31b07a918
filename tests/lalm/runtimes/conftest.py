"""A runtime that is really made, in seconds and offline: it wants a wheel that leads to the packages of this Python."""

from __future__ import annotations

import os
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.lalm.runtimes.specs import RuntimeSpec
from tests.sshd import Machine, another_machine

NAME, VERSION = "running", "1.0"


def write_wheel(folder: Path, version: str = VERSION) -> Path:
    """A wheel that adds this Python's packages to the environment it is installed in."""
    path = folder / f"{NAME}-{version}-py3-none-any.whl"
    info = f"{NAME}-{version}.dist-info"
    files = {
        f"{NAME}.pth": sysconfig.get_paths()["purelib"] + "\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in (files | {f"{info}/RECORD": record}).items():
            wheel.writestr(name, content)
    return path


def tiny(*requirements: str, **changes: object) -> RuntimeSpec:
    """A runtime for the embedded model."""
    settings: dict[str, object] = {
        "name": "tiny", "title": "Tiny", "pythons": (sys.version_info[:2],) * 2, "requirements": requirements,
        "disk": 10**6, "adapter": "studio.lalm.embedded",
    }  # fmt: skip
    return RuntimeSpec(**settings | changes)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    write_wheel(folder)
    write_wheel(folder, "2.0")
    return folder


@pytest.fixture(autouse=True)
def offline(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pip looks nowhere but into that folder."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder, empty; its name needs quoting."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "a user's data"))
    return tmp_path / "a user's data" / "esn-studio"


@pytest.fixture
def gpu(tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """``gpu.example``, which ssh reaches."""
    settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull}
    with another_machine(tmp_path, settings) as machine:
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
        yield machine
