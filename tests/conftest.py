"""Fixtures and plugins shared by every test."""

from __future__ import annotations

import os
import signal

# Set before anything imports torch or Qt: tests need no screen and leave the other cores alone.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Shells start what runs in the background deaf to Ctrl-C, which some tests press; so would be what tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["pytester", "tests.leaks", "tests.pulse"]
