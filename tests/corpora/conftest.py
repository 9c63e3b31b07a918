from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

NOBODY = 65_534


def record(path: Path, seed: int = 0, seconds: float = 0.5, rate: int = 16_000) -> Path:
    """A recording unlike those of other seeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(seed).normal(0, 0.1, round(seconds * rate)).clip(-0.9, 0.9), rate)
    return path


@pytest.fixture
def open_folder():
    """A folder that any user may look into, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="corpus-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Nobody's rights, for who runs tests may be root, whom no folder is closed to."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
