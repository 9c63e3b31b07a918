"""Errors of the method; each message is one sentence for a person."""

from __future__ import annotations

from studio.errors import StudioError


class StatisticsError(StudioError):
    """Statistics, or a statistics file, that cannot be used."""


class MaskError(StudioError):
    """A mask, or a mask file, that cannot be used or does not fit the model."""


class TapError(StudioError):
    """Gate taps that cannot be installed, or that did not see every forward pass."""


class EmoSteerError(StudioError):
    """Learned vectors, or a file of them, that cannot be used, do not fit the model, or did not see every pass."""
