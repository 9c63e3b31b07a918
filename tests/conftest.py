"""Fixtures and plugins shared by every test."""

from __future__ import annotations

import os

# Set before anything imports torch or Qt: tests need no screen and leave the other cores alone.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["pytester", "tests.leaks", "tests.pulse"]
