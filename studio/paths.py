"""Where things lie: what ships with the program, and what belongs to the user."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HOME_VARIABLE = "ESN_STUDIO_HOME"
"""Environment variable naming a folder that holds ``resources/`` and ``masks/`` in place of the shipped ones."""

_PACKAGE = Path(__file__).resolve().parent


def home() -> Path:
    """The folder holding ``resources/`` and ``masks/``: the override, else the package (wheel), else the checkout."""
    override = os.environ.get(HOME_VARIABLE)
    if override:
        return Path(override).expanduser()
    return _PACKAGE if (_PACKAGE / "resources").is_dir() else _PACKAGE.parent


def resources_dir() -> Path:
    """Model weights, demo corpus, icons and stylesheet."""
    return home() / "resources"


def masks_dir() -> Path:
    """The masks that ship; from a checkout, also where a user's own go by default."""
    return home() / "masks"


def user_masks_dir() -> Path:
    """Where a user's own masks go when ``masks_dir`` cannot be written (not created here)."""
    return user_data_dir() / "masks"


def user_data_dir() -> Path:
    """The user's own data by the platform's custom (not created here): projects, settings, recovered sessions."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "ESN Studio"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "ESN Studio"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "esn-studio"
