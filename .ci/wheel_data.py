"""Build hook: a wheel carries resources/ and masks/ inside the package; an editable install reads the checkout's."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WheelData(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the data folders to a standard wheel only."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before a build of kind ``version``."""
        if version == "standard":
            build_data["force_include"] = {"resources": "studio/resources", "masks": "studio/masks"}
