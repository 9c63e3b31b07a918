"""The set-up: everything pinned, nothing done twice, and plain words where a machine lacks something."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAME = re.compile(r"^[A-Za-z0-9._-]+")


def canonical(requirement: str) -> str:
    match = NAME.match(requirement)
    assert match is not None, requirement
    return re.sub(r"[-_.]+", "-", match.group()).lower()


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {canonical(line): line for line in lines if line and not line.startswith("#")}


def project() -> dict[str, list[str]]:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    table = document["project"]
    return {
        "dependencies": table["dependencies"],
        "build": document["build-system"]["requires"],
        **table["optional-dependencies"],
    }


@pytest.mark.parametrize("group", ["dependencies", "build", "dev", "eval", "c2pa", "ray", "quantised"])
def test_every_requirement_is_pinned(group: str) -> None:
    # A group may name others of this project.
    missing = {canonical(requirement) for requirement in project()[group]} - set(pins()) - {"esn-studio"}
    assert missing == set()


def test_every_pin_is_exact_and_torch_takes_any_build() -> None:
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line) for line in pins().values())
    assert pins()["torch"] == "torch==2.13.0"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The set-up files alone, as on a fresh clone."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "setup", tmp_path / ".ci" / "setup")
    return tmp_path


def planned(checkout: Path, target: str) -> str:
    """What make would run for ``target``."""
    return subprocess.run(["make", "-n", target], cwd=checkout, capture_output=True, text=True, check=True).stdout


def test_the_second_start_does_no_set_up(checkout: Path) -> None:
    assert ".ci/setup python" in planned(checkout, "run")
    assert ".ci/setup system test" in planned(checkout, "test")
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / ".installed").touch()
    (checkout / ".venv" / ".system-test").touch()
    assert ".ci/setup" not in planned(checkout, "run")
    assert ".ci/setup" not in planned(checkout, "test")
    os.utime(checkout / "constraints.txt", (2**33, 2**33))
    assert ".ci/setup python" in planned(checkout, "run")


def machine(folder: Path, **commands: str) -> dict[str, str]:
    """An environment where the named commands are these shell lines: a machine that lacks what this one has."""
    folder.mkdir()
    for name, line in commands.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}


def set_up(checkout: Path, *arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([".ci/setup", *arguments], cwd=checkout, env=env, capture_output=True, text=True, check=False)


def test_without_rights_the_exact_line_is_printed_and_set_up_goes_on(checkout: Path, tmp_path: Path) -> None:
    env = machine(tmp_path / "bin", id="echo 1000", sudo="exit 1", dpkg_query="exit 1", apt_get="echo apt ran; exit 1")
    done = set_up(checkout, "system", "test", env=env)
    assert done.returncode == 0
    lines = [line.strip() for line in done.stderr.splitlines() if "apt-get install" in line]
    assert len(lines) == 1
    assert lines[0].startswith("sudo apt-get install -y --no-install-recommends")
    assert {"libportaudio2", "libegl1", "xvfb", "pulseaudio"} <= set(lines[0].split())
    assert "apt ran" not in done.stdout + done.stderr


def test_only_what_is_missing_is_installed(checkout: Path, tmp_path: Path) -> None:
    env = machine(
        tmp_path / "bin",
        id="echo 0",
        dpkg_query='case " $* " in *" libegl1 "*) exit 1;; *" libgl1 "*) echo not-installed;; *) echo installed;; esac',
        apt_get='echo "apt-get $*"',
    )
    done = set_up(checkout, "system", "run", env=env)
    assert done.returncode == 0
    asked = [line for line in done.stderr.splitlines() if line.startswith("apt-get")]
    assert asked == ["apt-get update -q", "apt-get install -y --no-install-recommends --no-remove libegl1 libgl1 -q"]


def test_an_apt_failure_is_said_and_set_up_goes_on(checkout: Path, tmp_path: Path) -> None:
    env = machine(tmp_path / "bin", id="echo 0", dpkg_query="exit 1", apt_get="exit 100")
    done = set_up(checkout, "system", "run", env=env)
    assert done.returncode == 0
    assert "apt could not install them all" in done.stderr


def test_an_old_python_is_refused_in_a_sentence(checkout: Path, tmp_path: Path) -> None:
    env = machine(tmp_path / "bin", oldpython="exit 1") | {"PYTHON": "oldpython"}
    done = set_up(checkout, "python", env=env)
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_started_directly_is_executable() -> None:
    assert all(os.access(ROOT / name, os.X_OK) for name in (".ci/setup", ".ci/run"))
