"""Errors a user can cause: one sentence that says what is wrong, where, and what to do."""

from __future__ import annotations


class StudioError(Exception):
    """Base of every error meant to be shown to a person as it stands."""


class Cancelled(Exception):
    """The caller asked running work to stop; not an error, nothing to show."""
