"""A runtime that is really made, in seconds and offline: it wants a wheel that leads to the packages of this Python."""

from __future__ import annotations

import os
import stat
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from studio.lalm.runtimes.specs import RuntimeSpec

NAME, VERSION = "running", "1.0"

SSH = """#!/bin/sh
# What ssh does with its words: options first, then the machine, then one line for the shell over there.
while [ "$1" != -- ]; do shift; done
shift
[ "$1" = gpu.example ] || { echo "ssh: Could not resolve hostname $1: Name or service not known" >&2; exit 255; }
shift
cd "$FAKE_HOME" && HOME="$FAKE_HOME" && export HOME && unset PYTHONPATH XDG_DATA_HOME
echo "$*" >>"$FAKE_HOME/lines"
# In a session of its own, as over there: nothing but the pipes ends it.
exec setsid -w sh -c "$*"
"""


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
def gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder of ``gpu.example``, which a stand-in of ssh reaches."""
    home, programs = tmp_path / "it's home", tmp_path / "bin"
    home.mkdir()
    programs.mkdir()
    (programs / "ssh").write_text(SSH)
    (programs / "ssh").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_HOME", str(home))
    return home
